"""The practitioner directory: noting, joining by NPI, merging and its inverse, finding."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.people.api import (
    DirectoryError,
    PractitionerFact,
    correct_npi,
    find_practitioners,
    merge_practitioners,
    note_practitioners,
    practitioner,
    practitioners_by_public_id,
    unmerge_practitioners,
)
from charthouse.people.models import Practitioner, PractitionerMerge

CTX = AccessContext("user:1", "H. Ivory", frozenset({Role.HIT}))
NPI, OTHER_NPI = "1234567893", "1245319599"


def fact(public_id: str, family: str = "", given: str = "", **rest: Any) -> PractitionerFact:
    return PractitionerFact(public_id, family, given, **rest)


@pytest.mark.django_db
class TestNoting:
    def test_new_entries_get_ids_and_known_ones_keep_theirs(self) -> None:
        first = note_practitioners([fact("a", "Lovelace", "Ada"), fact("b", "Hopper", "Grace")])
        assert set(first) == {"a", "b"} and first["a"] != first["b"]
        assert note_practitioners([fact("b"), fact("a", "Lovelace")]) == first

    def test_known_facts_cost_one_query_however_many(self) -> None:
        facts = [fact(f"p{n}", f"Family{n}", "Given", identifiers=(("urn:x", str(n)),)) for n in range(200)]
        note_practitioners(facts)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            note_practitioners(facts)
        assert len(queries) == 1

    def test_new_facts_cost_a_fixed_number_of_queries(self) -> None:
        counts = []
        for size in (1, 50):
            facts = [fact(f"s{size}-{n}", f"F{n}", identifiers=(("urn:x", str(n)),)) for n in range(size)]
            with CaptureQueriesContext(connection) as queries:
                note_practitioners(facts)
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 6

    def test_empty_parts_erase_nothing_and_new_parts_are_taken(self) -> None:
        note_practitioners([fact("a", "Lovelace", "Ada", prefix="Dr.")])
        note_practitioners([fact("a", family="King", credentials="MD")])
        entry = practitioners_by_public_id(CTX, ["a"])["a"]
        assert entry.shown == "Dr. Ada King, MD"

    def test_one_call_may_name_an_entry_twice(self) -> None:
        note_practitioners([fact("a", "Lovelace"), fact("a", given="Ada", identifiers=(("urn:x", "7"),))])
        entry = practitioners_by_public_id(CTX, ["a"])["a"]
        assert (entry.family, entry.given, entry.identifiers) == ("Lovelace", "Ada", (("urn:x", "7"),))

    def test_hostile_names_are_kept_within_bounds(self) -> None:
        note_practitioners([fact("a", "x" * 5000, "\0'; DROP TABLE people_practitioner;--")])
        assert len(Practitioner.objects.get(public_id="a").family) == 200

    def test_nothing_asked_nothing_done(self) -> None:
        assert note_practitioners([]) == {}


@pytest.mark.django_db
class TestNpi:
    def test_two_entries_with_one_number_are_one_practitioner(self, ledger: Any) -> None:
        first = note_practitioners([fact("a", "Lovelace", npi=NPI)])
        second = note_practitioners([fact("b", "Lovelace", "Ada", npi=NPI)])
        assert second["b"] == first["a"]
        entry = practitioner(CTX, first["a"])
        assert entry is not None and entry.public_ids == ("a", "b") and entry.npi == NPI
        assert "people.merge-practitioners:success" in ledger.actions()

    def test_within_one_call_too(self) -> None:
        ids = note_practitioners([fact("a", npi=NPI), fact("b", npi=NPI), fact("c", npi=OTHER_NPI)])
        assert ids["a"] == ids["b"] != ids["c"]

    def test_wrong_check_digit_joins_nothing_and_is_kept_as_a_number(self) -> None:
        ids = note_practitioners([fact("a", npi="1234567890"), fact("b", npi="1234567890")])
        assert ids["a"] != ids["b"]
        assert practitioners_by_public_id(CTX, ["a"])["a"].identifiers == (
            ("http://hl7.org/fhir/sid/us-npi", "1234567890"),
        )

    def test_a_number_that_comes_later_joins(self) -> None:
        note_practitioners([fact("a", "Lovelace", npi=NPI), fact("b", "Lovelace")])
        ids = note_practitioners([fact("b", npi=NPI), fact("a")])
        assert ids["a"] == ids["b"]

    def test_another_number_later_moves_nothing(self) -> None:
        before = note_practitioners([fact("a", npi=NPI), fact("b", npi=OTHER_NPI)])
        assert note_practitioners([fact("a", npi=OTHER_NPI), fact("b")]) == before
        assert practitioners_by_public_id(CTX, ["a"])["a"].npi == NPI

    def test_entry_joined_by_a_person_brings_its_number_to_the_whole(self) -> None:
        ids = note_practitioners([fact("a", "Lovelace"), fact("b", "Lovelace")])
        merge_practitioners(CTX, ids["a"], ids["b"], "same person")
        note_practitioners([fact("b", npi=NPI)])
        later = note_practitioners([fact("c", npi=NPI)])
        assert later["c"] == ids["a"]
        entry = practitioner(CTX, ids["a"])
        assert entry is not None and entry.npi == NPI and len(entry.public_ids) == 3

    def test_correcting_it_holds_against_what_arrives(self) -> None:
        ids = note_practitioners([fact("a", npi=NPI), fact("b", npi=NPI)])
        merge = PractitionerMerge.objects.get()
        entry = Practitioner.objects.get(public_id="b").pk
        with pytest.raises(DirectoryError, match="carry the NPI"):
            unmerge_practitioners(CTX, merge.pk, "two people")
        correct_npi(CTX, entry, None, "typing error at the sender")
        unmerge_practitioners(CTX, merge.pk, "two people")
        after = note_practitioners([fact("a", npi=NPI), fact("b", "Byron", npi=NPI)])
        assert after == {"a": ids["a"], "b": entry}


class TestRaces:
    def test_notes_of_one_number_from_many_connections_make_one_practitioner(self, committed_db: str) -> None:
        from django.db import connections

        start, failures = threading.Barrier(6), list[BaseException]()

        def note(worker: int) -> None:
            try:
                start.wait()
                for _ in range(5):
                    with transaction.atomic():
                        note_practitioners(
                            [fact(f"w{worker}", "Lovelace", npi=NPI), fact("shared", "Hopper", npi=OTHER_NPI)]
                        )
            except BaseException as error:
                failures.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=note, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert Practitioner.objects.filter(merged_into=None).count() == 2
        assert Practitioner.objects.filter(public_id="shared").count() == 1
        assert len(set(note_practitioners([fact(f"w{n}") for n in range(6)]).values())) == 1

    def test_raced_merges_both_ways_leave_a_tree(self, committed_db: str) -> None:
        from django.db import connections

        ids = note_practitioners([fact("a"), fact("b")])
        start, outcomes = threading.Barrier(2), list[str]()

        def merge(survivor: int, other: int) -> None:
            start.wait()
            try:
                merge_practitioners(CTX, survivor, other, "same person")
                outcomes.append("merged")
            except DirectoryError:
                outcomes.append("refused")
            finally:
                connections.close_all()

        threads = [
            threading.Thread(target=merge, args=pair) for pair in ((ids["a"], ids["b"]), (ids["b"], ids["a"]))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["merged", "refused"]
        assert Practitioner.objects.filter(merged_into=None).count() == 1


@pytest.mark.django_db
class TestMerging:
    def ids(self, *names: str) -> list[int]:
        noted = note_practitioners([fact(name, name.title()) for name in names])
        return [noted[name] for name in names]

    def test_merge_and_its_inverse_leave_what_was(self) -> None:
        a, b = self.ids("a", "b")
        merge = merge_practitioners(CTX, a, b, "same person")
        assert note_practitioners([fact("b")]) == {"b": a}
        unmerge_practitioners(CTX, merge, "not the same after all")
        assert note_practitioners([fact("a"), fact("b")]) == {"a": a, "b": b}
        kinds = list(PractitionerMerge.objects.order_by("id").values_list("kind", "actor", "reason"))
        assert kinds == [("merge", "user:1", "same person"), ("unmerge", "user:1", "not the same after all")]

    def test_inner_merge_undone_takes_its_own_with_it(self) -> None:
        a, b, c = self.ids("a", "b", "c")
        inner = merge_practitioners(CTX, b, c, "same person")
        outer = merge_practitioners(CTX, a, b, "same person")
        unmerge_practitioners(CTX, outer, "wrong")
        assert note_practitioners([fact("a"), fact("b"), fact("c")]) == {"a": a, "b": b, "c": b}
        unmerge_practitioners(CTX, inner, "wrong")
        assert note_practitioners([fact("c")]) == {"c": c}

    def test_a_merge_is_undone_once(self) -> None:
        a, b = self.ids("a", "b")
        merge = merge_practitioners(CTX, a, b, "same person")
        unmerge_practitioners(CTX, merge, "wrong")
        with pytest.raises(DirectoryError, match="undone before"):
            unmerge_practitioners(CTX, merge, "wrong")
        merge_practitioners(CTX, a, b, "the same after all")
        with pytest.raises(DirectoryError, match="undone before"):
            unmerge_practitioners(CTX, merge, "wrong")

    def test_refusals_in_words(self) -> None:
        a, b = self.ids("a", "b")
        with pytest.raises(DirectoryError, match="needs a reason"):
            merge_practitioners(CTX, a, b, " ")
        with pytest.raises(DirectoryError, match="one already"):
            merge_practitioners(CTX, a, a, "same")
        with pytest.raises(DirectoryError, match="no practitioner entry 999999"):
            merge_practitioners(CTX, a, 999_999, "same")
        note_practitioners([fact("a", npi=NPI), fact("b", npi=OTHER_NPI)])
        with pytest.raises(DirectoryError, match="different NPIs"):
            merge_practitioners(CTX, a, b, "same")

    def test_only_those_with_the_right(self) -> None:
        a, b = self.ids("a", "b")
        with pytest.raises(PermissionRefused):
            merge_practitioners(AccessContext("user:2", "C", frozenset({Role.CODER})), a, b, "same")

    @pytest.mark.parametrize(
        "statement", ["UPDATE people_practitioner_merge SET reason = ''", "DELETE FROM people_practitioner_merge"]
    )
    def test_history_cannot_be_changed(self, statement: str) -> None:
        from django.db import DatabaseError

        a, b = self.ids("a", "b")
        merge_practitioners(CTX, a, b, "same person")
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=12))
    def test_any_merges_undone_backwards_leave_every_entry_alone(self, steps: list[tuple[int, int, bool]]) -> None:
        with transaction.atomic():
            entries = self.ids(*(f"e{n}" for n in range(5)))
            done: list[int] = []
            for first, second, undo in steps:
                if undo and done:
                    unmerge_practitioners(CTX, done.pop(), "law")
                    continue
                try:
                    done.append(merge_practitioners(CTX, entries[first], entries[second], "law"))
                except DirectoryError:
                    continue
                roots = Practitioner.objects.filter(pk__in=entries).values_list("pk", "canonical", "merged_into")
                assert all((canonical == pk) == (into is None) for pk, canonical, into in roots)
            while done:
                unmerge_practitioners(CTX, done.pop(), "law")
            assert list(note_practitioners([fact(f"e{n}") for n in range(5)]).values()) == entries
            transaction.set_rollback(True)


@pytest.mark.django_db
class TestFinding:
    @pytest.fixture(autouse=True)
    def people(self) -> None:
        note_practitioners(
            [
                fact("a", "O'Brién", "Mary Ann", npi=NPI),
                fact("b", "Brightman", "Otto", identifiers=(("urn:staff", "S-77"),)),
                fact("c", "Lovelace", "Ada"),
            ]
        )

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("bri", ["b", "a"]),
            ("o'brien", ["a"]),
            ("OBRI", []),
            ("mary o", ["a"]),
            ("ann bri", ["a"]),
            (NPI, ["a"]),
            ("S-77", ["b"]),
            ("lov ada", ["c"]),
            ("", []),
            ("%", []),
            ("zzz", []),
        ],
    )
    def test_by_beginnings_of_words_npi_and_identifier(self, text: str, found: list[str]) -> None:
        assert [entry.public_ids[0] for entry in find_practitioners(CTX, text)] == found

    def test_merged_entry_is_found_by_its_name_and_shown_as_the_one_it_is(self) -> None:
        ids = note_practitioners([fact("c"), fact("b")])
        merge_practitioners(CTX, ids["c"], ids["b"], "married name")
        assert [entry.shown for entry in find_practitioners(CTX, "bright")] == ["Ada Lovelace"]

    def test_everybody_with_a_role_and_nobody_without(self, make_user: Callable[..., Any]) -> None:
        for role in Role:
            assert find_practitioners(AccessContext("user:1", "x", frozenset({role})), "lov")
        with pytest.raises(PermissionRefused):
            find_practitioners(AccessContext("user:1", "x", frozenset()), "lov")
        assert find_practitioners(system_context("test"), "lov")
