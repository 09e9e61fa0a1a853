"""Tables whose rows are written once: never changed, never deleted, never emptied.

Two walls, each enough against the application: triggers refuse UPDATE, DELETE and TRUNCATE to everyone, the
schema's owner included, and the application's role holds no right to them. A migration says::

    operations = [migrations.CreateModel(...), append_only("record_version")]

Partitions made later inherit the row trigger; SQL that makes them calls ``append_only_protect(regclass,
may_insert)`` for the statement trigger and the rights.
"""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations.base import Operation, OperationCategory

from .database.api import application_role

__all__ = ["AppendOnly", "append_only"]

_FUNCTIONS = """
CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Rows of %% are kept for good: %% is refused.', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'Write a new row that corrects the old one.';
END $$;

CREATE OR REPLACE FUNCTION append_only_protect(target regclass, may_insert boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  application CONSTANT name := %(role)s;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'append_only_rows') THEN
    EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON %%s '
                   'FOR EACH ROW EXECUTE FUNCTION append_only_refuse()', target);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'append_only_truncate') THEN
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %%s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION append_only_refuse()', target);
  END IF;
  -- Where one role owns the schema and runs the application, the triggers stand alone.
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = application AND application <> current_user) THEN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON %%s FROM %%I', target, application);
    IF NOT may_insert THEN
      EXECUTE format('REVOKE INSERT ON %%s FROM %%I', target, application);
    END IF;
  END IF;
END $$;
"""

_PROTECT = """
SELECT append_only_protect(relid, %(may_insert)s)
FROM (SELECT relid FROM pg_partition_tree(%(table)s::regclass) UNION SELECT %(table)s::regclass) AS tables
ORDER BY relid
"""


class AppendOnly(Operation):
    """The migration operation behind :func:`append_only`."""

    category = OperationCategory.SQL
    reversible = True
    reduces_to_sql = True

    def __init__(self, table: str, *, may_insert: bool = True) -> None:
        self.table = table
        self.may_insert = may_insert

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (self.__class__.__name__, [self.table], {} if self.may_insert else {"may_insert": False})

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models are as before."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(cursor.mogrify(_FUNCTIONS, {"role": application_role()}))
            cursor.execute(_PROTECT, {"table": self.table, "may_insert": self.may_insert})

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        table = schema_editor.quote_name(self.table)
        for trigger in ("append_only_rows", "append_only_truncate"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {table}", params=None)

    def describe(self) -> str:
        return f"Rows of {self.table} are written once"


def append_only(table: str, *, may_insert: bool = True) -> AppendOnly:
    """A migration operation: nobody updates, deletes or truncates ``table``, its partitions included.

    With ``may_insert=False`` the application's role may not insert either; its rows come from a function of
    the owner's (``SECURITY DEFINER``).
    """
    return AppendOnly(table, may_insert=may_insert)
