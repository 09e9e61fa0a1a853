"""Whoever changes the ledger behind its back, as the database's superuser, is found, and the first entry named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.ledger import sealing
from charthouse.foundation.ledger.api import (
    Damage,
    DamageKind,
    LedgerDamaged,
    append,
    resume,
    seal_all,
    seal_once,
    verify,
)
from charthouse.foundation.ledger.heads import Heads
from charthouse.foundation.ledger.seals import SigningKey, recomputed_root

Write = Callable[[int], None]


@pytest.fixture(scope="module")
def one_database(databases: Any, django_db_blocker: Any) -> Iterator[str]:
    """One database for all tests of this module; each leaves it empty."""
    name = f"{databases.template}_tampering_{os.getpid()}"
    entry = connections.settings["default"]
    before = entry["NAME"]
    databases.clone(name)
    with django_db_blocker.unblock():
        connections.close_all()
        entry["NAME"] = name
        yield connection_info(dbname=name)
        connections.close_all()
        entry["NAME"] = before
    databases.drop(name)


@pytest.fixture
def committed_db(one_database: str, databases: Any, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock():
        yield one_database
        name = str(conninfo_to_dict(one_database)["dbname"])
        with psycopg.connect(make_conninfo(databases.admin, dbname=name), autocommit=True) as superuser:
            superuser.execute("SET session_replication_role = replica")
            superuser.execute("TRUNCATE ledger_entry, ledger_subject, ledger_seal")
        for path in Heads.of_this_site().folder.glob("*.jsonl"):
            path.unlink()


@pytest.fixture
def lane(write: Write, intruder: Any) -> int:
    """Three rounds of ten entries each in one lane; answers the lane."""
    for _ in range(3):
        write(10)
        assert seal_once() == 10
    rows = intruder.does("SELECT lane, count(*), max(seq) FROM ledger_entry GROUP BY lane")
    assert [row[1:] for row in rows] == [(30, 30)]
    report = verify()
    assert report.is_whole
    assert (report.checked, report.rounds, report.unsealed) == (30, 3, 0)
    return int(rows[0][0])


def first() -> Damage:
    report = verify()
    assert not report.is_whole
    assert report.first is not None
    return report.first


EDITS = [
    "actor = 'user:99'",
    "actor_name = 'Somebody Else'",
    "roles = ARRAY['physician']",
    "purpose = 'TREAT'",
    "action = 'chart.closed'",
    "outcome = 'refused'",
    "session = 's-2'",
    "remote = '198.51.100.1'",
    "subjects = subjects[2:2]",
    "detail = '{\"n\": 4}'",
    "detail = NULL",
    "at = at + interval '1 microsecond'",
    "at = at + interval '40 days'",
    "at = 'infinity'",
    "detail = '{\"n\": 3}'",  # the same words, other bytes
]


def test_a_changed_entry_is_named_whatever_was_changed(lane: int, intruder: Any) -> None:
    for change in EDITS:
        with intruder.undone():
            intruder.does(f"UPDATE ledger_entry SET {change} WHERE seq = 13")
            found = first()
        assert (found.kind, found.lane, found.seq, found.round) == (DamageKind.EDITED, lane, 13, 2), change
        assert found.action == ("chart.closed" if "action" in change else "chart.opened")
        assert found.at is not None
    assert verify().is_whole


def test_a_removed_entry_is_named(lane: int, intruder: Any) -> None:
    for seq, round_number in ((1, 1), (13, 2), (30, 3)):
        with intruder.undone():
            intruder.does("DELETE FROM ledger_subject WHERE seq = %s", seq)
            intruder.does("DELETE FROM ledger_entry WHERE seq = %s", seq)
            report = verify()
        assert report.damage_count == 1
        (found,) = report.damage
        assert (found.kind, found.lane, found.seq, found.round) == (DamageKind.REMOVED, lane, seq, round_number)


def test_two_exchanged_entries_are_both_named(lane: int, intruder: Any) -> None:
    intruder.does(
        "UPDATE ledger_entry SET detail = CASE seq WHEN 12 THEN '{\"n\":5}'::json ELSE '{\"n\":2}'::json END "
        "WHERE seq IN (12, 15)"
    )
    assert [(found.kind, found.seq) for found in verify().damage] == [
        (DamageKind.EDITED, 12),
        (DamageKind.EDITED, 15),
    ]


def test_two_entries_that_changed_places_are_both_named(lane: int, intruder: Any) -> None:
    intruder.does("UPDATE ledger_entry SET seq = -12 WHERE seq = 12")
    intruder.does("UPDATE ledger_entry SET seq = 12 WHERE seq = 15")
    intruder.does("UPDATE ledger_entry SET seq = 15 WHERE seq = -12")
    found = [(each.kind, each.seq) for each in verify().damage if each.kind is not DamageKind.SUBJECT]
    assert found == [(DamageKind.EDITED, 12), (DamageKind.EDITED, 15)]


COPY = """
INSERT INTO ledger_entry (
  lane, seq, at, actor, actor_name, roles, purpose, action, outcome, session, remote, subjects)
