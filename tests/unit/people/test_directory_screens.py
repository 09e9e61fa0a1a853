"""The practitioner directory and the facilities on screen: found, compared, merged, parted, corrected, changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.people import api as people
from charthouse.people.api import FacilityDraft, PlaceError, PractitionerFact, User
from charthouse.people.testing import sign_in

CTX = system_context("test")
NPI, OTHER_NPI = "1234567893", "1245319599"
NORTH = FacilityDraft("NORTH", "North Clinic", "clinic", "America/Chicago")
MERCY = FacilityDraft("MERCY", "Mercy Hospital", "hospital", "America/Chicago")
pytestmark = pytest.mark.django_db


def note(public_id: str, family: str, given: str = "Ada", **rest: Any) -> int:
    return people.note_practitioners([PractitionerFact(public_id, family, given, **rest)])[public_id]


@pytest.fixture
def manager(make_user: Callable[..., User]) -> Client:
    return sign_in(make_user("manager", Role.MANAGER))


@pytest.fixture
def reader(make_user: Callable[..., User]) -> Client:
    return sign_in(make_user("reader", Role.CODER))


class TestLikelyDuplicates:
    def pairs(self, one: int | None = None) -> set[tuple[str, tuple[int, ...]]]:
        return {
            (group.reason, tuple(entry.id for entry in group.entries))
            for group in people.likely_duplicates(CTX, one)
        }

    def test_one_name_unless_the_npis_say_that_they_are_two(self) -> None:
        bare, numbered = note("a", "Novak"), note("b", "Novák", npi=NPI)
        note("c", "Bolt")
        assert self.pairs() == {("name", (bare, numbered))}
        people.correct_npi(CTX, bare, OTHER_NPI, "asked them")
        assert self.pairs() == set()

    def test_one_number_in_one_system(self) -> None:
        one = note("a", "Novak", identifiers=(("urn:staff", "77"),))
        other = note("b", "Novak-Bolt", identifiers=(("urn:staff", "77"),))
        note("c", "Bolt", identifiers=(("urn:others", "77"),))
        note("d", "Crane", identifiers=(("", "77"),))
        note("e", "Drew", identifiers=(("", "77"),))
        assert self.pairs() == {("number", (one, other))}
        assert self.pairs(other) == {("number", (one, other))}

    def test_merged_are_duplicates_no_more(self) -> None:
        one, other = note("a", "Novak"), note("b", "Novak")
        people.merge_practitioners(CTX, one, other, "the same")
        assert self.pairs() == set() and self.pairs(other) == set()

    def test_everybody_is_browsed_once(self) -> None:
        ids = [note(f"p{number}", f"Name{number % 3}", f"Given{number}") for number in range(7)]
        people.merge_practitioners(CTX, ids[0], ids[1], "the same")
        seen: list[int] = []
        after = None
        while True:
            page = people.browse_practitioners(CTX, after, limit=2)
            seen += [entry.id for entry in page.entries]
            after = page.next
            if after is None:
                break
        assert sorted(seen) == sorted(set(ids) - {ids[1]}) and len(seen) == len(set(seen))


class TestMergingOnScreen:
    def test_compared_merged_found_under_both_names_and_parted(self, manager: Client) -> None:
        one, other = note("a", "Novak", "Ada"), note("b", "Novakova", "Ada")
        compared = manager.get(f"/practitioners/{one}/merge?other={other}").content.decode()
        assert "Ada Novak" in compared and "Ada Novakova" in compared
        answer = manager.post(
            f"/practitioners/{one}/merge", {"other": other, "survivor": other, "reason": "married"}
        )
        assert answer["Location"] == f"/practitioners/{other}"
        assert manager.get(f"/practitioners/{one}")["Location"] == f"/practitioners/{other}"
        page = manager.get(f"/practitioners/{other}").content.decode()
        assert "married" in page and "Manager Tester" in page and "Survives" in page
        assert [entry.id for entry in people.find_practitioners(CTX, "novak")] == [other]
        merge = people.merge_history(CTX, other)[0]
        manager.post(f"/practitioners/{other}/merges/{merge.id}/undo", {"reason": "not so"})
        assert len(people.practitioner_rows(CTX, one)) == 1
        history = people.merge_history(CTX, one)
        assert [line.may_undo for line in history] == [False, False]

    @pytest.mark.parametrize(("change", "said"), [({"reason": " "}, "needs a reason")])
    def test_what_is_missing_is_said_and_nothing_is_merged(
        self, manager: Client, change: dict[str, str], said: str
    ) -> None:
        one, other = note("a", "Novak"), note("b", "Novakova")
        answer = manager.post(
            f"/practitioners/{one}/merge", {"other": other, "survivor": one, "reason": "x"} | change
        )
        assert answer.status_code == 422 and said in answer.content.decode()
        assert people.merge_history(CTX, one) == []

    def test_different_npis_are_shown_as_such_and_refused(self, manager: Client) -> None:
        one, other = note("a", "Novak", npi=NPI), note("b", "Novak", npi=OTHER_NPI)
        assert "Different NPIs" in manager.get(f"/practitioners/{one}/merge?other={other}").content.decode()
        answer = manager.post(f"/practitioners/{one}/merge", {"other": other, "survivor": one, "reason": "x"})
        assert answer.status_code == 422
        manager.post(f"/practitioners/{other}/npi", {"row": other, "npi": "", "reason": "a typing error"})
        answer = manager.post(f"/practitioners/{one}/merge", {"other": other, "survivor": one, "reason": "x"})
        assert answer.status_code == 302

    def test_nonsense_is_answered(self, manager: Client) -> None:
        one = note("a", "Novak")
        assert manager.get(f"/practitioners/{one}/merge?other=zzz").status_code == 200
        assert manager.get(f"/practitioners/{one}/merge?other={one}").status_code == 302
        said = manager.post(f"/practitioners/{one}/npi", {"npi": "123", "reason": "x"}, follow=True)
        assert "is not an NPI" in said.content.decode()
        assert manager.get("/practitioners/?text=%00&after=x").status_code == 200

    def test_others_look_and_do_not_touch(self, reader: Client) -> None:
        one, other = note("a", "Novak"), note("b", "Novak")
        page = reader.get(f"/practitioners/{one}").content.decode()
        assert "Perhaps the same as" in page and "Correct NPI" not in page
        assert reader.get(f"/practitioners/{one}/merge").status_code == 403
        answer = reader.post(f"/practitioners/{one}/merge", {"other": other, "survivor": one, "reason": "x"})
        assert answer.status_code == 403 and people.merge_history(CTX, one) == []


class TestFacilities:
    def test_changed_by_an_administrator_and_read_by_all(
        self, make_user: Callable[..., User], reader: Client, ledger: Any
    ) -> None:
        here = people.add_facility(CTX, MERCY)
        admin = sign_in(make_user("admin", Role.ADMINISTRATOR))
        given = {
            "name": "Mercy",
            "kind": "cah",
            "time_zone": "America/Denver",
            "address": " 1 Elm St \r\n Larkspur ",
            "phone": "555-0100",
            "npi": NPI,
            "ccn": "",
        }
        assert admin.post(f"/facilities/{here}", given).status_code == 302
        line = people.facilities()[0]
        assert (line.code, line.name, line.address) == ("MERCY", "Mercy", "1 Elm St\nLarkspur")
        changed = ledger.last("people.change-facility")[3]
        assert set(changed["changed"]) == {"name", "kind", "time_zone", "address", "phone", "npi"}
        page = reader.get(f"/facilities/{here}").content.decode()
        assert "America/Denver" in page and "<textarea" not in page
        assert reader.post(f"/facilities/{here}", given | {"name": "Mine"}).status_code == 403
        answer = admin.post(f"/facilities/{here}", given | {"time_zone": "Mars/Olympus"})
        assert answer.status_code == 422 and 'value="Mars/Olympus"' in answer.content.decode()
        assert people.facilities()[0].time_zone == "America/Denver"

    def test_added_on_screen(self, make_user: Callable[..., User]) -> None:
        admin = sign_in(make_user("admin", Role.ADMINISTRATOR))
        given = {"code": "NORTH", "name": "North", "kind": "clinic", "time_zone": "America/Chicago"}
        assert admin.post("/facilities/add", given).status_code == 302
        assert "already" in admin.post("/facilities/add", given).content.decode()
        assert [line.code for line in people.facilities()] == ["NORTH"]

    def test_what_is_too_long_is_said(self) -> None:
        from dataclasses import replace

        here = people.add_facility(CTX, MERCY)
        with pytest.raises(PlaceError, match="phone is too long"):
            people.change_facility(CTX, here, replace(MERCY, phone="5" * 41))
        with pytest.raises(PlaceError, match="no facility"):
            people.change_facility(CTX, here + 1, MERCY)
        assert people.change_facility(CTX, here, MERCY) == ()

    def test_only_administrators(self) -> None:
        here = people.add_facility(CTX, MERCY)
        for role in set(Role) - {Role.ADMINISTRATOR}:
            with pytest.raises(PermissionRefused):
                people.change_facility(AccessContext("user:1", "x", frozenset({role})), here, MERCY)

    def test_closed_with_a_reason_and_opened_again(self, make_user: Callable[..., User], ledger: Any) -> None:
        here = people.add_facility(CTX, MERCY)
        admin = sign_in(make_user("admin", Role.ADMINISTRATOR))
        given = {"reason": "moved to the new house"}
        answer = admin.post(f"/facilities/{here}/close", given)
        assert answer.status_code == 422 and "only facility that is open" in answer.content.decode()
        assert 'value="moved to the new house"' in answer.content.decode()
        people.add_facility(CTX, NORTH)
        assert "Say why" in admin.post(f"/facilities/{here}/close", {"reason": "  "}).content.decode()
        assert admin.post(f"/facilities/{here}/close", given).status_code == 302
        assert ledger.last("people.close-facility")[3] == {"code": "MERCY", "reason": given["reason"]}
        assert next(line for line in people.facilities() if line.id == here).closed_at is not None
        assert "closed already" in admin.post(f"/facilities/{here}/close", given).content.decode()
        assert "Open again" in admin.get(f"/facilities/{here}").content.decode()
        assert admin.post(f"/facilities/{here}/reopen", {"reason": "a mistake"}).status_code == 302
        assert ledger.last("people.reopen-facility")[3]["reason"] == "a mistake"
        assert [line.closed_at for line in people.facilities()] == [None, None]
        assert admin.post("/facilities/999999/close", given).status_code == 404

    def test_not_closed_while_anybody_holds_a_role_there(self, make_user: Callable[..., User]) -> None:
        here, north = people.add_facility(CTX, MERCY), people.add_facility(CTX, NORTH)
        one = make_user("bolt", Role.CODER, facility=here)
        make_user("vale", Role.CODER)
        with pytest.raises(PlaceError, match="1 person holds a role at Mercy"):
            people.close_facility(CTX, here, "moved")
        people.end_role(CTX, one.pk, Role.CODER, facility=here)
        people.close_facility(CTX, here, "moved")
        with pytest.raises(people.AccountError, match="closed"):
            people.grant_role(CTX, one.pk, Role.CODER, facility=here)
        people.grant_role(CTX, one.pk, Role.CODER, facility=north)
        assert people.context_for(one).facilities == frozenset({north})

    def test_a_closed_facility_numbers_no_chart(self) -> None:
        from charthouse.frontdesk.queries import assigners

        here = people.add_facility(CTX, MERCY)
        people.add_facility(CTX, NORTH)
        own = people.add_mrn_assigner(CTX, people.MrnAssignerDraft("urn:oid:1.2.3"), facility=here)
        assert [choice.value for choice in assigners()] == [str(own)]
        people.close_facility(CTX, here, "moved")
        assert assigners() == []
        with pytest.raises(PlaceError, match="closed"):
            people.assign_mrns(CTX, own)
        with pytest.raises(PlaceError, match="closed"):
            people.add_mrn_assigner(CTX, people.MrnAssignerDraft("urn:oid:1.2.4"), facility=here)

    def test_an_assigner_changes_its_facility_and_gets_more_digits_on_screen(
        self, make_user: Callable[..., User], reader: Client, ledger: Any
    ) -> None:
        here = people.add_facility(CTX, MERCY)
        admin = sign_in(make_user("admin", Role.ADMINISTRATOR))
        given = {"system": "urn:oid:1.2.3", "prefix": "M", "width": "4", "check_digit": "M10", "first": "7"}
        assert admin.post("/facilities/assigners/add", given | {"facility": ""}).status_code == 302
        (line,) = people.mrn_assigners()
        (early,) = people.assign_mrns(CTX, line.id)
        page = f"/facilities/assigners/{line.id}"
        assert admin.post(page, {"facility": str(here), "width": "6"}).status_code == 302
        (line,) = people.mrn_assigners()
        assert (line.facility, line.width) == (here, 6)
        said = ledger.last("people.change-mrn-assigner")[3]
        assert (said["before"]["width"], said["after"]) == (4, {"facility": here, "width": 6})
        (late,) = people.assign_mrns(CTX, line.id)
        assert len(late.value) == len(early.value) + 2
        assert people.is_own_mrn(line.id, early.value) and people.is_own_mrn(line.id, late.value)
        assert not people.is_own_mrn(line.id, "M") and not people.is_own_mrn(line.id, early.value + "00000")
        answer = admin.post(page, {"facility": str(here), "width": "5"})
        assert answer.status_code == 422 and "not fewer" in answer.content.decode()
        assert reader.get(page).status_code == 403

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"width": "many"}, "whole number"),
            ({"width": "0"}, "1 to 18 digits"),
            ({"first": "-1"}, "whole number"),
            ({"system": "no system"}, "not a URI"),
            ({"system": "urn:" + "x" * 300}, "at most 255"),
            ({"check_digit": "M12"}, "check digits"),
            ({"facility": "999999"}, "no facility"),
            ({"facility": "x"}, "whole number"),
        ],
    )
    def test_what_is_wrong_with_an_assigner_is_said(
        self, make_user: Callable[..., User], wrong: dict[str, str], said: str
    ) -> None:
        admin = sign_in(make_user("admin", Role.ADMINISTRATOR))
        given = {"system": "urn:oid:1.2.3", "width": "4", "check_digit": "none", "first": "7", "facility": ""}
        answer = admin.post("/facilities/assigners/add", given | wrong)
        assert answer.status_code == 422 and said in answer.content.decode()
        assert people.mrn_assigners() == []


class TestTour:
    def test_kept_with_the_account_left_and_resumed(self, make_user: Callable[..., User]) -> None:
        user = make_user("newby", Role.AUDITOR)
        browser = sign_in(user)
        assert "Take the tour" in browser.get("/").content.decode()
        browser.post("/tour/1")
        assert browser.post("/tour/2")["Location"] == "/tour/3"
        elsewhere = sign_in(user)
        assert "step 3 of 12" in elsewhere.get("/").content.decode()
        elsewhere.post("/tour/leave")
        assert "The tour" not in browser.get("/").content.decode()
        assert "2 of 12 steps done" in browser.get("/tour/").content.decode()
        browser.post("/tour/3")
        assert "step 4 of 12" in browser.get("/").content.decode()
        assert browser.post("/tour/12")["Location"] == "/tour/"
        assert "All steps are done" in browser.get("/tour/").content.decode()
        assert "The tour" not in browser.get("/").content.decode()

    @pytest.mark.parametrize("role", Role)
    def test_each_step_opens_a_screen_or_says_whose_it_is(self, make_user: Callable[..., User], role: Role) -> None:
        from charthouse.web.tour import STEPS

        browser = sign_in(make_user("newby", role))
        assert len(STEPS) == 12
        for number, step in enumerate(STEPS, 1):
            page = browser.get(f"/tour/{number}").content.decode()
            held = role in step.permission.roles
            assert ("Your roles do not open this" not in page) is held
            assert (browser.get(step.url).status_code == 200) is held
        assert browser.get("/tour/13").status_code == browser.post("/tour/0").status_code == 404
