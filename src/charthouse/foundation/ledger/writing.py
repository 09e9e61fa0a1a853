"""Appending to the ledger: one statement, one round trip, however many entries."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.database.secrets import key_file

from .entries import JSON, Entry, Outcome, Subject

_APPEND = "SELECT ledger_append(%s, %s)"
_SEARCH_KEY = "ledger-search-key"
_gathered: ContextVar[list[Entry] | None] = ContextVar("ledger-entries-gathered", default=None)


def append(
    ctx: AccessContext,
    action: str,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    subjects: Iterable[Subject] = (),
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write one entry in the current transaction, or in one of its own where there is none.

    The entry and what it tells of commit together or not at all. The transaction holds one of the ledger's
    lanes from here to its end, so append late in a long one. Raises ValueError for an action or subject that
    is not well formed, and a database error in a REPEATABLE READ or SERIALIZABLE transaction.
    """
    entry = Entry(ctx, action, outcome, subjects, detail)
    gathered = _gathered.get()
    if gathered is not None:
        gathered.append(entry)
    else:
        _write([entry], relaxed=False)


@contextmanager
def together() -> Iterator[None]:
    """Write the entries appended in this block at its end, in one round trip and in their order.

    For many acts of one transaction: the ledger's lane is held for a moment instead of throughout. Nothing is
    written where the block raises; the caller's transaction must then be undone too. Raises RuntimeError outside a
    transaction, whose commit the entries would not share.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Entries are gathered within one transaction.")
    if _gathered.get() is not None:
        yield
        return
    entries: list[Entry] = []
    token = _gathered.set(entries)
    try:
        yield
    finally:
        _gathered.reset(token)
    append_many(entries)


def append_many(entries: Iterable[Entry]) -> int:
    """Write entries in the current transaction in one round trip, in their order; answers how many."""
    rows = list(entries)
    if rows:
        _write(rows, relaxed=False)
    return len(rows)


def append_read(
    ctx: AccessContext,
    action: str,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    subjects: Iterable[Subject] = (),
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write the entry of a read, committed when this returns, before the response goes out.

    The commit does not wait for the disk: after a power failure the reads of the last fraction of a second may
    be missing, the order of what remains is whole. Inside a transaction it is an ordinary :func:`append`.
    """
    _write([Entry(ctx, action, outcome, subjects, detail)], relaxed=not connection.in_atomic_block)


def search_fingerprint(text: str) -> dict[str, JSON]:
    """What the ledger may know of a search: its length and a keyed hash, equal for equal searches.

    Case, accents' encoding and surrounding blanks make no difference. The key never leaves the key directory,
    so names cannot be tried against a copy of the database.
    """
    plain = unicodedata.normalize("NFKC", text).strip().casefold()
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=12, key=_search_key())
    return {"fingerprint": digest.hexdigest(), "length": len(plain)}


@lru_cache(maxsize=1)
def _search_key() -> bytes:
    return key_file(_SEARCH_KEY)


def as_row(*entries: Entry) -> str:
    """Entries as the database's ``ledger_append`` takes them, for a statement that writes more than them."""
    body = orjson.dumps([_row(entry) for entry in entries]).decode()
    if "\\u0000" in body:
        body = orjson.dumps(_without_nul(orjson.loads(body))).decode()
    return body


def _write(entries: list[Entry], *, relaxed: bool) -> None:
    body = as_row(*entries)
    with connection.cursor() as cursor:
        cursor.execute(_APPEND, (body, relaxed))


def _row(entry: Entry) -> dict[str, Any]:
    ctx = entry.ctx
    return {
        "actor": ctx.actor,
        "actor_name": ctx.name,
        "roles": sorted(ctx.roles),
        "purpose": ctx.purpose,
        "action": entry.action,
        "outcome": entry.outcome,
        "session": ctx.session,
        "remote": ctx.remote,
        "subjects": sorted({str(subject) for subject in entry.subjects}),
        "detail": entry.detail,
    }


def _without_nul(value: Any) -> Any:
    """PostgreSQL keeps no NUL in text; it is shown as the replacement character."""
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case list():
            return [_without_nul(item) for item in value]
        case dict():
            return {_without_nul(key): _without_nul(item) for key, item in value.items()}
        case _:
            return value
