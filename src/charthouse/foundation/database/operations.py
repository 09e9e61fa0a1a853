"""Operations for migrations that take rights away from the application.

Rights are given by default when a table is made (SELECT, INSERT, UPDATE, DELETE) and never again, so what a
migration takes away stays away.
"""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations.base import Operation

from .addressing import application_role


class Revoke(Operation):
    """Take privileges on a table from the application: ``Revoke("ledger_entry", "UPDATE", "DELETE")``.

    Does nothing where an outside server has one role for owner and application; the doctor speaks of that.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str, *privileges: str) -> None:
        self.table = table
        self.privileges = privileges

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, [self.table, *self.privileges], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        return

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._change(schema_editor, "REVOKE", "FROM")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._change(schema_editor, "GRANT", "TO")

    def describe(self) -> str:
        return f"Take {', '.join(self.privileges)} on {self.table} from the application"

    def _change(self, schema_editor: Any, verb: str, preposition: str) -> None:
        role = application_role()
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            if cursor.fetchone()[0] == role:
                return
        quote = schema_editor.connection.ops.quote_name
        schema_editor.execute(
            f"{verb} {', '.join(self.privileges)} ON TABLE {quote(self.table)} {preposition} {quote(role)}"
        )


def append_only(table: str) -> Revoke:
    """The operation that leaves the application SELECT and INSERT on a table, and nothing else."""
    return Revoke(table, "UPDATE", "DELETE")
