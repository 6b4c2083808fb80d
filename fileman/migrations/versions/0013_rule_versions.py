"""Versions of rules, a study's decision in one row, where balances stand, images by when they were saved."""

import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_MADE_OF_OLD = sa.text(
    "INSERT INTO study_decision (task, study_uid, version, fired_rules, decided_rules, decided_by, decided_at)"
    " SELECT o.task, o.study_uid, coalesce((SELECT max(v.version) FROM version_of_task v WHERE v.task = o.task), ''),"
    " o.fired_rules, '', 0, o.decided_at FROM old_study_decision o"
)
#: Folds the rows of a study, in the order of their rules, by engine.
_FOLDED = {
    "sqlite": "'[' || coalesce((SELECT group_concat(it.rule, ', ') FROM (SELECT rule FROM study_decision f"
    " WHERE f.task = s.task AND f.study_uid = s.study_uid AND f.fired ORDER BY rule) it), '') || ']'",
    "postgresql": "'[' || coalesce(string_agg(s.rule::text, ', ' ORDER BY s.rule) FILTER (WHERE s.fired), '') || ']'",
}
_TASKS = sa.text(
    "SELECT v.task, v.version, t.arguments FROM version_of_task v JOIN task t ON t.number = v.task ORDER BY v.task, v.version"
)
_SEMANTICS = sa.text("SELECT value FROM site_setting WHERE name = 'rule_semantics'")
_STORE = sa.text(
    "INSERT INTO rule_version (id, kind, semantics, text, stored_at, stored_by)"
    " VALUES (:id, 'elements', :semantics, :text, :at, '') ON CONFLICT (id) DO NOTHING"
)


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _long_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    _make_tables()
    op.execute("CREATE TABLE version_of_task AS SELECT DISTINCT task, version FROM rule_decision")
    _fold_studies()
    _keep_rules_of_tasks()
    op.execute("DROP TABLE version_of_task")
    op.add_column("rule_decision", sa.Column("queued", _long_text(), nullable=False, server_default="[]"))
    op.add_column("rule_decision", sa.Column("decided_by", sa.Integer(), nullable=False, server_default="0"))
    op.drop_column("rule_decision", "reasons")
    op.execute("UPDATE rule_decision SET decided_by = image")
    op.create_index(op.f("ix_image_saved_at_ien"), "image", ["saved_at", "ien"])


def _make_tables() -> None:
    op.create_table(
        "rule_version",
        sa.Column("id", _text(16), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("semantics", _text(), nullable=False),
        sa.Column("text", _long_text(), nullable=False),
        sa.Column("stored_at", sa.Float(53), nullable=False),
        sa.Column("stored_by", _text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_version")),
    )
    op.create_table(
        "rule_publication",
        sa.Column("location", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", _text(), nullable=False),
        sa.Column("published_at", sa.Float(53), nullable=False),
        sa.Column("published_by", _text(), nullable=False),
        sa.Column("note", _text(), nullable=False),
        sa.PrimaryKeyConstraint("location", "sequence", name=op.f("pk_rule_publication")),
    )
    op.create_table(
        "balance_deck",
        sa.Column("location", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("deck", _text(), nullable=False),
        sa.Column("state", _long_text(), nullable=False),
        sa.PrimaryKeyConstraint("location", "deck", name=op.f("pk_balance_deck")),
    )
    op.create_table(
        "balance_deal",
        sa.Column("location", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("deck", _text(), nullable=False),
        sa.Column("study", _text(), nullable=False),
        sa.Column("day", _text(), nullable=False),
        sa.Column("slot", _text(), nullable=False),
        sa.Column("destination", _text(), nullable=False),
        sa.PrimaryKeyConstraint("location", "deck", "study", name=op.f("pk_balance_deal")),
    )
    op.create_index(op.f("ix_balance_deal_day"), "balance_deal", ["day"])
    op.create_table(
        "balance_mark",
        sa.Column("location", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", _text(), nullable=False),
        sa.Column("slot", _text(), nullable=False),
        sa.Column("deck", _text(), nullable=False),
        sa.Column("study", _text(), nullable=False),
        sa.PrimaryKeyConstraint("location", "day", "slot", "deck", "study", name=op.f("pk_balance_mark")),
    )
    op.create_index(op.f("ix_balance_mark_day"), "balance_mark", ["day"])


def _fold_studies() -> None:
    """Make one row of what each rule decided about a study."""
    folded = _FOLDED[op.get_bind().dialect.name]
    op.execute(
        f"CREATE TABLE old_study_decision AS SELECT s.task AS task, s.study_uid AS study_uid, {folded} AS fired_rules,"
        " max(s.decided_at) AS decided_at FROM study_decision s GROUP BY s.task, s.study_uid"
    )
    op.drop_table("study_decision")
    op.create_table(
        "study_decision",
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("study_uid", _text(), nullable=False),
        sa.Column("version", _text(), nullable=False),
        sa.Column("fired_rules", _long_text(), nullable=False),
        sa.Column("decided_rules", _long_text(), nullable=False),
        sa.Column("decided_by", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("task", "study_uid", name=op.f("pk_study_decision")),
    )
    op.create_index(op.f("ix_study_decision_decided_at"), "study_decision", ["decided_at"])
    op.get_bind().execute(_MADE_OF_OLD)
    op.execute("DROP TABLE old_study_decision")


def _keep_rules_of_tasks() -> None:
    """Keep the rules of evaluators whose decisions are kept, under the version that these name."""
    connection = op.get_bind()
    semantics = json.loads(connection.execute(_SEMANTICS).scalar() or '"documented"')
    for row in connection.execute(_TASKS).all():
        rules = _rules_of(row.arguments)
        if rules:
            stored = {"id": row.version[:16], "semantics": semantics, "text": json.dumps(rules), "at": time.time()}
            connection.execute(_STORE, stored)


def _rules_of(arguments: str) -> list[list[str]]:
    """Give the elements that a task was begun with; none of arguments that are no evaluator's."""
    try:
        return [[str(subscript), str(text)] for subscript, text in json.loads(arguments)["rules"]]
    except (ValueError, KeyError, TypeError):
        return []
