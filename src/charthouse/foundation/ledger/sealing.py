"""The sealer: takes what was committed since the last round, chains and signs it, in the database and outside.

The round is committed first and its head written after. A crash between the two leaves one round without a head;
the next round signs it, after checking that it is the round this key signed. More than one round without a head,
or a head without its round, is no crash: sealing stops and says so until a person has looked.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext

from .heads import RESUMED, Head, HeadLineDamaged, Heads
from .rows import COLUMNS, DIGEST_SIZE, LANES, hashed, instant
from .seals import START, START_POSITIONS, Seal, SigningKey, recomputed_root, root_of
from .writing import append

#: Entries of one lane in one round: with all lanes full, a round takes 65,536 entries and 2 MiB of digests.
LANE_SHARE = 2048
#: Months made ahead of time.
_MONTHS_AHEAD = 3
_SEALER_LOCK = (1128811591, -2)

_SEAL_COLUMNS = "round, sealed_at, since, until, positions, missing, digests, root, key, signature"


class LedgerDamaged(Exception):
    """The ledger and its heads do not belong together; the message says what to do."""


def seal_once() -> int:
    """Seal one round of what is committed and not yet sealed; answers the number of entries, 0 for none.

    Also makes the coming months' partitions, and signs a round that a crash left without its head. Call it
    outside any transaction. Raises LedgerDamaged when the ledger was changed behind the sealer's back.
    """
    if connection.in_atomic_block:
        raise RuntimeError("The sealer signs what is committed: call it outside any transaction.")
    key = SigningKey.of_this_site()
    heads = Heads.of_this_site()
    make_partitions()
    with heads.locked():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", _SEALER_LOCK)
            if not cursor.fetchone()[0]:
                return 0
            last = last_seal(cursor)
            _sign_what_a_crash_left(heads, key, last)
            seal = _gather(cursor, key, last)
            if seal is None:
                return 0
            cursor.execute(
                f"INSERT INTO ledger_seal ({_SEAL_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
                _as_row(seal),
            )
        heads.append(head_of(seal), key)
    return len(seal.digests) // DIGEST_SIZE


def make_partitions() -> None:
    """Make the partitions of this month and the next ones where they are wanting; quick when they are not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(%s)", (_MONTHS_AHEAD,))


def seal_all() -> int:
    """Seal rounds until nothing is left; answers the number of entries."""
    sealed = 0
    while count := seal_once():
        sealed += count
    return sealed


def resume(ctx: AccessContext, reason: str) -> None:
    """Accept the database as it stands and let sealing go on, after a restore from a dump or a lost key.

    The heads keep what was before, and say from now on that rounds after the database's last one were set aside,
    when and why; ``verify`` tells it ever after. An entry in the ledger says it too.
    """
    if not reason.strip():
        raise ValueError("A reason is needed: say why the ledger and its heads no longer belong together.")
    key = SigningKey.of_this_site()
    heads = Heads.of_this_site()
    with heads.locked():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", _SEALER_LOCK)
            last = last_seal(cursor)
            append(ctx, "ledger.resumed", detail={"round": last.round if last else 0, "reason": reason.strip()})
        base = head_of(last) if last else Head(0, clock.wall(), 0, START_POSITIONS, START)
        heads.append(
            Head(base.round, clock.wall(), base.entries, base.positions, base.root, RESUMED, reason.strip()), key
        )


def last_seal(cursor: CursorWrapper) -> Seal | None:
    """The last round in the database."""
    cursor.execute(f"SELECT {_SEAL_COLUMNS} FROM ledger_seal ORDER BY round DESC LIMIT 1")  # noqa: S608
    row = cursor.fetchone()
    return as_seal(row) if row else None


def as_seal(row: tuple[Any, ...]) -> Seal:
    """A seal from its row, columns in the order of the table."""
    number, sealed_at, since, until, positions, missing, digests, root, key, signature = row
    return Seal(
        number,
        sealed_at,
        since,
        until,
        tuple(positions),
        tuple(missing),
        bytes(digests),
        bytes(root),
        bytes(key),
        bytes(signature),
    )


