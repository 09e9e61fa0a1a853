"""Whether two patients are one person: truth cases made by hand, and laws."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.identity.domain.decision import Candidate, Decision, Thresholds, decide, judge
from charthouse.identity.domain.guards import Outcome, guards_of
from charthouse.identity.domain.keys import keys_of
from charthouse.identity.domain.model import LEVELS, ModelError, default_model, read_model
from charthouse.identity.domain.reference import read_text, term_frequencies
from charthouse.identity.domain.scorer import doubt, score, weigh
from charthouse.identity.domain.traits import Traits, traits_of
from charthouse.identity.domain.words import described

Make = Callable[..., dict[str, Any]]
LIMITS = Thresholds(same=10, perhaps=0, margin=5, evidence=3)
MODEL = default_model()
SAME, PERHAPS, NEW = Outcome.SAME, Outcome.PERHAPS, Outcome.NEW


def decision(arrival: dict[str, Any], *known: dict[str, Any]) -> Decision:
    """The decision on an arrival where each known patient is a person of its own, found by its keys."""
    traits = traits_of(arrival, source=1)
    keys = keys_of(traits)
    asked = keys.first | keys.loose
    verdicts = []
    for number, resource in enumerate(known, start=1):
        other = traits_of(resource, source=2)
        if asked & keys_of(other).stored:
            verdicts.append(judge(traits, Candidate(number, UUID(int=number), other), MODEL, LIMITS))
    return decide(verdicts, MODEL, LIMITS)


def test_the_same_demographics_are_the_same_person(patient: Make) -> None:
    found = decision(patient(), patient())
    assert found.outcome is SAME
    assert found.person == UUID(int=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"given": "Johana"},
        {"family": "Lindquist"},
        {"born": "1961-04-18"},
        {"born": "1962-04-17"},
        {"phone": None, "address": None},
        {"phone": "413-555-0199", "address": ("9 Birch Road", "01062")},
        {"address": ("12 Alder St.", "01060-4411")},
        {"sex": None},
        {"middle": "K"},
        {"family": "Lindqvist-Berg"},
        {"given": "J", "ssn": "219-41-6788"},
    ],
)
def test_small_slips_do_not_part_a_person(patient: Make, changed: dict[str, Any]) -> None:
    assert (
        decision(patient(ssn="219-41-6788", **_without(changed, "ssn")), patient(ssn="219-41-6788")).outcome is SAME
    )
    if "ssn" not in changed:
        assert decision(patient(**changed), patient()).outcome is SAME


def _without(changed: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in changed.items() if name != key}


def test_day_and_month_exchanged(patient: Make) -> None:
    assert decision(patient(born="1961-04-07"), patient(born="1961-07-04")).outcome is SAME


def test_given_and_family_name_exchanged(patient: Make) -> None:
    assert decision(patient("Johanna", "Lindqvist"), patient()).outcome is SAME


def test_nicknames(patient: Make) -> None:
    assert decision(patient("Okafor", "Bob", sex="male"), patient("Okafor", "Robert", sex="male")).outcome is SAME


def test_maiden_name_sent_along(patient: Make) -> None:
    assert decision(patient("Hayes", maiden="Lindqvist"), patient()).outcome is SAME


def test_another_family_name_and_birth_date_in_one_household_is_looked_at(patient: Make) -> None:
    one = patient("Hayes", "Sigvard", "1940-04-17", "male")
    assert decision(one, patient("Lindqvist", "Sigvard", "1950-04-17", "male")).outcome is PERHAPS


def test_married_name_without_a_word_of_the_maiden_name_is_looked_at(patient: Make) -> None:
    assert decision(patient("Hayes", address=None), patient()).outcome is PERHAPS


@pytest.mark.parametrize("ssn", [None, "999-99-9999", "123-45-6789"])
def test_common_name_and_birth_date_alone_are_looked_at(patient: Make, ssn: str | None) -> None:
    one = patient("Smith", "John", sex="male", phone=None, address=None, ssn=ssn)
    assert decision(one, patient("Smith", "John", sex="male", phone=None, address=None, ssn=ssn)).outcome is PERHAPS


def test_rare_name_and_birth_date_alone_do(patient: Make) -> None:
    one = patient("Okonkwo-Lindqvist", "Ingeborg", phone=None, address=None)
    assert decision(one, one).outcome is SAME


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"given": "Anna", "order": 1}, {"given": "Karin", "order": 2}, NEW),
        ({"given": "Mario", "sex": "male"}, {"given": "Maria", "sex": "female"}, PERHAPS),
        ({"given": "Erik", "sex": "male"}, {"given": "Karin", "sex": "female"}, NEW),
        ({"given": "Jayden", "sex": "male"}, {"given": "Hayden", "sex": "male"}, PERHAPS),
        (
            {"given": "Anna", "multipleBirthBoolean": True},
            {"given": "Anne-Lie", "multipleBirthBoolean": True},
            PERHAPS,
        ),
        ({"given": "Anna"}, {"given": "Karin"}, PERHAPS),
        ({"given": "Donna"}, {"given": "Tina"}, PERHAPS),
        ({"given": "Donna", "phone": "413-555-0177"}, {"given": "Diana"}, PERHAPS),
        ({"given": "William", "phone": "413-555-0177"}, {"given": "Bill"}, PERHAPS),
        ({"given": "Baby Girl A"}, {"given": "Baby Girl B"}, NEW),
        ({"given": "Baby Girl"}, {"given": "Baby Girl"}, PERHAPS),
    ],
)
def test_twins_are_never_made_one(
    patient: Make, first: dict[str, Any], second: dict[str, Any], outcome: Outcome
) -> None:
    found = decision(
        patient(born="2019-02-03", mother="Lind Sara", **first),
        patient(born="2019-02-03", mother="Lind Sara", **second),
    )
    assert found.outcome is outcome


def test_a_nickname_at_the_same_telephone_is_no_twin(patient: Make) -> None:
    assert decision(patient(given="William", sex="male"), patient(given="Bill", sex="male")).outcome is SAME


def test_a_newborn_is_known_again_by_its_record_number(patient: Make) -> None:
    named = patient(given="Karin", born="2025-02-03", mrn="N-77")
    assert decision(named, patient(given="Baby Girl", born="2025-02-03", mrn="N-77")).outcome is SAME


def test_father_and_son_of_one_name(patient: Make) -> None:
    father = patient(given="Karl", sex="male", born="1950-03-09")
    son = patient(given="Karl", sex="male", born="1981-11-21")
    assert decision(son, father).outcome is NEW


def test_father_and_son_of_one_name_born_on_the_same_day_of_the_year(patient: Make) -> None:
    def man(born: str, ssn: str | None = None) -> dict[str, Any]:
        return patient(given="Karl", sex="male", born=born, ssn=ssn)

    assert decision(man("1991-03-09"), man("1961-03-09")).outcome is PERHAPS
    # A number of his own says that one man's year was mistyped.
    assert decision(man("1991-03-09", "219-41-6788"), man("1961-03-09", "219-41-6788")).outcome is SAME


def test_junior_and_senior(patient: Make) -> None:
    senior = patient(given="Karl", sex="male", born="1950-03-09", suffix="Sr")
    junior = patient(given="Karl", sex="male", born="1981-11-21", suffix="Jr.")
    assert decision(junior, senior).outcome is NEW
    mistyped = patient(given="Karl", sex="male", born="1950-03-09", suffix="Jr.")
    assert decision(mistyped, senior).outcome is PERHAPS
    unsaid = patient(given="Karl", sex="male", born="1950-03-09")
    assert decision(unsaid, senior).outcome is SAME


def test_a_couple_at_one_address(patient: Make) -> None:
    wife = patient(given="Johanna", sex="female", born="1961-04-17")
    husband = patient(given="Per", sex="male", born="1959-12-02")
    assert decision(husband, wife).outcome is NEW


def test_two_social_security_numbers_are_a_conflict(patient: Make) -> None:
    assert decision(patient(ssn="219-41-6788"), patient(ssn="518-77-1204")).outcome is PERHAPS


def test_one_number_for_two_people_is_looked_at(patient: Make) -> None:
    taken = decision(patient("Hayes", "Per", "1980-01-05", "male", ssn="219-41-6788"), patient(ssn="219-41-6788"))
    assert taken.outcome is not SAME


def test_unissued_numbers_tell_apart_but_do_not_forbid(patient: Make) -> None:
    assert decision(patient(ssn="999-82-5655"), patient(ssn="999-82-5655")).outcome is SAME
    assert decision(patient(ssn="999-82-5655"), patient(ssn="999-11-2041")).outcome is SAME


def test_a_shared_insurance_number_is_no_persons_own(patient: Make) -> None:
    card = {"system": "urn:plan", "value": "W77120", "type": {"coding": [{"code": "MB"}]}}
    child = patient(given="Nils", sex="male", born="2010-09-09", identifier=[card])
    assert decision(child, patient(identifier=[card])).outcome is NEW


def test_placeholders_say_nothing(patient: Make) -> None:
    nobody = {
        "name": [{"family": "UNKNOWN", "given": ["UNKNOWN"]}],
        "birthDate": "1900-01-01",
        "gender": "male",
        "telecom": [{"system": "phone", "value": "999-999-9999"}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-99-9999"}],
    }
    assert not keys_of(traits_of(nobody, source=1)).stored
    assert decision(nobody, nobody).outcome is NEW
    assert set(traits_of(nobody).ignored) == {"given", "family", "birth date", "phone", "social security number"}


def test_two_persons_alike_are_not_chosen_between(patient: Make) -> None:
    one = patient(phone=None, address=None)
    found = decision(one, one, one)
    assert found.outcome is PERHAPS
    assert len(found.rivals) == 1


def test_a_conflict_with_another_record_of_the_person_is_looked_at(patient: Make) -> None:
    person = UUID(int=1)
    known = [
        Candidate(1, person, traits_of(patient(), source=2)),
        Candidate(2, person, traits_of(patient(ssn="518-77-1204"), source=3)),
    ]
    arrival = traits_of(patient(ssn="219-41-6788"), source=1)
    found = decide([judge(arrival, each, MODEL, LIMITS) for each in known], MODEL, LIMITS)
    assert found.outcome is PERHAPS


def test_the_waterfall_adds_up_and_names_no_value(patient: Make) -> None:
    result = score(traits_of(patient()), traits_of(patient(born="1961-04-18")), MODEL)
    assert sum(step.weight for step in result.waterfall) == pytest.approx(result.weight)
    words = " ".join(step.words for step in result.waterfall).lower()
    for value in ("lindqvist", "johanna", "1961", "alder", "0142"):
        assert value not in words
    assert 0.999 < result.probability <= 1


def test_an_update_about_somebody_else_raises_doubt(patient: Make) -> None:
    before = traits_of(patient(mrn="A-17"), source=1)
    corrected = traits_of(patient(given="Johana", born="1961-04-18", mrn="A-17", phone="413-555-0199"), source=1)
    stranger = traits_of(patient("Hayes", "Per", "1980-01-05", "male", mrn="A-17", address=None), source=1)
    assert doubt(corrected, before, MODEL).weight > 10
    assert doubt(stranger, before, MODEL).weight < 0


def test_every_level_has_words_and_a_weight() -> None:
    for field, levels in LEVELS.items():
        assert set(levels) == set(MODEL.weights[field])
        for level in levels:
            assert (field, level) in described()


def test_a_model_that_lacks_a_level_is_refused_by_name() -> None:
    saved = json.loads(read_text("default_model.json"))
    saved["comparisons"][0]["comparison_levels"].pop()
    with pytest.raises(ModelError, match="no weight for given: different"):
        read_model(json.dumps(saved), term_frequencies())
    saved = json.loads(read_text("default_model.json"))
    saved["comparisons"][4]["comparison_levels"][1]["u_probability"] = 0
    with pytest.raises(ModelError, match="u_probability of birth, level same is 0"):
        read_model(json.dumps(saved), term_frequencies())


_PATIENTS = st.fixed_dictionaries(
    {
        "name": st.lists(
            st.fixed_dictionaries(
                {
                    "family": st.sampled_from(["Smith", "Smyth", "Lind", "Garcia Lopez", "Lopez", "John"]),
                    "given": st.lists(
                        st.sampled_from(["John", "Jon", "J", "Johnny", "Mary", "Maria", "Baby Boy", "Smith"]),
                        min_size=1,
                        max_size=2,
                    ),
                    "suffix": st.sampled_from([[], ["Jr"], ["Sr"]]),
                }
            ),
            max_size=2,
        ),
        "gender": st.sampled_from(["male", "female", "unknown"]),
        "birthDate": st.sampled_from(
            ["1961-04-07", "1961-07-04", "1961-04", "1961", "1971-04-07", "1980-01-01", ""]
        ),
        "identifier": st.lists(
            st.fixed_dictionaries(
                {
                    "system": st.sampled_from(["http://hl7.org/fhir/sid/us-ssn", "urn:a", "urn:b"]),
                    "value": st.sampled_from(["219-41-6788", "219-41-6789", "999-82-5655", "6788", "B-1"]),
                }
            ),
            max_size=2,
        ),
        "telecom": st.lists(
            st.fixed_dictionaries({"value": st.sampled_from(["413-555-0142", "555-0142", "413-555-0199"])}),
            max_size=2,
        ),
        "address": st.lists(
            st.fixed_dictionaries(
                {
                    "line": st.sampled_from(
                        [["12 Alder St"], ["12 Alder Street Apt 2"], ["14 Alder St"], ["PO Box 2"]]
                    ),
                    "city": st.sampled_from(["Northampton", "Holyoke", ""]),
                    "postalCode": st.sampled_from(["01060", "01062", ""]),
                }
            ),
            max_size=2,
        ),
        "multipleBirthInteger": st.sampled_from([0, 1, 2]),
    }
).map(lambda resource: traits_of(resource, source=1))


@settings(max_examples=150, deadline=None)
@given(_PATIENTS, _PATIENTS)
def test_the_score_is_symmetric(a: Traits, b: Traits) -> None:
    there, back = weigh(a, b, MODEL), weigh(b, a, MODEL)
    assert there.weight == pytest.approx(back.weight)
    assert [guard.name for guard in guards_of(a, b, there.levels)] == [
        guard.name for guard in guards_of(b, a, back.levels)
    ]


@settings(max_examples=150, deadline=None)
@given(_PATIENTS, _PATIENTS)
def test_nobody_resembles_another_more_than_himself(a: Traits, b: Traits) -> None:
    assert weigh(a, b, MODEL).weight <= max(weigh(a, a, MODEL).weight, weigh(b, b, MODEL).weight) + 1e-9


@settings(max_examples=100, deadline=None)
@given(_PATIENTS)
def test_who_can_be_told_at_all_is_found_again_by_its_keys(a: Traits) -> None:
    keys = keys_of(a)
    assert keys.tight <= keys.first
    assert keys.stored == keys.tight | keys.loose
    if weigh(a, a, MODEL).weight >= LIMITS.same:
        assert keys.stored
