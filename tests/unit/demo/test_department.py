"""The demonstration's department has worked before today, by the actions of people and once."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from charthouse.completion import api as completion
from charthouse.completion.api import ChartFilters, ChartState, SuspensionState
from charthouse.configuration import Configuration, ConfigurationError, configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import Role, system_context
from charthouse.people import api as people
from charthouse.web.demo.department import Furnished, furnish
from charthouse.web.demo.post import open_post
from tests.unit.completion.visits import encounter, patient, send

SYSTEM = system_context("test")
#: Whose stays ended so many days ago, with nothing written; the last is of before.
STAYS = {"Abara": 80, "Brandt": 80, "Castellon": 80, "Drummond": 80, "Elsner": 80, "Feldspar": 300}


@pytest.fixture
def site(committed_db: str) -> Iterator[Configuration]:
    people.set_up_places(
        organization="Vale",
        time_zone="America/Chicago",
        facilities=[people.FacilityDraft("VALE", "Vale General", "hospital", "America/Chicago")],
        mrn_assigner=people.MrnAssignerDraft("urn:vale:mrn"),
    )
    for name, role in (("helen", Role.HIT), ("manuel", Role.MANAGER)):
        people.add_account(SYSTEM, username=name, display_name=name.title(), roles=[role], require_totp=False)
    for number, (family, days) in enumerate(STAYS.items()):
        ended = clock.now() - timedelta(days=days)
        period = {"start": (ended - timedelta(days=3)).isoformat(), "end": ended.isoformat()}
        doctor = {"reference": f"Practitioner/{family.lower()}", "display": family}
        attends = [{"type": [{"coding": [{"code": "ATND"}]}], "individual": doctor}]
        send(
            {"resourceType": "Practitioner", "id": family.lower(), "name": [{"family": family, "given": ["Ada"]}]},
            patient(f"p{number}", f"Quell{number}"),
            encounter(f"e{number}", of=f"p{number}", period=period, participant=attends),
        )
    # Its settings are those of the process, so that a mail server there is one for everybody.
    yield replace(configuration(), kind="demo")


def test_there_is_something_on_every_screen_of_completion(site: Configuration) -> None:
    assert furnish(site) == Furnished(closed=1, letters=10, listed=4)
    manager = people.context_for(people.User.objects.get(username="manuel"))
    states = [each.state for each in completion.letters(manager).lines]
    assert states.count("uncertain") == 1 and states.count("sent") == 7
    listed = [each.state for each in completion.listed_suspensions(manager)]
    assert listed == [SuspensionState.SUSPENDED, *[SuspensionState.PROPOSED] * 3]
    assert [each.state for each in completion.past_suspensions(manager)] == [SuspensionState.SPARED]
    asked = [completion.chart(manager, each.id) for each in completion.charts(manager).rows]
    assert len([each for each in asked if each and each.closure]) == 1
    closed = completion.charts(manager, ChartFilters(states=(ChartState.COMPLETE,))).rows
    assert [each.patient.partition(",")[0] for each in closed] == ["Quell5"]
    # Nothing of it is left behind, and nothing is done twice.
    assert "smtp" not in configuration().extra and not completion.mail_is_set_up()
    assert furnish(site) is None


def test_a_real_site_is_left_alone(site: Configuration) -> None:
    with pytest.raises(ConfigurationError):
        furnish(replace(site, kind="real"))
    assert not completion.letter_batches(SYSTEM)


def test_the_mail_server_hangs_up_on_whom_it_does_not_answer() -> None:
    with open_post(["lost@vale.example"]) as port:
        with smtplib.SMTP("127.0.0.1", port) as line:
            assert line.sendmail("him@vale.example", ["novak@vale.example"], "Subject: x\n\n.dots\n") == {}
        with smtplib.SMTP("127.0.0.1", port) as line, pytest.raises(smtplib.SMTPServerDisconnected):
            line.sendmail("him@vale.example", ["lost@vale.example"], "Subject: x\n\nx\n")
