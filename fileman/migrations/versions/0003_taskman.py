"""Task records with VistA's fields, steps, sync flags, TaskMan's error log, option scheduling."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBERED = ("option_schedule", "task_error")
#: The moment of the migration in seconds since the epoch, as each engine says it.
NOW = {"sqlite": "(julianday('now') - 2440587.5) * 86400.0", "postgresql": "extract(epoch FROM now())"}


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        for file in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"ien_{file}", start=1)))
    op.create_table(
        "task_step",
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task", "name", name=op.f("pk_task_step")),
    )
    op.create_table(
        "task_error",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("entry_point", sa.String(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_task_error")),
    )
    op.create_index(op.f("ix_task_error_task"), "task_error", ["task"])
    op.create_index(op.f("ix_task_error_at"), "task_error", ["at"])
    op.create_table(
        "task_sync_flag",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_task_sync_flag")),
    )
    op.create_table(
        "option_schedule",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("option", sa.String(), nullable=False),
        sa.Column("next_at", sa.Float(precision=53), nullable=True),
        sa.Column("wall", sa.String(), nullable=False),
        sa.Column("frequency", sa.String(), nullable=False),
        sa.Column("special", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("volume", sa.String(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("parameter", sa.String(), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("catch_up", sa.Boolean(), nullable=False),
        sa.Column("last_at", sa.Float(precision=53), nullable=True),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_option_schedule")),
    )
    op.create_index(op.f("ix_option_schedule_option"), "option_schedule", ["option"])
    op.create_index(op.f("ix_option_schedule_next_at"), "option_schedule", ["next_at"])
    texts = ("creator", "option", "uci", "volume", "device", "sync_flag", "said", "job", "stopped_by", "error_text")
    times = ("first_created_at", "keep_until", "requeue_at", "error_at")
    with op.batch_alter_table("task") as task:
        for name in texts:
            task.add_column(sa.Column(name, sa.String(), server_default="", nullable=False))
        for name in times:
            task.add_column(sa.Column(name, sa.Float(precision=53), nullable=True))
        task.add_column(sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
        task.add_column(sa.Column("rank", sa.Integer(), server_default="5", nullable=False))
        task.add_column(sa.Column("persistent", sa.Boolean(), server_default=sa.false(), nullable=False))
        task.alter_column("scheduled_at", existing_type=sa.Float(precision=53), nullable=True)
        task.drop_column("heartbeat_at")
    op.drop_index(op.f("ix_task_status_scheduled_at"), "task")
    op.create_index(op.f("ix_task_status_rank_scheduled_at"), "task", ["status", "rank", "scheduled_at"])
    op.create_index(op.f("ix_task_entry_point"), "task", ["entry_point"])
    op.create_index(op.f("ix_task_option"), "task", ["option"])
    op.create_index(op.f("ix_task_sync_flag_status"), "task", ["sync_flag", "status"])
    op.create_index(op.f("ix_task_status_status_at"), "task", ["status", "status_at"])
    op.create_index(op.f("ix_task_duz_number"), "task", ["duz", "number"])
    op.add_column("running_task", sa.Column("attempt", sa.Integer(), server_default="1", nullable=False))
    op.add_column("task_manager", sa.Column("slots", sa.Integer(), server_default="0", nullable=False))
    op.add_column("task_manager", sa.Column("running", sa.Integer(), server_default="0", nullable=False))
    _add_system_tasks()


def _add_system_tasks() -> None:
    """Add what the system tasks go by: since when an entry has its status, long-term places, statistics per day."""
    for name in ("status_at", "purged_at"):
        op.add_column("send_queue", sa.Column(name, sa.Float(precision=53), nullable=True))
    op.execute(f"UPDATE send_queue SET status_at = {NOW[op.get_bind().dialect.name]}")
    op.create_index(op.f("ix_send_queue_destination_status_status_at"), "send_queue", ["destination", "status", "status_at"])
    op.create_index(op.f("ix_dicom_export_image_status_status_at"), "dicom_export_image", ["status", "status_at"])
    op.create_index(op.f("ix_rule_decision_evaluated_at"), "rule_decision", ["evaluated_at"])
    op.add_column("image", sa.Column("big_jukebox_location", sa.Integer(), nullable=True))
    op.add_column("background_queue", sa.Column("reason", sa.String(), server_default="", nullable=False))
    op.create_table(
        "daily_statistic",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("day", "location", "instrument", "stage", "outcome")),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "location", "instrument", "stage", "outcome", name=op.f("pk_daily_statistic")),
    )
    op.create_table(
        "statistics_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.Float(precision=53), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statistics_cursor")),
    )
