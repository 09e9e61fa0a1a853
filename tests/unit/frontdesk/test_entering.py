"""What is entered at the bedside and the desk is what the chart shows, of whichever sender the patient is."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from charthouse.exchange.fhir.api import validate
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.foundation.clock import frozen
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.api import (
    ChosenFile,
    FiledBefore,
    FrontdeskError,
    Unfit,
    enter_allergy,
    enter_coverage,
    enter_encounter,
    enter_vital_signs,
    file_document,
    write_note,
)
from charthouse.frontdesk.domain.forms import Reading
from charthouse.frontdesk.domain.vital_signs import SIGNS, observations_of, read_vital_signs
from charthouse.identity.api import patients_of, sources_of
from charthouse.intake.api import (
    IN_RECORD,
    OWN_DESK,
    RECORD_ID,
    Connector,
    IntakeError,
    UnfiledState,
    add_sender_token,
    correct_message,
    provenance,
    take_in,
)
from charthouse.record import api as record

from .conftest import (
    COORDINATOR,
    MED_TECH,
    PHYSICIAN,
    SYSTEM,
    asker,
    at_once,
    person_called,
    send,
    set_up_desk,
    summary_of,
)

NOON = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)  # noon in Chicago


def rows(section: str, person: UUID) -> Any:
    return getattr(record, section)(SYSTEM, patients_of(SYSTEM, person)).rows


def measured(person: UUID) -> dict[str, tuple[str, str]]:
    found = record.vitals(SYSTEM, patients_of(SYSTEM, person))
    return {each.title: (each.points[-1].value, each.unit) for each in found}


def limit(name: str) -> Decimal:
    return Decimal(str(parameter("frontdesk.vital-signs", name)))


@pytest.fixture
def admitted(db: None) -> UUID:
    """Somebody another system sent; the desk never registered them."""
    set_up_desk()
    send({"resourceType": "Patient", "id": "9", "name": [{"family": "Brandt", "given": ["Ole"]}]})
    return person_called("brandt")


def test_vital_signs_are_shown_as_written_with_their_units(admitted: UUID) -> None:
    form = {
        "systolic": "128", "diastolic": "79", "pulse": "72", "temperature": "37.0", "temperature_unit": "Cel",
        "weight": "150.50", "weight_unit": "[lb_av]", "when": "26 Nov 2026", "when_time": "2:30 pm",
    }  # fmt: skip
    with frozen(NOON):
        enter_vital_signs(MED_TECH, admitted, form)
    shown = measured(admitted)
    assert shown["Systolic blood pressure"] == ("128", "mmHg")
    assert shown["Diastolic blood pressure"] == ("79", "mmHg")
    assert shown["Body temperature"] == ("37.0", "°C")
    assert shown["Body weight"] == ("150.50", "lb")
    (point,) = next(each for each in record.vitals(SYSTEM, patients_of(SYSTEM, admitted))
                    if each.title == "Heart rate").points  # fmt: skip
    assert point.when.text == "2026-11-26T14:30:00-06:00"
    came = provenance(asker(Role.HIT), "Observation", point.id)
    assert came is not None and came.entered_by == "J. Petit"
    assert len(sources_of(SYSTEM, admitted)) == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"pulse": "720"}, "too high to be of a living person"),
        ({"temperature": "37.0"}, "Is it 37.0 °C?"),
        ({"weight": "abc"}, "Write a number"),
        ({"weight": "-3"}, "Write a number"),
        ({"systolic": "80", "diastolic": "120"}, "exchanged"),
        ({"systolic": "120"}, "two numbers"),
        ({}, "Nothing was measured"),
        ({"pulse": "72", "when": "tomorrow"}, "not a date"),
        ({"pulse": "72", "when": "28 Nov 2026", "when_time": "9:00"}, "has not come yet"),
        ({"pulse": "72", "when": "27 Nov 2026"}, "Give the time"),
        ({"pulse": "72", "weight": "72", "weight_unit": "stone"}, "not one of the choices"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_none_is_filed(
    admitted: UUID, form: dict[str, str], words: str
) -> None:
    with frozen(NOON), pytest.raises(Unfit, match=words):
        enter_vital_signs(MED_TECH, admitted, form)
    assert measured(admitted) == {}


@given(st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_possible_sign_is_taken_as_it_was_written(data: st.DataObject) -> None:
    form, expected = {}, {}
    for name, sign in SIGNS.items():
        if name in {"systolic", "diastolic"}:
            continue
        unit = data.draw(st.sampled_from(sign.units))
        value = data.draw(st.decimals(0, 999, places=data.draw(st.integers(0, 2))))
        if limit(f"{name}_lowest") <= unit.to_limits(value) <= limit(f"{name}_highest"):
            form |= {name: f"{value}", f"{name}_unit": unit.code}
            expected[sign.loinc] = (str(value), unit.code)
    reading = Reading(form, NOON, ZoneInfo("UTC"), lambda *_: [])
    found = read_vital_signs(reading, limit)
    made = observations_of(found, ids=lambda name: name, common={"subject": {"reference": "Patient/x"}})
    assert {
        each["code"]["coding"][0]["code"]: (str(each["valueQuantity"]["value"]), each["valueQuantity"]["code"])
        for each in made
    } == expected
    assert set(reading.faults) == (set() if expected else {""})


def test_an_allergy_stands_in_the_banner(admitted: UUID) -> None:
    form = {"substance": "Penicillin G", "criticality": "high", "reaction": "Hives", "severity": "severe",
            "kind": "medication", "certainty": "confirmed", "onset": "1998"}  # fmt: skip
    enter_allergy(PHYSICIAN, admitted, form)
    (allergy,) = summary_of(admitted).allergies
    assert (allergy.title, allergy.criticality, allergy.reactions) == ("Penicillin G", "high", ("Hives (severe)",))
    assert allergy.when.text == "1998" and allergy.verification == "confirmed"


def test_no_known_allergy_is_a_statement(admitted: UUID) -> None:
    enter_allergy(PHYSICIAN, admitted, {"statement": "none"})
    assert summary_of(admitted).allergy_statement == "No known allergy"
    with pytest.raises(Unfit, match="names one"):
        enter_allergy(PHYSICIAN, admitted, {"statement": "none", "substance": "Latex"})
    with pytest.raises(Unfit) as refused:
        enter_allergy(PHYSICIAN, admitted, {"severity": "mild"})
    assert set(refused.value.faults) == {"substance", "criticality", "reaction"}


def test_an_encounter_and_a_note_that_belongs_to_it(admitted: UUID) -> None:
    form = {"class": "AMB", "state": "finished", "start": "3 Nov 2026", "start_time": "9:15", "end": "3 Nov 2026",
            "end_time": "9:40", "why": "Cough for a week"}  # fmt: skip
    with frozen(NOON):
        encounter = enter_encounter(COORDINATOR, admitted, form).id
        text = "Chest clear.\n\n  No fever: 36.9 °C <b>"
        note = write_note(PHYSICIAN, admitted, {"type": "11506-3", "text": text, "encounter": encounter}).id
    (row,) = rows("encounters", admitted)
    assert (row.id, row.class_title, row.reason) == (encounter, "Ambulatory", "Cough for a week")
    assert row.when.text == "2026-11-03T09:15:00-06:00" and row.end.text == "2026-11-03T09:40:00-06:00"
    shown = record.document(SYSTEM, patients_of(SYSTEM, admitted), "DocumentReference", note)
    assert shown is not None
    assert (shown.mark, shown.author, shown.encounter) == ("unsigned", "B. Novak", encounter)
    assert shown.parts[0].text == text


@pytest.mark.parametrize(
    ("form", "at_fault"),
    [
        ({}, {"class", "state"}),
        ({"class": "AMB", "state": "finished"}, {"end"}),
        ({"class": "AMB", "state": "arrived", "end": "2 Nov 2026", "end_time": "8:00"}, {"end", "state"}),
        ({"class": "AMB", "state": "finished", "start": "2 Nov", "end": "3 Nov 2026", "end_time": "25:00"},
         {"start", "end_time"}),
    ],
)  # fmt: skip
def test_an_encounter_that_cannot_be_is_refused(admitted: UUID, form: dict[str, str], at_fault: set[str]) -> None:
    with frozen(NOON), pytest.raises(Unfit) as refused:
        enter_encounter(COORDINATOR, admitted, form)
    assert set(refused.value.faults) == at_fault
    assert rows("encounters", admitted) == ()


def test_a_planned_encounter_may_lie_ahead(admitted: UUID) -> None:
    form = {"class": "AMB", "state": "planned", "start": "3 Dec 2026", "start_time": "9:15"}
    with frozen(NOON):
        enter_encounter(COORDINATOR, admitted, form)
    assert rows("encounters", admitted)[0].when.text == "2026-12-03T09:15:00-06:00"


def test_coverage_says_what_the_card_says_and_no_more(admitted: UUID) -> None:
    enter_coverage(COORDINATOR, admitted, {"payer": "Prairie Mutual"})
    enter_coverage(COORDINATOR, admitted, {
        "payer": "Lakes Health", "member": "LH 00217", "group": "G-4", "plan": "Silver", "order": "1",
        "relationship": "spouse", "holder": "Runa Brandt", "from": "1 Jan 2026", "until": "12/31/2027",
    })  # fmt: skip
    first, second = rows("coverage", admitted)
    assert (first.payer, first.order, first.member, first.group, first.plan) == (
        "Lakes Health", 1, "LH 00217", "G-4", "Silver",
    )  # fmt: skip
    assert (first.subscriber, first.relationship) == ("Runa Brandt", "Spouse")
    assert (first.when.text, first.end.text) == ("2026-01-01", "2027-12-31")
    assert (second.payer, second.order, second.member, second.end.text) == ("Prairie Mutual", None, "", "")
    with pytest.raises(Unfit) as refused:
        enter_coverage(
            COORDINATOR, admitted, {"relationship": "child", "from": "2026-02-01", "until": "2026-01-01"}
        )
    assert set(refused.value.faults) == {"payer", "holder", "until"}


def test_the_same_form_sent_twice_files_once(admitted: UUID) -> None:
    form = {
        "once": str(uuid.uuid4()), "pulse": "72", "payer": "Prairie Mutual", "substance": "Latex",
        "criticality": "low", "class": "AMB", "state": "arrived", "type": "11506-3", "text": "Well.",
    }  # fmt: skip
    acts: list[tuple[Callable[..., Any], AccessContext, str]] = [
        (enter_vital_signs, MED_TECH, "frontdesk.enter-vital-signs"),
        (enter_allergy, PHYSICIAN, "frontdesk.enter-allergy"),
        (enter_encounter, COORDINATOR, "frontdesk.enter-encounter"),
        (enter_coverage, COORDINATOR, "frontdesk.enter-coverage"),
        (write_note, PHYSICIAN, "frontdesk.write-note"),
    ]
    for act, ctx, action in acts:
        first, second = act(ctx, admitted, form), act(ctx, admitted, form)
        assert first.id == second.id and (first.again, second.again) == (False, True)
        (line,) = entries(SYSTEM, Filters(action=action)).lines
        assert line.actor == ctx.actor and not any(word in str(line.detail) for word in ("Latex", "Well", "72"))


def test_the_same_form_sent_twice_at_once_files_once(committed_db: str) -> None:
    set_up_desk()
    send({"resourceType": "Patient", "id": "9", "name": [{"family": "Brandt", "given": ["Ole"]}]})
    person = person_called("brandt")
    form = {"once": str(uuid.uuid4()), "class": "AMB", "state": "arrived"}
    entered = at_once([lambda: enter_encounter(COORDINATOR, person, form)] * 4)
    assert sorted(each.again for each in entered) == [False, True, True, True]
    assert len({each.id for each in entered}) == 1
    assert len(entries(SYSTEM, Filters(action="frontdesk.enter-encounter")).lines) == 1
    came = provenance(asker(Role.HIT), "Encounter", entered[0].id)
    assert came is not None and len(came.versions) == 1


def test_of_two_desks_with_one_paper_the_second_is_told(committed_db: str) -> None:
    set_up_desk()
    send({"resourceType": "Patient", "id": "9", "name": [{"family": "Brandt", "given": ["Ole"]}]})
    person = person_called("brandt")
    drawn = io.BytesIO()
    Image.new("L", (40, 40), 200).save(drawn, "PNG")

    def file() -> Any:
        try:
            form = {"type": "59284-0", "date": "2026", "once": str(uuid.uuid4())}
            return file_document(COORDINATOR, person, form, ChosenFile("scan.png", drawn.getvalue()))
        except FiledBefore as error:
            return error

    assert sorted(isinstance(each, FiledBefore) for each in at_once([file] * 3)) == [False, True, True]
    assert len(rows("documents", person)) == 1


def test_an_encounter_of_another_chart_is_refused(admitted: UUID) -> None:
    theirs = enter_encounter(COORDINATOR, admitted, {"class": "AMB", "state": "arrived"}).id
    send({"resourceType": "Patient", "id": "10", "name": [{"family": "Marchetti", "given": ["Jana"]}]})
    other = person_called("marchetti")
    with pytest.raises(FrontdeskError, match="not in this chart"):
        write_note(PHYSICIAN, other, {"type": "11506-3", "text": "Well.", "encounter": theirs})
    assert rows("documents", other) == ()


def test_each_role_enters_its_own_and_no_more(admitted: UUID) -> None:
    everything: list[tuple[Callable[..., Any], set[Role]]] = [
        (enter_vital_signs, {Role.MED_TECH, Role.PHYSICIAN}),
        (enter_allergy, {Role.PHYSICIAN, Role.MED_TECH}),
        (write_note, {Role.PHYSICIAN}),
        (enter_encounter, {Role.COORDINATOR, Role.HIT, Role.MANAGER}),
        (enter_coverage, {Role.COORDINATOR, Role.HIT, Role.MANAGER}),
        (lambda *given: file_document(*given, None), {Role.COORDINATOR, Role.HIT, Role.MANAGER, Role.RELEASE}),
    ]
    for act, may in everything:
        for role in Role:
            with pytest.raises(Unfit if role in may else PermissionRefused):
                act(asker(role), admitted, {"class": "x"})


def test_a_chart_that_is_not_open_takes_nothing(db: None) -> None:
    with pytest.raises(FrontdeskError, match="no such chart"):
        enter_allergy(PHYSICIAN, uuid.uuid4(), {"statement": "none"})


def by_record_id(person: UUID) -> list[dict[str, Any]]:
    """What only the desk may send: an entry for somebody by the id in the record, and a new version by it."""
    (source,) = sources_of(SYSTEM, person)
    return [
        {"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Latex"},
         "patient": {"reference": f"{IN_RECORD}Patient/{source.public_id}"}},
        {"resourceType": "Patient", "id": f"{RECORD_ID}{source.public_id}", "name": [{"family": "Taken-Over"}]},
    ]  # fmt: skip


def untouched(person: UUID) -> bool:
    return rows("allergies", person) == () and summary_of(person).name == "Brandt, Ole"


@pytest.mark.parametrize("connector", list(Connector))
def test_another_sender_cannot_name_what_is_in_the_record(admitted: UUID, connector: Connector) -> None:
    """Only our own desk's entries go to a patient by the id in the record."""
    entry, version = by_record_id(admitted)
    assert validate(entry) == []
    (taken,) = take_in(io.BytesIO(orjson.dumps(entry)), connector=connector, sender="LAB")
    assert taken.result is not None
    assert [each.code for each in taken.result.problems] == ["unresolved-reference"]
    # What another sender calls so is a patient of its own.
    (taken,) = take_in(io.BytesIO(orjson.dumps(version)), connector=connector, sender="LAB")
    assert taken.result is not None and taken.result.counts["created"] == 1
    assert untouched(admitted)


