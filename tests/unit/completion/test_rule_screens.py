"""Rules on the screen: read, tried over charts, adopted with the charts analysed again; what is wrong is told."""

from __future__ import annotations

import re
import threading
import time
from html import escape
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from charthouse.completion import api as completion
from charthouse.completion.actions import adopt_tried
from charthouse.completion.actions.adopt_tried import analyse_by_adopted
from charthouse.completion.domain.rule_recipes import Way
from charthouse.completion.models import AdoptedRules, Chart, Deficiency
from charthouse.completion.rule_models import RuleTrial
from charthouse.completion.rule_recipes import Recipe
from charthouse.completion.rule_scopes import Over, Which
from charthouse.foundation.access.api import Role
from charthouse.foundation.clock import frozen
from charthouse.foundation.jobs import engine
from charthouse.foundation.jobs.api import JobState, run_worker
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from tests.support.readers import said

from .desk_house import NOW
from .visits import MANAGER, SYSTEM, coded, document, encounter, patient, send

SUMMARY, HISTORY = "completion.discharge-summary", "completion.history-and-physical"
#: A rule of a site's own: whoever stays leaves with a nursing note.
OWN = """\
pack: completion.site
title: Rules of this site
rules:
  - code: completion.nursing-at-discharge
    title: Nursing note at discharge
    text: A nursing note is written when somebody leaves.
    authority: Committee
    citation: Minutes of March
    force: convention
    effective: 2026-01-01
    parameters:
      soon: {value: 24, unit: h}
    demand:
      kind: nursing-at-discharge
      for: [inpatient]
      when: [ended]
      accept:
        - pieces: [nursing-note]
          until: [discharge + soon]
      owed_by: [attending-at-discharge]
"""


def two_stays() -> None:
    """Two stays that were analysed: one with nothing in it, one with a discharge summary."""
    doctor = {"reference": "Practitioner/dr", "display": "Ada Quill"}
    part = [{"type": [{"coding": [{"code": "ATND"}]}], "individual": doctor}]
    send(
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Quill", "given": ["Ada"]}]},
        patient(), encounter(participant=part),
        patient("p2", "Lark"), encounter("e2", of="p2", participant=part),
        document("s", coded("18842-5"), of="p2", visit="e2", author=[doctor], at="2026-03-05T16:00:00Z"),
    )  # fmt: skip
    completion.analyse_charts([facts.row for some in completion.all_encounters(SYSTEM) for facts in some])


@pytest.fixture
def browser(db: None) -> Any:
    """A manager, before the two stays."""
    with frozen(NOW):
        two_stays()
        made = people.add_account(
            SYSTEM, username="obi", display_name="K. Obi", roles=[Role.MANAGER], require_totp=False
        )
        yield sign_in(people.User.objects.get(pk=made.id))


def trial_of(answer: Any) -> UUID:
    """The trial that a form began, done."""
    assert answer.status_code == 302, said(answer)
    found = re.fullmatch(r"/chart-rules/trials/([0-9a-f-]+)", answer["Location"])
    assert found
    completion.run_trial(UUID(found.group(1)))
    return UUID(found.group(1))


def change(browser: Client, code: str, act: str, **typed: str) -> Any:
    every = "hospital,critical-access-hospital,clinic,ambulatory-surgery-center,long-term-care,laboratory"
    return browser.post(f"/chart-rules/{code}/change", {"act": act, "kinds": every, "which": "all", **typed})


def adopt(browser: Client, trial: UUID, **more: str) -> Any:
    digest = RuleTrial.objects.get(pk=trial).digest
    return browser.post(
        f"/chart-rules/trials/{trial}/adopt", {"digest": digest, "note": "Committee of March", **more}
    )


def newest() -> int:
    """The version in force; their numbers go on from test to test."""
    return int(AdoptedRules.objects.latest("version").version)


def states(kind: str) -> list[str]:
    return sorted(Deficiency.objects.filter(kind=kind).values_list("state", flat=True))


