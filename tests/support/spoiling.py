"""A PostgreSQL database that changes or refuses what a table gets, however its rows come."""

from __future__ import annotations

from tests.support.postgres import Database

#: An event trigger, since the table has yet to be made.
_SPOIL = """
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {work} END $$;
CREATE FUNCTION add_spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
    FOR made IN SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.{table}' LOOP
        EXECUTE 'CREATE {kind} ON {table} {when} FOR EACH ROW EXECUTE FUNCTION spoil()';
    END LOOP;
END $$;
CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION add_spoil();
"""
#: When the work is done: as each row comes, or when the transaction commits.
BEFORE = ("TRIGGER spoil BEFORE INSERT", "")
AT_COMMIT = ("CONSTRAINT TRIGGER spoil AFTER INSERT", "DEFERRABLE INITIALLY DEFERRED")


def spoil(database: Database, table: str, work: str, when: tuple[str, str] = BEFORE) -> None:
    """Let PL/pgSQL work on each row that a table to come gets; `DROP EVENT TRIGGER spoil` ends it."""
    database.execute(_SPOIL.format(table=table, work=work, kind=when[0], when=when[1]))