def head_of(seal: Seal) -> Head:
    """The head that belongs to a round. ``entries`` counts the numbers given out, lost ones included."""
    return Head(seal.round, seal.sealed_at, sum(seal.positions), seal.positions, seal.root)


def _as_row(seal: Seal) -> tuple[Any, ...]:
    return (
        seal.round,
        seal.sealed_at,
        seal.since,
        seal.until,
        list(seal.positions),
        list(seal.missing),
        seal.digests,
        seal.root,
        seal.key,
        seal.signature,
    )


def _sign_what_a_crash_left(heads: Heads, key: SigningKey, last: Seal | None) -> None:
    advice = "Run `charthouse ledger verify`; `charthouse ledger resume` goes on from the database as it stands."
    try:
        head = heads.last()
    except HeadLineDamaged as damage:
        raise LedgerDamaged(f"The last line of the signed heads was changed: {damage}. {advice}") from None
    head_round = head.round if head else 0
    seal_round = last.round if last else 0
    if head is not None and heads.signer_of_last() != key.public_bytes:
        raise LedgerDamaged(f"The last head was signed with another key than this site's. {advice}")
    if seal_round == head_round:
        if head is not None and head.root != (last.root if last else START):
            raise LedgerDamaged(f"Round {seal_round} is not the one that was signed. {advice}")
        return
    if last is None or seal_round != head_round + 1:
        raise LedgerDamaged(
            f"The database's last round is {seal_round}, the last signed head is of round {head_round}. {advice}"
        )
    previous_root = head.root if head else START
    if recomputed_root(last, previous_root) != last.root or not key.signed(last.root, last.signature):
        raise LedgerDamaged(f"Round {seal_round} is not the one that was signed. {advice}")
    heads.append(head_of(last), key)


def _gather(cursor: CursorWrapper, key: SigningKey, last: Seal | None) -> Seal | None:
    before = last.positions if last else START_POSITIONS
    cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    cursor.execute(
        """
        SELECT known.lane FROM unnest(%s::smallint[], %s::bigint[]) AS known(lane, position)
        WHERE EXISTS (SELECT FROM ledger_entry e WHERE e.lane = known.lane AND e.seq > known.position)
        ORDER BY known.lane
        """,
        (list(range(LANES)), list(before)),
    )
    lanes = [lane for (lane,) in cursor.fetchall()]
    positions = list(before)
    missing: list[int] = []
    digests: list[bytes] = []
    instants: list[int] = []
    for lane in lanes:
        query = (
            f"SELECT {COLUMNS} FROM ledger_entry WHERE lane = {lane} AND seq > {before[lane]} "  # noqa: S608
            f"ORDER BY seq, at LIMIT {LANE_SHARE}"
        )
        earliest = latest = None
        for row in hashed(cursor, query):
            due = positions[lane] + 1
            if row.seq < due:  # a second row of one number: the first is sealed, verify names the other
                continue
            if row.seq > due:
                missing += (lane, due, row.seq - 1)
            positions[lane] = row.seq
            digests.append(row.digest)
            earliest = row.micros if earliest is None else min(earliest, row.micros)
            latest = row.micros if latest is None else max(latest, row.micros)
        if earliest is not None and latest is not None:
            instants += (earliest, latest)
    if not digests:
        return None
    number, previous_root = (last.round + 1, last.root) if last else (1, START)
    sealed_at, since, until = clock.wall(), instant(min(instants)), instant(max(instants))
    joined = b"".join(digests)
    root = root_of(previous_root, number, sealed_at, since, until, positions, missing, joined)
    return Seal(
        number,
        sealed_at,
        since,
        until,
        tuple(positions),
        tuple(missing),
        joined,
        root,
        key.id,
        key.sign(root),
    )
