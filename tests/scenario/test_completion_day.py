"""A day of completion, and what becomes of it: forty charts arrive, a technician analyses them by keyboard, three
physicians finish what they owe, one of them only when suspended. All of it stands in each chart's history and in
the ledger, which is whole.

The application, the MLLP listener and the mail server are real and in threads of the test, which moves the business
clock; what the workers do by themselves is done when the story comes to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from charthouse.completion import api as completion
from charthouse.completion.api import ChartState
from charthouse.configuration import configuration
from charthouse.fhir.api import NewClient, add_token
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.events import api as events
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.outbox import api as outbox
from charthouse.intake.actions.file_waiting import file_waiting
from charthouse.people import api as people
from charthouse.teaching.api import sending
from tests.support.browsers import launched
from tests.support.listeners import listening
from tests.support.post_office import PostOffice, open_office
from tests.support.screens import assert_no_axe_violations, press
from tests.support.served import serving
from tests.support.threads import beside

from .discharges import CHEN, MENDEZ, NOVAK, Visit, by_fhir, by_hl7, forty
from .living import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SYSTEM = system_context("test")
AUDITOR = AccessContext("user:999", "The test", frozenset({Role.AUDITOR}))
PASSWORD = "tidepool-Lantern-quarry-58"
TELEPHONE = (390, 844)
DAY = timedelta(days=1)


@dataclass
class Department:
    """The site as ``Person`` knows one, what came in, and the mail server."""

    address: str
    mllp: int
    office: PostOffice
    began: datetime
    visits: list[Visit]
    browser: Any
    passwords: dict[str, str]

    def person(self, name: str, size: tuple[int, int] = (1440, 900)) -> Person:
        return Person(self, self.browser, name, size)

    def works(self) -> None:
        """What the workers do by themselves, until nothing is left to do."""
        assert beside(_work)

    def later(self, days: int) -> None:
        """So many days after the morning, with what the clock alone changes done."""
        clock.freeze(self.began + days * DAY)
        assert beside(lambda: completion.age_charts() >= 0)
        self.works()

    def charts(self, state: ChartState | None = None) -> list[Any]:
        states = (state,) if state else tuple(ChartState)
        return list(
            beside(lambda: completion.charts(SYSTEM, completion.ChartFilters(states=states), limit=200).rows)
        )

    def entries(self, action: str, actor: str = "") -> int:
        """How often this stands in the ledger, of one person where one is named."""
        who = ledger.Filters(action=action, actor=actor)
        return len(beside(lambda: ledger.entries(AUDITOR, who, limit=500)).lines)


def _work() -> bool:
    while file_waiting():
        pass
    # What one consumer does is news to another.
    while sum(events.drain(each) for each in events.registered()):
        pass
    jobs.run_worker(wait=False)
    outbox.send_due()
    while sum(events.drain(each) for each in events.registered()):
        pass
    return True


@pytest.fixture
def department(committed_db: str, browser_path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Department]:
    began = datetime.now(UTC).replace(microsecond=0)
    office = PostOffice()
    jobs.declare_all()
    with listening() as mllp, open_office(office) as mail, serving() as address, clock.frozen(began):
        server = {"host": "127.0.0.1", "port": mail, "security": "none", "sender": "him@vale.example"}
        monkeypatch.setitem(configuration().extra, "smtp", server)
        monkeypatch.setitem(configuration().extra, "require_totp", False)
        passwords = _staff()
        # Opened last and closed first: while it is open, Django refuses the database in this thread.
        with launched(browser_path) as browser:
            yield Department(address, mllp, office, began, forty(began), browser, passwords)


def _staff() -> dict[str, str]:
    """The house with its people, whose passwords it answers; the physicians are in no directory before their charts
    come."""
    people.set_up_places(
        organization="Vale",
        time_zone="America/Chicago",
        facilities=[people.FacilityDraft("VALE", "Vale General", "hospital", "America/Chicago")],
        mrn_assigner=people.MrnAssignerDraft("urn:vale:mrn"),
    )
    everybody = (
        ("hana", "Hana Tan", Role.HIT),
        ("maya", "Maya Bright", Role.MANAGER),
        ("novak", "Novak, Bela", Role.PHYSICIAN),
        ("chen", "Chen, Lin", Role.PHYSICIAN),
        ("mendez", "Mendez, Rosa", Role.PHYSICIAN),
    )
    for name, shown, role in everybody:
        people.add_account(
            SYSTEM, username=name, display_name=shown, email=f"{name}@vale.example", roles=[role],
            password=PASSWORD, temporary=False, require_totp=False,
        )  # fmt: skip
    return {name: PASSWORD for name, _, _ in everybody}


def test_forty_charts_are_completed_and_one_practitioner_is_suspended_on_the_way(department: Department) -> None:
    forty_charts_arrive(department)
    the_technician_clears_the_analysis(department)
    the_first_physician_finishes_at_the_desk(department)
    what_is_not_his_is_given_to_another(department)
    the_second_finishes_on_a_telephone(department)
    manager = department.person("maya")
    the_third_becomes_delinquent_and_gets_letters(department, manager)
    the_rate_opens_to_the_names(department, manager)
    the_third_is_suspended(department, manager)
    the_third_completes_and_is_cleared(department, manager)
    every_chart_tells_its_history(department)
    everything_stands_in_the_ledger(department)


def forty_charts_arrive(department: Department) -> None:
    said: list[int] = []
    there, elsewhere = ([each for each in department.visits if each.by_fhir is by] for by in (False, True))
    sending.by_mllp(by_hl7(there), "127.0.0.1", department.mllp, said.append)
    assert sum(said) == len(by_hl7(there))
    token = beside(lambda: add_token(SYSTEM, NewClient("The other house", "system/*.cruds")))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    answer = requests.post(f"{department.address}/fhir", json=by_fhir(elsewhere), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    department.works()
    for doctor in (NOVAK, CHEN, MENDEZ):
        assert beside(lambda who=doctor.family: _be_practitioner(who))
    charts = department.charts()
    assert len(charts) == 40
    lacking = {each.patient.partition(",")[0] for each in charts if each.state is not ChartState.COMPLETE}
    expected = {
        each.family for each in department.visits if each.number in {1, 2, 3, 4, 17, 18, 19, 20, 24, 25, 26, 37}
    }
    assert lacking == expected


def _be_practitioner(family: str) -> bool:
    """Whom both houses name is one practitioner, and the account is theirs."""
    entry, *others = people.find_practitioners(SYSTEM, family)
    for other in others:
        people.merge_practitioners(SYSTEM, entry.id, other.id, "He works in both houses.")
    people.link_practitioner(SYSTEM, people.User.objects.get(username=family.lower()).pk, entry.id)
    return True


def the_technician_clears_the_analysis(department: Department) -> None:
    hana = department.person("hana")
    page = hana.page
    page.keyboard.press("g")
    page.keyboard.press("Shift+I")
    hana.looks("Incomplete charts")
    press(page, "n")
    hana.looks("Chart analysis")
    done = waived = 0
    while True:
        checklist = page.get_by_label("Checklist")
        if "consent" in checklist.inner_text().lower():
            press(page, "W")
            page.get_by_label("Reason").select_option("on-paper")
            page.get_by_role("button", name="Waive").last.click()
            page.get_by_text("Waived; it stays readable below.").wait_for()
            waived += 1
        elif checklist.get_by_role("button", name="Confirm").count():
            press(page, "Y")
            page.get_by_text("Confirmed.").wait_for()
        here = page.url
        press(page, "D")
        done += 1
        if done == 40:
            break
        page.wait_for_url(lambda url, before=here: url != before)
    page.get_by_text("No other chart waits").wait_for()
    assert waived == 1
    hana.leaves()
    assert len([each for each in department.charts() if each.reviewer == "Hana Tan"]) == 40


def _opens_and_ticks(page: Any, count: int) -> None:
    links = page.get_by_role("link", name=re.compile("^The .* is not signed"))
    expect(links).to_have_count(count)
    for at in range(count):
        links.nth(at).click()
        page.get_by_label("I read it and sign it").nth(at).wait_for()
    expect(page.get_by_text("went home well")).to_have_count(count)


def _signs(page: Any, count: int) -> None:
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Sign what is ticked").click()
    page.get_by_text(f"{count} documents signed, each as you saw it.").wait_for()


def _goes_to_what_is_owed(person: Person) -> Any:
    person.page.goto(f"{person.site.address}/owed/")
    return person.looks("What I owe")


def the_first_physician_finishes_at_the_desk(department: Department) -> None:
    novak = department.person("novak")
    page = novak.page
    novak.goes("Shift+O", "What I owe")
    expect(page.locator("main")).to_contain_text("5 in 5 charts", use_inner_text=True)
    _opens_and_ticks(page, 3)
    assert_no_axe_violations(page)
    _signs(page, 3)
    department.works()
    _goes_to_what_is_owed(novak)
    page.get_by_role("link", name="Not mine").last.click()
    novak.looks("Not mine")
    page.get_by_label("Why it is not yours").select_option("colleague")
    page.get_by_label("In words").fill("Dr. Chen discharged the patient.")
    page.get_by_role("button", name="Not mine").click()
    page.get_by_text("The department looks whose it is").wait_for()
    novak.looks("What I owe")
    _writes_the_summary(novak)
    department.works()
    _goes_to_what_is_owed(novak)
    page.get_by_text("You owe nothing").wait_for()
    novak.leaves()


def _writes_the_summary(person: Person) -> None:
    """From the list: the kind, the encounter and the signature are filled in, and the list comes back."""
    page = person.page
    page.get_by_role("link", name="Write it").first.click()
    person.looks("Write a note")
    assert page.get_by_label("Kind of note").input_value() == "18842-5"
    assert page.get_by_label("Encounter").input_value()
    assert page.get_by_label("Sign it at once").is_checked()
    page.get_by_role("textbox", name="Text").and_(page.locator(":focus")).wait_for()
    page.keyboard.insert_text("Came with pain, was operated on nothing, went home well on the third day.")
    secret = page.get_by_label("Your password")
    if secret.count():
        secret.fill(PASSWORD)
    page.get_by_role("button", name="File the note").click()
    page.get_by_text("Filed and signed.").wait_for()
    person.looks("What I owe")


def what_is_not_his_is_given_to_another(department: Department) -> None:
    hana = department.person("hana")
    page = hana.page
    page.goto(f"{department.address}/queues/completion.without-name/")
    hana.looks("Deficiencies without a name")
    press(page, "n")
    hana.looks("Chart analysis")
    expect(page.get_by_label("Checklist")).to_contain_text("Said not to be theirs", use_inner_text=True)
    press(page, "A")
    page.get_by_label("Or by name or NPI").fill("Chen")
    page.get_by_role("button", name="Assign").last.click()
    page.get_by_text("Assigned").first.wait_for()
    hana.looks("Chart analysis")
    hana.leaves()
    department.works()


def the_second_finishes_on_a_telephone(department: Department) -> None:
    chen = department.person("chen", TELEPHONE)
    page = chen.page
    _goes_to_what_is_owed(chen)
    expect(page.locator("main")).to_contain_text("5 in 5 charts", use_inner_text=True)
    page.get_by_role("link", name="Addendum").first.click()
    chen.looks("Addendum")
    page.get_by_role("textbox", name="Text").fill("The mesh was of the size that the consent names.")
    page.get_by_label("Reason").select_option(index=1)
    page.get_by_label("Sign it at once").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="File the addendum").click()
    page.get_by_text("Addendum filed and signed. It stands with the document.").wait_for()
    chen.looks("What I owe")
    department.works()
    _goes_to_what_is_owed(chen)
    _writes_the_summary(chen)
    _opens_and_ticks(page, 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE[0]
    page.get_by_role("button", name="Sign what is ticked").click()
    page.get_by_text("4 documents signed, each as you saw it.").wait_for()
    department.works()
    _goes_to_what_is_owed(chen)
    page.get_by_text("You owe nothing").wait_for()
    chen.leaves()
    assert len(department.charts(ChartState.COMPLETE)) == 38


def the_third_becomes_delinquent_and_gets_letters(department: Department, manager: Person) -> None:
    department.later(20)
    assert not department.charts(ChartState.DELINQUENT)
    hana = department.person("hana")
    department.later(30)
    assert len(department.charts(ChartState.DELINQUENT)) == 2
    _makes_letters(department, hana, "2", "Delinquency")
    department.later(38)
    _makes_letters(department, hana, "3", "Suspension warning")
    hana.leaves()
    assert [each["To"] for each in department.office.mails] == ["mendez@vale.example"] * 2
    for mail in department.office.mails:
        text = f"{mail['Subject']}\n{mail.get_content()}"
        assert re.search("2 (delinquent )?charts", text), text
        private = [word for each in department.visits for word in (each.family, each.given, each.mrn)]
        assert [word for word in private if word in text] == []
    page = manager.page
    page.goto(f"{department.address}/letters/")
    manager.looks("Letters to practitioners")
    expect(page.locator("tbody").get_by_text("Sent")).to_have_count(2)


def _makes_letters(department: Department, hana: Person, key: str, title: str) -> None:
    page = hana.page
    page.goto(f"{department.address}/letters/make")
    hana.looks("Make letters")
    press(page, key)
    page.get_by_role("heading", name=title).wait_for()
    page.get_by_text("1 practitioner would get one now.").wait_for()
    press(page, "s")
    page.get_by_text("The letters wait for the worker.").wait_for()
    department.works()
    page.get_by_role("link", name="Mendez").first.wait_for()
    # Asked for again, nobody gets a second.
    page.goto(f"{department.address}/letters/make")
    press(page, key)
    page.get_by_role("heading", name=title).wait_for()
    page.get_by_text("0 practitioners would get one now; 1 had theirs in this period.").wait_for()


def the_rate_opens_to_the_names(department: Department, manager: Person) -> None:
    page = manager.page
    page.goto(f"{department.address}/incomplete/board")
    manager.looks("Completion of charts")
    told = page.locator("main").inner_text()
    # Two of forty discharges in twelve months.
    assert "60.0 %" in told and "3.3 discharges a month" in told and "above 50 %" in told
    page.get_by_role("link", name="2 delinquent", exact=True).click()
    manager.looks("Incomplete charts")
    named = page.locator("tbody").inner_text()
    owed = [each for each in department.visits if each.number in {25, 26}]
    assert [each.family for each in owed if each.family not in named] == []
    page.goto(f"{department.address}/incomplete/board")
    page.get_by_role("link", name="Mendez").first.click()
    page.get_by_role("heading", level=1, name="Mendez").wait_for()
    assert_no_axe_violations(page)


def the_third_is_suspended(department: Department, manager: Person) -> None:
    department.later(47)
    page = manager.page
    manager.goes("Shift+S", "Suspension list")
    press(page, "u")
    page.get_by_role("link", name="Mendez").wait_for()
    press(page, "j")
    press(page, "Enter")
    page.get_by_role("heading", level=1, name="Mendez").wait_for()
    page.get_by_label("Note (who decided, where)").fill("The committee, this morning.")
    page.get_by_role("button", name="Suspend").click()
    page.get_by_text("Suspended", exact=True).first.wait_for()
    assert_no_axe_violations(page)


def the_third_completes_and_is_cleared(department: Department, manager: Person) -> None:
    mendez = department.person("mendez")
    page = _goes_to_what_is_owed(mendez)
    expect(page.locator("main")).to_contain_text("2 overdue", use_inner_text=True)
    _opens_and_ticks(page, 2)
    _signs(page, 2)
    department.works()
    mendez.leaves()
    manager.page.goto(f"{department.address}/suspensions/")
    manager.looks("Suspension list")
    manager.page.get_by_text("Nobody is on the list").wait_for()
    press(manager.page, "h")
    manager.page.get_by_role("link", name="Mendez").first.click()
    manager.page.get_by_role("heading", level=1, name="Mendez").wait_for()
    manager.page.get_by_text("Nothing delinquent is left.").first.wait_for()
    manager.page.goto(f"{department.address}/incomplete/board")
    manager.looks("Completion of charts")
    expect(manager.page.locator("main")).to_contain_text("0.0 %", use_inner_text=True)
    manager.leaves()
    assert len(department.charts(ChartState.COMPLETE)) == 40


def every_chart_tells_its_history(department: Department) -> None:
    by_name = {each.patient.partition(",")[0]: each.id for each in department.charts()}
    numbers = {each.number: by_name[each.family] for each in department.visits}
    told = beside(
        lambda: {n: [each.what for each in completion.history(SYSTEM, id)][::-1] for n, id in numbers.items()}
    )
    assert all("reviewed" in each for each in told.values())
    assert all({"opened", "confirmed", "closed"} <= set(told[number]) for number in (1, 2, 3, 17, 25, 26, 37))
    assert {"disputed", "reassigned", "closed"} <= set(told[4])
    assert "waived" in told[24]
    assert "delinquent" in told[25] and "complete" in told[25]


def everything_stands_in_the_ledger(department: Department) -> None:
    actors = beside(lambda: {each.username: each.actor for each in people.User.objects.all()})
    for who, action, often in (
        ("hana", "completion.review-chart", 40),
        ("hana", "completion.confirm-deficiency", 11),
        ("hana", "completion.waive-deficiency", 1),
        ("hana", "completion.assign-deficiency", 1),
        ("hana", "completion.ask-for-letters", 2),
        ("novak", "completion.dispute-deficiency", 1),
        ("novak", "record.sign-document", 4),
        ("chen", "record.sign-document", 6),
        ("mendez", "record.sign-document", 2),
        ("", "completion.make-letter", 2),
        ("", "completion.chart-delinquent", 2),
        ("maya", "completion.suspension", 1),
        ("", "completion.suspension", 3),
    ):
        assert department.entries(action, actors.get(who, "")) == often, (who, action)
    report = beside(lambda: (ledger.seal_all(), ledger.verify())[1])
    assert report.is_whole, report