SELECT
  {lane}, {seq}, at {shift}, actor, actor_name, roles, purpose, 'chart.forged', outcome, session, remote, '{{}}'
FROM ledger_entry WHERE seq = 13
"""


def test_an_entry_put_in_is_named(lane: int, intruder: Any) -> None:
    for where, seq, shift in (
        (lane, 13, "+ interval '1 second'"),
        (lane, 13, "- interval '1 second'"),
        (lane, 13, "- interval '3 years'"),
        (lane, 0, ""),
        (lane, -7, ""),
        (99, 1, ""),
        (-1, 1, ""),
    ):
        with intruder.undone():
            intruder.does(COPY.format(lane=where, seq=seq, shift=shift))
            report = verify()
        assert report.damage_count == 1, (where, seq, shift)
        (found,) = report.damage
        assert (found.kind, found.lane, found.seq, found.action) == (DamageKind.ADDED, where, seq, "chart.forged")


def test_an_entry_put_in_far_ahead_shows_what_it_skips(
    lane: int, intruder: Any, ctx: AccessContext, write: Write
) -> None:
    intruder.does(COPY.format(lane=lane, seq=10**15, shift=""))
    found = first()
    assert (found.kind, found.lane, found.seq) == (DamageKind.REMOVED, lane, 31)
    assert seal_once() == 1, "a hole without end does not stop the sealer"
    found = first()
    assert (found.kind, found.seq, found.round) == (DamageKind.REMOVED, 31, 4)
    write(5)
    assert seal_once() == 5
    assert verify().checked == 36


def test_an_entry_removed_before_it_was_sealed_is_named_before_and_after_sealing(
    lane: int, intruder: Any, write: Write
) -> None:
    write(10)
    intruder.does("DELETE FROM ledger_subject WHERE seq = 34")
    intruder.does("DELETE FROM ledger_entry WHERE seq = 34")
    report = verify()
    assert [(found.kind, found.seq) for found in report.damage] == [(DamageKind.REMOVED, 34)]
    assert report.unsealed == 9
    assert seal_once() == 9
    report = verify()
    assert [(found.kind, found.seq, found.round) for found in report.damage] == [(DamageKind.REMOVED, 34, 4)]
    assert report.checked == 39


def test_a_doubled_number_among_the_unsealed_is_named(lane: int, intruder: Any, write: Write) -> None:
    write(3)
    intruder.does(COPY.format(lane=lane, seq=32, shift="+ interval '1 day'"))
    assert (first().kind, first().seq) == (DamageKind.ADDED, 32)
    assert seal_all() == 3
    assert (first().kind, first().seq) == (DamageKind.ADDED, 32)


@pytest.mark.parametrize("also_seals", [False, True])
def test_a_cut_off_end_is_named(lane: int, intruder: Any, also_seals: bool) -> None:
    intruder.does("DELETE FROM ledger_subject WHERE seq > 20")
    intruder.does("DELETE FROM ledger_entry WHERE seq > 20")
    if also_seals:
        intruder.does("DELETE FROM ledger_seal WHERE round = 3")
    report = verify()
    assert report.damage_count == 10
    assert report.first is not None
    assert report.first.kind is (DamageKind.TRUNCATED if also_seals else DamageKind.REMOVED)
    assert (report.first.lane, report.first.seq, report.first.round) == (lane, 21, 3)
    if also_seals:
        with pytest.raises(LedgerDamaged, match="last round is 2"):
            seal_once()


def test_a_cut_off_end_with_new_entries_in_its_place_is_named(lane: int, intruder: Any, write: Write) -> None:
    for table in ("ledger_subject", "ledger_entry"):
        intruder.does(f"DELETE FROM {table} WHERE seq > 25")
    write(5)
    report = verify()
    assert [(found.kind, found.seq) for found in report.damage] == [
        (DamageKind.EDITED, seq) for seq in range(26, 31)
    ]


def test_an_emptied_ledger_is_told(lane: int, intruder: Any) -> None:
    intruder.does("TRUNCATE ledger_entry, ledger_subject, ledger_seal")
    found = first()
    assert (found.kind, found.lane, found.seq, found.round) == (DamageKind.TRUNCATED, lane, 1, 1)
    assert "30 entries" in found.words
    with pytest.raises(LedgerDamaged):
        seal_once()


def test_entries_emptied_but_seals_left_are_all_counted(lane: int, intruder: Any) -> None:
    intruder.does("TRUNCATE ledger_entry, ledger_subject")
    report = verify()
    assert report.damage_count == 30
    assert report.first is not None
    assert (report.first.kind, report.first.seq) == (DamageKind.REMOVED, 1)


def test_a_removed_seal_is_named_and_the_rest_is_still_checked(lane: int, intruder: Any) -> None:
    intruder.does("DELETE FROM ledger_seal WHERE round = 2")
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 25")
    report = verify()
    assert [(found.kind, found.round) for found in report.damage] == [(DamageKind.SEAL, 2), (DamageKind.EDITED, 3)]
    assert report.damage[1].seq == 25
    assert report.checked == 19


def test_a_removed_last_seal_is_named_with_the_entry_it_protected(lane: int, intruder: Any) -> None:
    intruder.does("DELETE FROM ledger_seal WHERE round = 3")
    found = first()
    assert (found.kind, found.lane, found.seq, found.action) == (DamageKind.TRUNCATED, lane, 21, "chart.opened")
    assert "still there" in found.words


def test_all_seals_removed_is_told(lane: int, intruder: Any) -> None:
    intruder.does("DELETE FROM ledger_seal")
    assert (first().kind, first().seq, first().action) == (DamageKind.TRUNCATED, 1, "chart.opened")


def test_a_changed_seal_is_named(lane: int, intruder: Any) -> None:
    for change in (
        "digests = overlay(digests placing '\\x00' from 33)",
        "sealed_at = sealed_at - interval '1 hour'",
        "since = since - interval '1 hour'",
        "positions[1] = positions[1] + 1",
        "positions = '{}'",
        "missing = ARRAY[0, 1, 2]::bigint[]",
        "missing = ARRAY[7]::bigint[]",
        "root = '\\x00'",
    ):
        with intruder.undone():
            intruder.does(f"UPDATE ledger_seal SET {change} WHERE round = 2")
            found = first()
        assert (found.kind, found.round) == (DamageKind.SEAL, 2), change


def test_an_entry_changed_together_with_its_seal_is_found_by_the_heads(lane: int, intruder: Any) -> None:
    """The intruder knows how Charthouse hashes, and rewrites the chain to its end; only the key is wanting."""
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 13")
    forge(intruder)
    found = first()
    assert (found.kind, found.round) == (DamageKind.SEAL, 2)
    assert "written" in found.words


def test_a_forged_round_at_the_end_lacks_the_signature(lane: int, intruder: Any, write: Write) -> None:
    write(5)
    heads = Heads.of_this_site()
    before = {path: path.read_bytes() for path in heads.folder.glob("*.jsonl")}
    seal_once()
    for path, content in before.items():
        path.write_bytes(content)
    assert verify().unsigned
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 33")
    assert (first().kind, first().seq) == (DamageKind.EDITED, 33)
    forge(intruder)
    assert (first().kind, first().round) == (DamageKind.SEAL, 4)
    with pytest.raises(LedgerDamaged, match="not the one that was signed"):
        seal_once()


def forge(intruder: Any) -> None:
    """Rewrite digests and roots so that the whole chain fits the table again."""
    with psycopg.connect(intruder.conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        root, before = bytes(32), 0
        for (number,) in connection.execute("SELECT round FROM ledger_seal ORDER BY round").fetchall():
            row = connection.execute(
                "SELECT round, sealed_at, since, until, positions, missing, digests, root, key, signature "
                "FROM ledger_seal WHERE round = %s",
                [number],
            ).fetchone()
            assert row is not None
            upto = sum(row[4])
            digests = b""
            with connection.cursor().copy(
                "COPY (SELECT lane, seq, at, actor, actor_name, roles, purpose, action, outcome, session, remote, "
                f"subjects, detail FROM ledger_entry WHERE seq > {before} AND seq <= {upto} ORDER BY seq) "
                "TO STDOUT (FORMAT BINARY)"
            ) as copy:
                for n, message in enumerate(copy):
                    data = bytes(message)[19:] if n == 0 else bytes(message)
                    if len(data) > 2:
                        digests += hashlib.sha256(data).digest()
            seal = sealing.as_seal((*row[:6], digests, *row[7:]))
            root = recomputed_root(seal, root)
            connection.execute(
                "UPDATE ledger_seal SET digests = %s, root = %s WHERE round = %s", [digests, root, number]
            )
            before = upto


def test_a_changed_subject_row_is_named(lane: int, intruder: Any) -> None:
    for statement in (
        "DELETE FROM ledger_subject WHERE seq = 13 AND kind = 'patient'",
        "UPDATE ledger_subject SET subject_id = 'p99' WHERE seq = 13 AND kind = 'patient'",
        "UPDATE ledger_subject SET at = at + interval '1 hour' WHERE seq = 13 AND kind = 'patient'",
        "UPDATE ledger_subject SET at = at + interval '60 days' WHERE seq = 13 AND kind = 'patient'",
        "INSERT INTO ledger_subject SELECT kind || 's', 'p98', at, lane, seq FROM ledger_subject WHERE seq = 13",
    ):
        with intruder.undone():
            intruder.does(statement)
            found = first()
        expected = (DamageKind.SUBJECT, lane, 13, "chart.opened")
        assert (found.kind, found.lane, found.seq, found.action) == expected, statement


def test_a_changed_line_of_the_heads_is_named(lane: int, heads: Heads) -> None:
    changes: list[Callable[[bytes], bytes]] = [
        lambda line: line.replace(b'"round":', b'"round":1'),
        lambda line: line.replace(b'"entries":', b'"entries":1'),
        lambda line: b"{}\n",
        lambda line: b"\xff\xfe\n",
        lambda line: line.replace(b"{", b"{ "),
    ]
    (path,) = heads.folder.glob("*.jsonl")
    whole = path.read_bytes()
    for number in (1, 2, 3):
        for change in changes:
            lines = whole.splitlines(keepends=True)
            lines[number - 1] = change(lines[number - 1])
            path.write_bytes(b"".join(lines))
            report = verify()
            place = f"{path.name}:{number} "
            assert any(found.kind is DamageKind.HEADS and place in found.words for found in report.damage)


def test_removed_lines_of_the_heads_are_told(lane: int, heads: Heads) -> None:
    (path,) = heads.folder.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    for left in ([0, 2], [1, 2], [2], [0], [1]):
        path.write_bytes(b"".join(lines[index] for index in left))
        assert first().kind is DamageKind.HEADS, left


def test_lost_heads_are_told_and_stop_the_sealer(lane: int, heads: Heads, write: Write) -> None:
    (path,) = heads.folder.glob("*.jsonl")
    path.unlink()
    assert first().kind is DamageKind.HEADS
    write(1)
    with pytest.raises(LedgerDamaged, match="resume"):
        seal_once()


def test_heads_of_another_key_are_told(
    lane: int, heads: Heads, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SigningKey(bytes(range(32)))
    monkeypatch.setattr(SigningKey, "of_this_site", classmethod(lambda cls: other))
    write(1)
    with pytest.raises(LedgerDamaged, match="another key"):
        seal_once()
    assert first().kind is DamageKind.HEADS


def test_after_a_restore_from_an_older_dump_sealing_resumes_and_says_so(
    lane: int, intruder: Any, write: Write, ctx: AccessContext
) -> None:
    """A dump of the second round is restored: the third round is lost, and stays on record as lost."""
    for table in ("ledger_subject", "ledger_entry"):
        intruder.does(f"DELETE FROM {table} WHERE seq > 20")
    intruder.does("DELETE FROM ledger_seal WHERE round = 3")
    with pytest.raises(ValueError, match="reason"):
        resume(ctx, " ")
    resume(ctx, "restored the dump of Sunday night")
    write(4)
    assert seal_all() == 5
    report = verify()
    assert report.is_whole, report.damage
    assert report.checked == 25
    (resumption,) = report.resumptions
    assert (resumption.round, resumption.reason) == (2, "restored the dump of Sunday night")
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 5")
    assert first().seq == 5


def test_after_a_lost_key_directory_sealing_resumes_over_all_that_was_sealed(
    lane: int, intruder: Any, heads: Heads, write: Write, ctx: AccessContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in heads.folder.glob("*.jsonl"):
        path.unlink()
    other = SigningKey(bytes(range(32)))
    monkeypatch.setattr(SigningKey, "of_this_site", classmethod(lambda cls: other))
    resume(ctx, "the key directory was lost with its disk")
    write(2)
    assert seal_all() == 3
    report = verify()
    assert report.is_whole, report.damage
    assert (report.checked, report.rounds) == (33, 4)
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 5")
    assert (first().kind, first().seq) == (DamageKind.EDITED, 5)


def test_what_is_not_sealed_yet_is_told(lane: int, write: Write, ctx: AccessContext) -> None:
    before = clock.wall()
    append(ctx, "chart.opened")
    write(4)
    report = verify()
    assert report.is_whole
    assert report.unsealed == 5
    assert report.unsealed_since is not None
    assert abs((report.unsealed_since - before).total_seconds()) < 5


def test_an_empty_ledger_is_whole(committed_db: str) -> None:
    report = verify()
    assert report.is_whole
    assert (report.checked, report.rounds, report.unsealed, report.first) == (0, 0, 0, None)
    assert seal_once() == 0


def test_very_much_damage_is_counted_and_only_the_first_is_kept(intruder: Any, write: Write) -> None:
    write(1000)
    seal_all()
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq > 10")
    report = verify()
    assert (report.damage_count, len(report.damage)) == (990, 100)
    assert report.first is not None
    assert report.first.seq == 11