@pytest.mark.parametrize("sender", [OWN_DESK, f"{OWN_DESK}\0", f"\0{OWN_DESK}"])
def test_nobody_else_sends_in_the_name_of_the_desk(admitted: UUID, sender: str) -> None:
    for resource in by_record_id(admitted):
        data = orjson.dumps(resource)
        for connector in set(Connector) - {Connector.FORM}:
            with pytest.raises(IntakeError, match="Give another name"):
                list(take_in(io.BytesIO(data), connector=connector, sender=sender, file=False))
        # A corrected copy is sent by form, too, and is no entry of the desk.
        with pytest.raises(IntakeError, match="Give another name"):
            list(take_in(io.BytesIO(data), connector=Connector.FORM, sender=sender, corrects=1))
    with pytest.raises(IntakeError):
        add_sender_token(asker(Role.MANAGER), "desk", sender)
    assert untouched(admitted)


def test_an_application_that_calls_itself_the_desk_is_another_sender(admitted: UUID) -> None:
    message = f"MSH|^~\\&|{OWN_DESK}||||20261127||ADT^A08|1|P|2.5\rPID|1||9^^^X^MR||Taken-Over\r".encode()
    (taken,) = take_in(io.BytesIO(message), connector=Connector.MLLP)
    assert taken.result is not None and not taken.result.problems
    (source,) = sources_of(SYSTEM, person_called("taken-over"))
    came = provenance(asker(Role.HIT), "Patient", source.public_id)
    assert came is not None and came.sender == f"{OWN_DESK}|" and came.entered_by == ""
    assert untouched(admitted)


def test_a_copy_of_anothers_message_corrected_by_form_names_nothing_of_the_record(admitted: UUID) -> None:
    entry, _ = by_record_id(admitted)
    (taken,) = take_in(io.BytesIO(orjson.dumps(entry)), connector=Connector.HTTP, sender="LAB")
    again = orjson.dumps(entry | {"code": {"text": "Cork"}}).decode()
    _, state = correct_message(asker(Role.HIT), taken.receipt.message, again, "The substance")
    assert state is UnfiledState.WAITING
    assert untouched(admitted)
