"""Deficiencies follow the record's news, and races lose nobody's work."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from charthouse.completion import api as completion
from charthouse.completion.actions.analyse_charts import analyse_charts
from charthouse.completion.adopted import told_by_packs
from charthouse.completion.domain.states import ChartState
from charthouse.completion.models import AdoptedRules, Chart, Deficiency, DeficiencyEvent
from charthouse.completion.rule_models import RuleTrial
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.identity import api as identity
from charthouse.record import api as record
from tests.support.threads import together

from .desk_house import CHEN, DAY, DR_NOVAK, NOW, OBI, SATO, VALE, House, document, finding

SYSTEM = system_context("tests")


def test_what_is_filed_is_analysed_where_it_belongs_and_nowhere_else(standing_house: House) -> None:
    house = standing_house
    house.visit("1", finding())
    house.visit("2", finding(), of="p2")
    house.follow()
    house.analysed.clear()
    house.lacks("1")
    house.send(document("d1", "p1", "1"))
    assert house.follow() == 1
    assert house.analysed == [house.ids["1"]] and house.chart("1").state == ChartState.COMPLETE
    assert house.follow() == 0


def test_what_is_moved_is_analysed_where_it_was_too(standing_house: House) -> None:
    house = standing_house
    house.visit("1")
    house.visit("2", ended=NOW - 30 * DAY)
    house.send(document("d1", "p1", "1"))
    house.follow()
    house.analysed.clear()
    house.send(document("d1", "p1", "2"))
    house.follow()
    assert set(house.analysed) == {house.ids["1"], house.ids["2"]}


def test_a_document_moved_or_retracted_here_is_analysed(standing_house: House) -> None:
    house = standing_house
    house.visit("1")
    house.visit("2", ended=NOW - 30 * DAY)
    house.send(document("d1", "p1", "1"))
    house.follow()
    house.analysed.clear()
    chart = house.chart("1")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id FROM record_resource WHERE type = %s", [record.TYPE_ID["DocumentReference"]]
        )
        (id,) = cursor.fetchone()
    patients = (chart.patient,)
    record.move_to_encounter(
        SATO, patients, "DocumentReference", id, house.ids["2"], record.Reason("wrong-visit"), seen=""
    )
    house.follow()
    assert set(house.analysed) == {house.ids["1"], house.ids["2"]}
    house.analysed.clear()
    number = record.ask_to_retract(SATO, patients, "DocumentReference", id, record.Reason("duplicate"), seen="")
    record.confirm_correction(OBI, number)
    house.follow()
    assert house.ids["2"] in house.analysed


def test_a_repeat_of_the_news_changes_nothing(standing_house: House) -> None:
    house = standing_house
    house.visit("1", finding())
    house.follow()
    before = DeficiencyEvent.objects.count()
    analyse_charts([house.chart().encounter])
    assert DeficiencyEvent.objects.count() == before


def test_a_merge_of_persons_carries_their_charts(standing_house: House) -> None:
    house = standing_house
    house.visit("1", finding())
    house.visit("2", finding(), of="p22")
    one, other = house.chart("1"), house.chart("2")
    before = {each.id: each.person for each in completion.charts(SATO).rows}
    assert before[one.pk] != before[other.pk]
    person = identity.link(OBI, one.patient, other.patient, "One person: the same card.")
    after = completion.charts(SATO).rows
    assert {each.person for each in after} == {person}
    assert {each.id: each.open for each in after} == {one.pk: 1, other.pk: 1}


def test_a_split_takes_the_chart_where_its_encounter_goes(standing_house: House) -> None:
    house = standing_house
    house.visit("1", finding())
    house.visit("2", of="p2")
    one, other = house.chart("1"), house.chart("2")
    with transaction.atomic(), connection.cursor() as cursor:
        names = record.public_ids("Patient", [one.patient, other.patient])
        giver, taker = ((each.patient, names[each.patient]) for each in (one, other))
        record.reassign_resources(cursor, [("Encounter", house.ids["1"])], giver, taker, wall())
    assert house.chart("1").patient == other.patient
    persons = {each.id: each.person for each in completion.charts(SATO).rows}
    assert persons == {one.pk: identity.persons_of([other.patient])[other.patient]}


def test_two_technicians_and_a_physician_never_lose_each_others_work(standing_house: House) -> None:
    house = standing_house
    chart = house.visit("1", finding("hp"), finding("op"), finding("ds"))
    assert chart is not None
    hp, op = house.deficiency("hp"), house.deficiency("op")
    lack = completion.Lack("consent", "", "The form is not filled in.", owed_by=CHEN)
    outcomes = together(
        [
            lambda: completion.waive_deficiency(SATO, hp.pk, version=1, reason="on-paper"),
            lambda: completion.assign_deficiency(VALE, hp.pk, CHEN, version=1),
            lambda: completion.dispute_deficiency(DR_NOVAK, hp.pk, version=1, reason="colleague"),
            lambda: completion.waive_deficiency(VALE, op.pk, version=1, reason="policy"),
            lambda: completion.add_deficiency(SATO, chart.pk, lack),
            lambda: analyse_charts([chart.encounter]),
        ]
    )
    # Of three on one deficiency the first is done and the others are told; what is of others is all done.
    assert outcomes == {"done": 4, "ChangedMeanwhile": 2}
    assert house.chart().open == Deficiency.objects.filter(chart=chart, state__in=["open", "proposed"]).count()
    people = ["waived", "reassigned", "disputed", "added"]
    assert DeficiencyEvent.objects.filter(chart=chart, what__in=people).count() == 3


def test_two_analyses_at_once_make_one_chart(standing_house: House) -> None:
    house = standing_house
    assert house.visit("1", ended=None) is None
    row = house.facts[house.ids["1"]].row
    house.lacks("1", finding())
    assert together([lambda: analyse_charts([row])] * 4) == {"done": 4}
    assert Chart.objects.count() == 1 and Deficiency.objects.count() == 1


def test_two_who_approve_at_once_close_it_once(standing_house: House) -> None:
    house = standing_house
    chart = house.visit("1", finding())
    assert chart is not None
    kept = completion.ask_to_close(SATO, chart.pk, [house.deficiency().pk], "He left.", version=chart.version)
    outcomes = together([lambda: completion.approve_closure(OBI, kept.pk, "March")] * 3)
    assert outcomes == {"done": 1, "CompletionError": 2}
    assert DeficiencyEvent.objects.filter(what="administratively-closed").count() == 1


def test_rules_are_kept_by_version_and_a_change_says_what_it_changed(standing_house: House) -> None:
    house = standing_house
    house.visit("1", finding())
    assert list(AdoptedRules.objects.values_list("version", "by")) == [(1, "system:completion")]
    told = told_by_packs()
    same = completion.adopt_rules(OBI, told, "Again")
    assert (same.version, same.same, same.new, same.gone) == (1, True, (), ())
    without = {kind: rules[1:] for kind, rules in told.items()}
    house.lacks("1")
    changed = completion.adopt_rules(OBI, without, "The committee decided so.")
    assert (changed.version, changed.same) == (2, False)
    assert changed.gone == (told["hospital"][0]["code"],)
    assert changed.analysed.turns == {"closed": 1}
    assert DeficiencyEvent.objects.get(what="closed").why == "Rules of version 2."
    with pytest.raises(completion.CompletionError, match="why"):
        completion.adopt_rules(OBI, told, " ")


def test_the_real_rules_find_what_a_stay_lacks(committed_db: str, monkeypatch: Any) -> None:
    """Without the double: an inpatient stay without any document lacks its discharge summary at least."""
    house = House()
    from charthouse.foundation.clock import frozen

    with frozen(NOW):
        period = {"start": (NOW - 12 * DAY).isoformat(), "end": (NOW - 9 * DAY).isoformat()}
        from .desk_house import encounter, patient

        house.send(patient("p1"), encounter("1", "p1", period))
        house.follow()
        kinds = set(Deficiency.objects.values_list("kind", flat=True))
    assert {"history-and-physical", "discharge-summary"} <= kinds


def test_of_two_who_adopt_at_once_the_second_is_told(standing_house: House) -> None:
    standing_house.visit("1", finding())
    every = tuple(completion.rules_adopted(OBI).rules[0].ways[0].kinds)
    over = completion.Over(completion.Which.UNDONE)
    trials = []
    for code in ("completion.consent", "completion.authentication"):
        trial = completion.try_rules(OBI, completion.Recipe(completion.Way.OFF, code=code, kinds=every), over)
        completion.run_trial(trial)
        trials.append((trial, RuleTrial.objects.get(pk=trial).digest))
    before = AdoptedRules.objects.count()
    outcomes = together(
        [
            lambda trial=trial, digest=digest: completion.adopt_tried(OBI, trial, digest, "At once")
            for trial, digest in (*trials, *trials)
        ]
    )
    assert outcomes == {"done": 1, "ChangedMeanwhile": 3}
    assert AdoptedRules.objects.count() == before + 1
