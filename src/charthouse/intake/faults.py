"""What a fault while filing says: something about the message, or only about the moment."""

from __future__ import annotations

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection

#: Classes of SQLSTATE that pass: connection, transaction rollback (deadlock), resources, locks, shutdown, system.
_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})


def sqlstate(error: BaseException) -> str:
    """The database's own code for what went wrong; empty where it has none."""
    return str(getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or "")


def passes(error: BaseException) -> bool:
    """Whether the same may go well a moment later: the database is away, or another transaction was in the way.

    A limit that the message itself breaks (54: too long for an index) is an OperationalError, too, and does not.
    """
    if isinstance(error, InterfaceError):
        return True
    if isinstance(error, OperationalError):
        return sqlstate(error)[:2] in {*_PASSING, ""}
    return isinstance(error, IntegrityError) and sqlstate(error) == "23505"


def renew_connection() -> None:
    """After a fault: have a connection that works, unless a transaction around us still needs this one."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def in_words(error: Exception) -> str:
    """A reason fit for a screen: what kind of fault it was, never the data in it."""
    if isinstance(error, DatabaseError):
        code = sqlstate(error)
        return (
            f"The database did not accept what this message holds{f' ({code})' if code else ''}. "
            "The message is kept as it came."
        )
    return f"Filing stopped with an unexpected fault ({type(error).__name__}). The message is kept as it came."
