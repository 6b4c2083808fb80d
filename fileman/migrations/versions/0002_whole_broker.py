"""Locks by address, error log, sign-on tokens, verify code history, menus, key-locked procedures, faults for tests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ien_error_log", start=1)))
    op.create_table(
        "error_log",
        sa.Column("ien", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("last_reference", sa.String(), nullable=False),
        sa.Column("rpc", sa.String(), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("context", sa.String(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ien", name=op.f("pk_error_log")),
    )
    op.create_table(
        "fault",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fault")),
    )
    op.create_table(
        "locked_address",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_locked_address")),
    )
    op.create_table(
        "sign_on_token",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("duz", sa.Integer(), nullable=False),
        sa.Column("division", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_on_token")),
    )
    op.create_index(op.f("ix_sign_on_token_expires_at"), "sign_on_token", ["expires_at"], unique=False)
    op.create_table(
        "option_item",
        sa.Column("option", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["option"], ["option.ien"], name=op.f("fk_option_item_option_option"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("option", "position", name=op.f("pk_option_item")),
    )
    op.add_column("new_person", sa.Column("verify_history", sa.Text(), server_default="", nullable=False))
    op.add_column("new_person", sa.Column("multiple_sign_on", sa.String(), server_default="", nullable=False))
    op.add_column("new_person", sa.Column("prohibited_times", sa.String(), server_default="", nullable=False))
    op.add_column("option", sa.Column("reverse_lock", sa.String(), server_default="", nullable=False))
    op.add_column("option", sa.Column("prohibited_times", sa.String(), server_default="", nullable=False))
    op.add_column("option_rpc", sa.Column("key", sa.String(), server_default="", nullable=False))
    op.add_column("sign_on_log", sa.Column("transport", sa.String(), server_default="", nullable=False))
    op.add_column("sign_on_log", sa.Column("division", sa.Integer(), nullable=True))
    op.add_column("sign_on_log", sa.Column("broker", sa.String(), server_default="", nullable=False))
    op.create_index(op.f("ix_sign_on_log_signed_off"), "sign_on_log", ["signed_off"])