def test_the_rules_are_read_by_everybody_and_changed_by_a_manager(browser: Client) -> None:
    page = said(browser.get("/chart-rules/"))
    assert f"version {newest()} is in force" in page and "Discharge summary" in page and "Complete 30 days" in page
    one = said(browser.get(f"/chart-rules/{SUMMARY}"))
    assert "Discharge summary, written until 30 days after discharge." in one
    assert "42 CFR 482.24(c)(4)(vii)" in one and "At critical access hospital" in one
    made = people.add_account(
        SYSTEM, username="cod", display_name="C. Oder", roles=[Role.CODER], require_totp=False
    )
    coder = sign_in(people.User.objects.get(pk=made.id))
    read = coder.get(f"/chart-rules/{SUMMARY}")
    assert (
        read.status_code == 200
        and "Try" not in said(read)
        and "<form" not in read.content.decode().split("<main")[1]
    )
    assert coder.get(f"/chart-rules/versions/{newest()}").status_code == 200
    assert change(coder, SUMMARY, "off").status_code == 403 and coder.get("/chart-rules/try").status_code == 403


def test_a_number_is_tried_adopted_and_the_charts_follow(browser: Client) -> None:
    before, first = Deficiency.objects.get(kind="discharge-summary"), newest()
    trial = trial_of(change(browser, SUMMARY, "numbers", **{"number-complete": "7", "number-short": "48"}))
    page = said(browser.get(f"/chart-rules/trials/{trial}"))
    assert "In 1 of 2 charts it would open 0, close 0 and change 1." in page
    assert "Complete: 30 days → 7 days" in page and "There is no discharge summary." in page
    charts = browser.get(f"/chart-rules/trials/{trial}/charts/0")
    assert "Marsh" in said(charts) and f"/incomplete/{before.chart_id}" in charts.content.decode()
    due = before.due
    before.refresh_from_db()
    assert before.due == due, "Nothing changes before it is adopted."
    done = adopt(browser, trial)
    assert done.status_code == 302 and newest() > first
    analyse_by_adopted(trial)
    page = said(browser.get(f"/chart-rules/trials/{trial}"))
    assert f"Rules of version {newest()}" in page
    assert RuleTrial.objects.get(pk=trial).analysed["turns"] == {"updated": 1}
    before.refresh_from_db()
    assert before.due and (before.due.month, before.due.day) == (3, 12)
    version = said(browser.get(f"/chart-rules/versions/{newest()}"))
    assert "K. Obi" in version and "Committee of March" in version and "30 days → 7 days" in version
    acts = [line.action for line in entries(SYSTEM, Filters()).lines]
    assert "completion.try-rules" in acts and "completion.adopt-rules" in acts


@pytest.mark.parametrize("typed", ["", "soon", "-1", "1.5", "9999999", "99999", "\u0663"])
def test_a_number_that_is_none_is_told_beside_its_field(browser: Client, typed: str) -> None:
    answer = change(browser, SUMMARY, "numbers", **{"number-complete": typed})
    assert answer.status_code == 422 and not RuleTrial.objects.exists()
    assert f'value="{typed}"' in answer.content.decode()


def test_the_numbers_in_force_are_nothing_to_try(browser: Client) -> None:
    assert "Nothing was changed" in said(change(browser, SUMMARY, "numbers", **{"number-complete": "30"}))


def test_a_rule_is_switched_off_and_on_again(browser: Client) -> None:
    assert states("discharge-summary") == ["open"]
    trial = trial_of(change(browser, SUMMARY, "off"))
    assert "close 1" in said(browser.get(f"/chart-rules/trials/{trial}"))
    adopt(browser, trial)
    analyse_by_adopted(trial)
    assert states("discharge-summary") == ["closed"]
    listed = said(browser.get("/chart-rules/"))
    assert "Switched off" in listed and "What differs from the rules as they are shipped" in listed
    assert "switched off there already" in said(change(browser, SUMMARY, "off"))
    on = trial_of(change(browser, SUMMARY, "on"))
    assert "open 1" in said(browser.get(f"/chart-rules/trials/{on}"))
    adopt(browser, on)
    analyse_by_adopted(on)
    assert states("discharge-summary") == ["open"]
    assert "Gone" in said(browser.get(f"/chart-rules/{SUMMARY}")), "What became of the rule is told."


