"""Checking the ledger against its seals and heads, from the first entry to the last, in constant memory.

Rounds are read in order with the signed heads beside them. A round whose root is the signed one, and whose content
gives that root, is trusted; every entry is then hashed and compared with its digest. Subject rows are compared with
the subjects their entries name. Everything is read in one snapshot, so that writers need not stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from .heads import Head, Heads, Survey
from .report import Damage, DamageKind, Findings, Report, Resumption
from .rows import COLUMNS, DIGEST_SIZE, LANES, HashedRow, hashed, instant
from .sealing import as_seal
from .seals import START, START_POSITIONS, Seal, SigningKey, recomputed_root, slices

#: Digests read at once, in bytes (65,536 entries), and rounds listed at once.
_CHUNK = 2 * 1024 * 1024
_ROUNDS = 1000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Run:
    """An unbroken run of sealed numbers of one lane."""

    round: int
    first: int
    last: int
    digests: bytes


@dataclass(slots=True)
class _Chunk:
    """Runs of several rounds, by lane, compared with the table in one pass a lane."""

    runs: dict[int, list[_Run]] = field(default_factory=dict)
    size: int = 0

    def add(self, lane: int, run: _Run) -> None:
        self.runs.setdefault(lane, []).append(run)
        self.size += len(run.digests)


def verify(progress: Progress | None = None) -> Report:
    """Check the whole ledger. ``progress`` is called with the numbers of entries checked and to check.

    Call it outside any transaction; the application's role suffices.
    """
    started = time.monotonic()
    heads = Heads.of_this_site()
    # Read before the snapshot, what the heads tell must all be in it; rounds sealed meanwhile do not look lost.
    survey = heads.survey()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        check = _Verification(cursor, heads, survey, progress or (lambda _done, _total: None))
        check.run()
    return Report(
        checked=check.checked,
        rounds=check.rounds,
        unsealed=check.unsealed,
        unsealed_since=check.unsealed_since,
        unsigned=check.unsigned,
        damage=check.findings.in_order(),
        damage_count=check.findings.count,
        resumptions=tuple(Resumption(head.at, head.round, head.reason) for _at, head in survey.resumptions),
        seconds=time.monotonic() - started,
    )


class _Verification:
    def __init__(self, cursor: CursorWrapper, heads: Heads, survey: Survey, progress: Progress) -> None:
        self.cursor = cursor
        self.heads = heads
        self.survey = survey
        self.progress = progress
        self.findings = Findings()
        self._key = SigningKey.of_this_site()
        self.checked = 0
        self.rounds = 0
        self.total = 0
        self.unsealed = 0
        self.unsealed_since: datetime | None = None
        self.unsigned = False
        self._round = 0
        self._root: bytes = START
        self._positions: tuple[int, ...] = START_POSITIONS
        self._chunk = _Chunk()

    def run(self) -> None:
        for place, problem in self.survey.problems:
            self._found(DamageKind.HEADS, f"Line {place} of the heads was changed: {problem}.")
        if not self.survey.problems and self.heads.signer_of_last() not in {None, self._key.public_bytes}:
            self._found(DamageKind.HEADS, "The heads are signed with another key than this site's.")
        self._check_rounds()
        self._check_strays()
        self._check_unsealed()
        self._check_subjects()

    def _found(
        self,
        kind: DamageKind,
        words: str,
        *,
        round: int | None = None,
        lane: int | None = None,
        seq: int | None = None,
        row: HashedRow | None = None,
        times: int = 1,
    ) -> None:
        if row is not None:
            lane, seq = row.lane, row.seq
        at, action = (row.at, row.action) if row is not None else (None, None)
        self.findings.add(Damage(kind, words, round, lane, seq, at, action), times=times)

    # Rounds, with the heads beside them

    def _check_rounds(self) -> None:
        heads = self.heads.sealed(self.survey)
        head = next(heads, None)
        last_head: Head | None = None
        self.cursor.execute("SELECT positions FROM ledger_seal ORDER BY round DESC LIMIT 1")
        if row := self.cursor.fetchone():
            self.total = sum(row[0])
        for seal in self._seals():
            while head is not None and head.round < seal.round:
                last_head = head
                if head.round > self._round:
                    self._round_is_missing(head)
                head = next(heads, None)
            if seal.round > self._round + 1:
                self._rounds_are_missing(seal)
            mine = None
            while head is not None and head.round == seal.round:
                last_head = mine = head
                head = next(heads, None)
            self._check_seal(seal, mine)
        self._compare_chunk()
        self._check_the_end(head, heads, last_head)

    def _seals(self) -> Iterator[Seal]:
        """All rounds in order, a bounded number of bytes at a time."""
        after = -1
        while True:
            self.cursor.execute(
                "SELECT round, octet_length(digests) FROM ledger_seal WHERE round > %s ORDER BY round LIMIT %s",
                (after, _ROUNDS),
            )
            sizes = self.cursor.fetchall()
            if not sizes:
                return
            while sizes:
                taken = size = 0
                while taken < len(sizes) and (taken == 0 or size + sizes[taken][1] <= _CHUNK):
                    size += sizes[taken][1]
                    taken += 1
                until = sizes[taken - 1][0]
                self.cursor.execute(
                    "SELECT round, sealed_at, since, until, positions, missing, digests, root, key, signature "
                    "FROM ledger_seal WHERE round > %s AND round <= %s ORDER BY round",
                    (after, until),
                )
                yield from (as_seal(row) for row in self.cursor.fetchall())
                after = until
                del sizes[:taken]

    def _check_seal(self, seal: Seal, head: Head | None) -> None:
        """Trust the seal or name what is wrong with it; then line its entries up for comparison."""
        self.rounds += 1
        problem = None
        if head is not None and head.root != seal.root:
            problem = "is not the round that was signed"
        elif recomputed_root(seal, self._root) != seal.root:
            problem = "was changed, or the round before it"
        elif head is None and not self._is_before_a_head(seal) and not self._signed(seal):
            problem = "does not bear this site's signature"
        before, self._round, self._root = self._positions, seal.round, head.root if head else seal.root
        runs: list[tuple[int, int, int, bytes]] = []
        if problem is None:
            try:
                runs = list(slices(seal, before))
            except ValueError:
                problem = "does not fit the round before it"
        if problem is not None:
            self._found(
                DamageKind.SEAL,
                f"The seal of round {seal.round} {problem}; its entries, written {_span(seal)}, cannot be checked.",
                round=seal.round,
            )
            self._compare_chunk()
            if head is not None:
                self._positions = head.positions
            elif len(seal.positions) == LANES:
                self._positions = seal.positions
            return
        self._positions = seal.positions
        for lane, first, last, digests in runs:
            self._chunk.add(lane, _Run(seal.round, first, last, digests))
        for lane, first, last in seal.gaps:
            self._found(
                DamageKind.REMOVED,
                f"{_numbers(lane, first, last)} had been removed before round {seal.round} was sealed, "
                f"between {_span(seal)}.",
                round=seal.round,
                lane=lane,
                seq=first,
                times=last - first + 1,
            )
        if self._chunk.size >= _CHUNK:
            self._compare_chunk()

    def _is_before_a_head(self, seal: Seal) -> bool:
        return self.survey.last is not None and seal.round <= self.survey.last.round

    def _signed(self, seal: Seal) -> bool:
        return self._key.signed(seal.root, seal.signature)

    def _round_is_missing(self, head: Head) -> None:
        """A signed round is not in the database, though a later one is."""
        self._compare_chunk()
        self._found(
            DamageKind.SEAL,
            f"The seal of round {head.round}, made {_time(head.at)}, was removed; "
            f"its {_change(self._positions, head.positions)} entries cannot be checked.",
            round=head.round,
        )
        self._round, self._root, self._positions = head.round, head.root, head.positions

    def _rounds_are_missing(self, seal: Seal) -> None:
        """Rounds are in neither the database nor the heads, though later ones are."""
        first, last = self._round + 1, seal.round - 1
        which = f"round {first}" if first == last else f"rounds {first} to {last}"
        self._found(DamageKind.SEAL, f"The seal of {which} was removed.", round=first, times=last - first + 1)

    def _check_the_end(self, head: Head | None, heads: Iterator[Head], last_head: Head | None) -> None:
        due = self.survey.last
        if due is not None and due.round > self._round:
            following = next((each for each in self._from(head, heads) if each.round > self._round), due)
            self._tail_is_gone(following, due)
            return
        signed = last_head.round if last_head else 0
        behind = self._round - signed
        if behind == 1:
            self.unsigned = True
        elif behind > 1:
            where = f"end with round {signed}" if signed else "are not there"
            self._found(
                DamageKind.HEADS,
                f"The signed heads {where}, but the database has rounds up to {self._round}: heads were removed.",
                round=signed + 1,
            )

    @staticmethod
    def _from(head: Head | None, heads: Iterator[Head]) -> Iterator[Head]:
        if head is not None:
            yield head
        yield from heads

    def _tail_is_gone(self, following: Head, due: Head) -> None:
        """Rounds that were signed are missing at the end."""
        lane, seq = next(
            (lane, mine + 1)
            for lane, (mine, theirs) in enumerate(
                [*zip(self._positions, following.positions, strict=False), (0, 1)]
            )
            if theirs > mine
        )
        lost = _change(self._positions, due.positions)
        row = self._row(lane, seq)
        rest = "which is still there but unprotected" if row else "which is gone"
        self._found(
            DamageKind.TRUNCATED,
            f"The end was cut off: {due.round - self._round} rounds with {lost} entries were signed "
            f"up to {_time(due.at)} and are not in the database. The first is number {seq} of lane {lane}, {rest}.",
            round=following.round,
            lane=lane,
            seq=seq,
            row=row,
            times=max(1, lost),
        )

    # Entries against their digests

    def _compare_chunk(self) -> None:
        chunk, self._chunk = self._chunk, _Chunk()
        for lane, runs in sorted(chunk.runs.items()):
            first, last = runs[0].first, runs[-1].last
            query = (
                f"SELECT {COLUMNS} FROM ledger_entry WHERE lane = {lane} AND seq >= {first} AND seq <= {last} "  # noqa: S608
                "ORDER BY seq, at"
            )
            self._compare(lane, runs, hashed(self.cursor, query))
            self.progress(self.checked, max(self.total, self.checked))

    def _compare(self, lane: int, runs: Sequence[_Run], rows: Iterator[HashedRow]) -> None:
        absent: list[tuple[int, int]] = []
        row = next(rows, None)
        for run in runs:
            digests = run.digests
            offset = 0
            for seq in range(run.first, run.last + 1):
                digest = digests[offset : offset + DIGEST_SIZE]
                offset += DIGEST_SIZE
                while row is not None and row.seq < seq:
                    self._added(run.round, row)
                    row = next(rows, None)
                if row is None or row.seq > seq:
                    if self.findings.count + len(absent) < Findings.KEPT:
                        absent.append((run.round, seq))
                    else:
                        self.findings.count += 1
                    continue
                if row.digest == digest:
                    self.checked += 1
                    row = next(rows, None)
                    continue
                row = self._differs(run.round, digest, row, rows)
        while row is not None:
            self._added(runs[-1].round, row)
            row = next(rows, None)
        for round_number, seq in absent:
            self._found(
                DamageKind.REMOVED,
                f"Number {seq} of lane {lane}, sealed in round {round_number}, was removed. "
                f"{self._traces(lane, seq)}",
                round=round_number,
                lane=lane,
                seq=seq,
            )

    def _differs(
        self, round_number: int, digest: bytes, row: HashedRow, rows: Iterator[HashedRow]
    ) -> HashedRow | None:
        """The row is not what was sealed; perhaps another row of the same number is. Answers the next row."""
        same = [row]
        following = next(rows, None)
        while following is not None and following.seq == row.seq:
            same.append(following)
            following = next(rows, None)
        true = next((each for each in same if each.digest == digest), None)
        if true is not None:
            self.checked += 1
        for each in same:
            if each is true:
                continue
            if true is None and each is same[0]:
                self._found(
                    DamageKind.EDITED,
                    f"Number {each.seq} of lane {each.lane}, sealed in round {round_number}, was changed or "
                    f"exchanged. It now says {each.action!r} at {_time(each.at)}.",
                    round=round_number,
                    row=each,
                )
            else:
                self._added(round_number, each)
        return following

    def _added(self, round_number: int | None, row: HashedRow) -> None:
        self._found(
            DamageKind.ADDED,
            f"An entry was put in behind the ledger's back as number {row.seq} of lane {row.lane}: "
            f"{row.action!r} at {_time(row.at)}.",
            round=round_number,
            row=row,
        )

    def _traces(self, lane: int, seq: int) -> str:
        """What its neighbour tells of the time of a removed entry."""
        query = (
            f"SELECT {COLUMNS} FROM ledger_entry WHERE lane = {lane} AND seq < {seq} ORDER BY seq DESC, at LIMIT 1"  # noqa: S608
        )
        before = next(iter(list(hashed(self.cursor, query))), None)
        return f"The entry before it is of {_time(before.at)}." if before else "No entry before it is left."

    def _row(self, lane: int, seq: int) -> HashedRow | None:
        query = f"SELECT {COLUMNS} FROM ledger_entry WHERE lane = {lane} AND seq = {seq} ORDER BY at LIMIT 1"  # noqa: S608
        return next(iter(list(hashed(self.cursor, query))), None)

    # What no seal covers

    def _check_strays(self) -> None:
        """Entries in places the ledger never writes to."""
        places = ["lane < 0", f"lane >= {LANES}", *(f"lane = {lane} AND seq < 1" for lane in range(LANES))]
        for place in places:
            query = f"SELECT {COLUMNS} FROM ledger_entry WHERE {place} ORDER BY lane, seq, at"  # noqa: S608
            for row in hashed(self.cursor, query):
                self._added(None, row)

    def _check_unsealed(self) -> None:
        """Count what awaits the sealer, and see that no number is left out or doubled in it."""
        earliest: int | None = None
        for lane, position in enumerate(self._positions):
            query = f"SELECT {COLUMNS} FROM ledger_entry WHERE lane = {lane} AND seq > {position} ORDER BY seq, at"  # noqa: S608
            due = position + 1
            gaps: list[tuple[int, int]] = []
            for row in hashed(self.cursor, query):
                if row.seq < due:
                    self._added(None, row)
                    continue
                if row.seq > due:
                    gaps.append((due, row.seq - 1))
                earliest = row.micros if earliest is None else min(earliest, row.micros)
                self.unsealed += 1
                due = row.seq + 1
            for first, last in gaps:
                self._found(
                    DamageKind.REMOVED,
                    f"{_numbers(lane, first, last)} was removed before it was sealed. {self._traces(lane, first)}",
                    lane=lane,
                    seq=first,
                    times=last - first + 1,
                )
        self.unsealed_since = None if earliest is None else instant(earliest)

    def _check_subjects(self) -> None:
        """Compare the subject rows with the subjects entries name, month by month."""
        self.cursor.execute(
            "SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL work_mem = '64MB'"
        )
        for month in self._months():
            entries = f"ledger_entry_{month}"
            subjects = f"ledger_subject_{month}"
            self.cursor.execute(
                f"""
                SELECT lane, seq, subject, balance, count(*) OVER () FROM (
                  SELECT lane, seq, at, subject, sum(weight) AS balance FROM (
                    SELECT lane, seq, at, unnest(subjects) AS subject, 1 AS weight FROM {self._or_none(entries)}
                    UNION ALL
                    SELECT lane, seq, at, kind || '/' || subject_id, -1 FROM {self._or_none(subjects)}
                  ) AS both_sides GROUP BY lane, seq, at, subject HAVING sum(weight) <> 0
                ) AS unequal ORDER BY at, lane, seq, subject LIMIT {Findings.KEPT}
                """  # noqa: S608
            )
            unequal = self.cursor.fetchall()
            for lane, seq, subject, balance, _count in unequal:
                what = "is missing" if balance > 0 else "was added"
                row = self._row(lane, seq)
                which = "" if row else "; that entry is gone"
                self._found(
                    DamageKind.SUBJECT,
                    f"The index row {subject} of number {seq} of lane {lane} {what}{which}.",
                    lane=lane,
                    seq=seq,
                    row=row,
                )
            if unequal:
                self.findings.count += unequal[0][4] - len(unequal)

    def _months(self) -> list[str]:
        """The suffixes of the partitions, of entries or of subjects."""
        self.cursor.execute(
            """
            SELECT DISTINCT substring(relname FROM '^ledger_(?:entry|subject)_([0-9_]+|default)$')
            FROM pg_class WHERE relkind = 'r' AND relname ~ '^ledger_(entry|subject)_([0-9_]+|default)$' ORDER BY 1
            """
        )
        return [suffix for (suffix,) in self.cursor.fetchall()]

    def _or_none(self, partition: str) -> str:
        """The partition, or an empty one where it was taken away."""
        self.cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s))", (partition,)
        )
        if self.cursor.fetchone()[0]:
            return partition
        parent = partition.split("_")[1]
        return f"(SELECT * FROM ledger_{parent} WHERE false) AS gone"  # noqa: S608


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _span(seal: Seal) -> str:
    return f"{_time(seal.since)} and {_time(seal.until)}"


def _numbers(lane: int, first: int, last: int) -> str:
    return f"Number {first} of lane {lane}" if first == last else f"Numbers {first} to {last} of lane {lane}"


def _change(before: Sequence[int], after: Sequence[int]) -> int:
    return sum(after) - sum(before)
