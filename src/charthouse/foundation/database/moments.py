"""Reading the database's moments in the time that this takes C.

Django reads each ``timestamptz`` by a loader in Python, which takes twenty times as long as the standard library's
reader of the same words, and lists and charts have thousands of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader


class MomentLoader(BaseTzLoader):  # type: ignore[misc]  # Django's is not typed
    """A ``timestamptz`` as a datetime in UTC, which Django has every connection speak. What no datetime can be (the
    years beyond 9999 and before 1, infinity) is refused as Django refuses it."""

    timezone = UTC

    def load(self, data: bytes | bytearray | memoryview) -> Any:
        try:
            return datetime.fromisoformat(bytes(data).decode("ascii")).astimezone(UTC)
        except ValueError:
            return super().load(data)


def read_moments_fast(connection: Any, **_: Any) -> None:
    """Have a connection that was just made read its moments so. To be connected to ``connection_created``."""
    connection.connection.adapters.register_loader("timestamptz", MomentLoader)