def test_a_pack_is_pasted_or_uploaded_laid_over_what_is_in_force(browser: Client) -> None:
    off = trial_of(change(browser, SUMMARY, "off"))
    adopt(browser, off)
    trial = trial_of(browser.post("/chart-rules/try", {"text": OWN, "laid": "in-force", "which": "all"}))
    page = said(browser.get(f"/chart-rules/trials/{trial}"))
    assert "open 2" in page and "There is no nursing note." in page
    content = RuleTrial.objects.get(pk=trial).content
    codes = {each["code"] for each in content["hospital"]}
    assert SUMMARY not in codes and "completion.nursing-at-discharge" in codes
    file = SimpleUploadedFile("rules.yaml", OWN.encode())
    same = trial_of(
        browser.post("/chart-rules/try", {"text": "old", "file": file, "laid": "shipped", "which": "all"})
    )
    assert SUMMARY in {each["code"] for each in RuleTrial.objects.get(pk=same).content["hospital"]}
    adopt(browser, trial)
    own = said(browser.get("/chart-rules/completion.nursing-at-discharge"))
    assert "Minutes of March" in own and "This site’s own" in own


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Nothing is written"),
        ("pack: [", "is not readable YAML"),
        ("[" * 90_000, "deep"),
        ("x" * 200_001, "200,000 are the most"),
        ("a: &a 1\nb: *a", "line 2: * refers to another place"),
        (OWN.replace("discharge + soon", "discharge + later"), "Line 4"),
        (OWN.replace("discharge + soon", "discharge + later"), "the rule has no parameter later"),
        (OWN.replace("value: 24", "value: 9999999999999"), "a hundred years are the most"),
        (OWN.replace("value: 24", "value: 99999999999999999999999"), "neither a word, a number nor a list"),
        (OWN.replace("[nursing-note]", "[[nursing-note]]"), "is no piece of a chart"),
        (OWN.replace("[ended]", "[2026-01-01]"), "is not understood"),
        (OWN.replace("citation: Minutes of March", 'citation: "Minutes\\0"'), "cannot be kept"),
        (OWN.replace("code: completion.", "code: people."), "it must be lower-case words beginning with"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_pack_stands_beside_its_text(browser: Client, text: str, says: str) -> None:
    answer = browser.post("/chart-rules/try", {"text": text, "laid": "in-force"})
    assert answer.status_code == 422 and says in said(answer), said(answer)[:3000]
    assert not RuleTrial.objects.exists()
    assert escape(text[:40]) in answer.content.decode()


def test_rules_adopted_meanwhile_are_told_and_tried_again(browser: Client) -> None:
    mine = trial_of(change(browser, SUMMARY, "numbers", **{"number-complete": "7"}))
    theirs = trial_of(change(browser, "completion.consent", "off"))
    assert adopt(browser, theirs).status_code == 302
    stale = browser.get(f"/chart-rules/trials/{mine}")
    assert (
        f"Version {newest()} was adopted since" in said(stale)
        and 'data-opens="adopt"' not in stale.content.decode()
    )
    refused = adopt(browser, mine)
    assert refused.status_code == 422 and f"K. Obi adopted version {newest()} since" in said(refused)
    assert AdoptedRules.objects.count() == 2
    again = trial_of(browser.post(f"/chart-rules/trials/{mine}/again"))
    content = RuleTrial.objects.get(pk=again).content["hospital"]
    assert "completion.consent" not in {each["code"] for each in content}, "It lies over what is in force now."
    assert adopt(browser, again).status_code == 302
    assert adopt(browser, again).status_code == 422, "Adopted once."


def test_only_what_was_shown_is_adopted(browser: Client) -> None:
    trial = trial_of(change(browser, SUMMARY, "off"))
    other = browser.post(f"/chart-rules/trials/{trial}/adopt", {"digest": "0" * 64, "note": "x"})
    assert other.status_code == 422 and "not the rules that were shown" in said(other)
    without = adopt(browser, trial, note=" ")
    assert without.status_code == 422 and "Say why" in said(without)
    waits = UUID(change(browser, "completion.consent", "off")["Location"].rpartition("/")[2])
    early = adopt(browser, waits)
    assert early.status_code == 422 and "being tried still" in said(early)
    assert AdoptedRules.objects.count() == 1


def test_going_back_to_a_version_is_a_version_of_its_own(browser: Client) -> None:
    first = newest()
    adopt(browser, trial_of(change(browser, SUMMARY, "off")))
    adopt(browser, trial_of(browser.post(f"/chart-rules/versions/{first}/back", {"which": "undone"})))
    digests = list(AdoptedRules.objects.order_by("version").values_list("digest", flat=True))
    assert len(digests) == 3 and digests[0] == digests[2] != digests[1]
    assert "These are the rules in force" in said(browser.post("/chart-rules/versions/0/back", follow=True))


def test_what_people_decided_is_not_counted_to_open_or_close(browser: Client) -> None:
    lack = Deficiency.objects.get(kind="discharge-summary")
    completion.waive_deficiency(MANAGER, lack.pk, version=lack.version, reason="policy")
    trial = trial_of(change(browser, SUMMARY, "off"))
    assert "Nothing would open, close or change in 2 charts." in said(browser.get(f"/chart-rules/trials/{trial}"))


def test_a_month_and_what_is_not_complete_narrow_the_charts(browser: Client) -> None:
    def looked_at(**over: str) -> int:
        trial = trial_of(change(browser, "completion.consent", "off", **over))
        return int(RuleTrial.objects.get(pk=trial).result["looked_at"])

    assert looked_at(which="month", month="2026-03-01") == 2
    assert looked_at(which="month", month="2026-02-01") == 0
    assert looked_at(which="undone") == Chart.objects.filter(state__in=["incomplete", "delinquent"]).count()
    assert looked_at(which="all", facility="99") == 0


def test_a_chart_that_changed_since_is_said(browser: Client) -> None:
    trial = trial_of(change(browser, SUMMARY, "off"))
    lack = Deficiency.objects.get(kind="discharge-summary")
    completion.waive_deficiency(MANAGER, lack.pk, version=lack.version, reason="policy")
    assert "In 1 of these charts it is so no more" in said(browser.get(f"/chart-rules/trials/{trial}/charts/0"))
    assert browser.get(f"/chart-rules/trials/{trial}/charts/9").status_code == 404


def test_an_analysis_that_is_broken_off_goes_on_and_counts_nothing_twice(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(change(browser, "completion.history-and-physical", "off"))
    assert "close 2" in said(browser.get(f"/chart-rules/trials/{trial}"))
    adopt(browser, trial)
    real, calls = adopt_tried.analyse_charts, [0]

    def breaks(rows: Any, why: str) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise RuntimeError("The worker is gone.")
        return real(rows, why)

    monkeypatch.setattr(adopt_tried, "_AT_ONCE", 1)
    monkeypatch.setattr(adopt_tried, "analyse_charts", breaks)
    with pytest.raises(RuntimeError):
        adopt_tried.analyse_by_adopted(trial)
    assert RuleTrial.objects.get(pk=trial).analysed["turns"] == {"closed": 1}
    done = adopt_tried.analyse_by_adopted(trial)
    assert done.turns == {"closed": 2} and done.charts == 2
    assert states("history-and-physical") == ["closed", "closed"]


def test_a_trial_is_stopped_and_an_analysis_goes_on(browser: Client) -> None:
    begun = change(browser, "completion.history-and-physical", "off")["Location"]
    assert f'action="{begun}/stop"' in browser.get(begun).content.decode()
    assert "HX-Refresh" not in browser.get(f"{begun}/progress").headers
    assert browser.post(f"{begun}/stop")["Location"] == begun
    page = browser.get(begun)
    assert "Stopped. Try again; nothing was changed." in said(page)
    assert f"{begun}/stop" not in page.content.decode()
    # A page that still waits asks for itself whole.
    assert browser.get(f"{begun}/progress")["HX-Refresh"] == "true"
    assert "It is over already" in said(browser.post(f"{begun}/stop", follow=True))
    trial = trial_of(browser.post(f"{begun}/again"))
    adopt(browser, trial)
    browser.post(f"/chart-rules/trials/{trial}/stop")
    page = said(browser.get(f"/chart-rules/trials/{trial}"))
    assert "Stopped after 0 charts." in page and "Go on" in page
    assert states("history-and-physical") == ["open", "open"]
    assert browser.post(f"/chart-rules/trials/{trial}/again").status_code == 302
    assert "waits for the worker" in said(browser.get(f"/chart-rules/trials/{trial}"))
    assert len(entries(SYSTEM, Filters(action="completion.stop-rules")).lines) == 2


def test_a_worker_that_is_at_it_stops_between_two_steps_and_the_rest_follows(
    committed_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.app.periodic_registry, "periodic_tasks", {})
    monkeypatch.setattr(adopt_tried, "_AT_ONCE", 1)
    real, begun, stopped = adopt_tried.analyse_charts, threading.Event(), threading.Event()

    def waits(rows: Any, why: str) -> Any:
        begun.set()
        assert stopped.wait(20)
        # The next step tells how far it is, and learns then that it is to stop.
        time.sleep(0.3)
        return real(rows, why)

    monkeypatch.setattr(adopt_tried, "analyse_charts", waits)
    with frozen(NOW):
        two_stays()
        trial = completion.try_rules(MANAGER, Recipe(Way.OFF, code=HISTORY, kinds=("hospital",)), Over(Which.ALL))
        completion.run_trial(trial)
        digest = RuleTrial.objects.get(pk=trial).digest
        completion.adopt_tried(MANAGER, trial, digest, "Committee of March")
        worker = threading.Thread(target=run_worker, kwargs={"wait": False})
        worker.start()
        assert begun.wait(20)
        completion.stop_trial(MANAGER, trial)
        stopped.set()
        worker.join(timeout=20)
        half = completion.rule_trial(MANAGER, trial)
        assert half is not None and half.analysing is not None
        assert half.analysing.state is JobState.CANCELLED, half.analysing.error
        assert not half.over
        assert half.analysed == 1 and states("history-and-physical") == ["closed", "open"]
        completion.go_on(MANAGER, trial)
        run_worker(wait=False)
        whole = completion.rule_trial(MANAGER, trial)
        assert whole is not None and whole.over and whole.analysed == 2 and whole.turns == {"closed": 2}
        assert states("history-and-physical") == ["closed", "closed"]


def test_an_analysis_that_ended_is_known_to_have_ended_when_its_job_is_cleared_away(browser: Client) -> None:
    trial = trial_of(change(browser, HISTORY, "off"))
    adopt(browser, trial)
    RuleTrial.objects.filter(pk=trial).update(analysing=987_654_321)
    assert "Broken off after 0 charts." in said(browser.get(f"/chart-rules/trials/{trial}"))
    analyse_by_adopted(trial)
    page = said(browser.get(f"/chart-rules/trials/{trial}"))
    assert "2 charts analysed." in page and "Broken off" not in page and "Go on" not in page


def test_a_job_stops_where_it_is_asked_to(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from charthouse.completion.actions import try_rules

    begun = change(browser, "completion.history-and-physical", "off")["Location"]
    trial = UUID(begun.rpartition("/")[2])

    class Asked(Exception):
        pass

    def tell(done: int, total: int) -> None:
        raise Asked

    with pytest.raises(Asked):
        try_rules.run_trial(trial, tell)
    assert RuleTrial.objects.get(pk=trial).finished_at is None


def test_others_stop_nothing(browser: Client) -> None:
    begun = change(browser, "completion.history-and-physical", "off")["Location"]
    made = people.add_account(
        SYSTEM, username="cod", display_name="C. Oder", roles=[Role.CODER], require_totp=False
    )
    coder = sign_in(people.User.objects.get(pk=made.id))
    assert coder.post(f"{begun}/stop").status_code == 403
    assert browser.post(f"{begun[:-1]}{'0' if begun[-1] != '0' else '1'}/stop").status_code == 404
