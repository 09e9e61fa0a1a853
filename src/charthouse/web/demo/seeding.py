"""Send the demonstration its records, each once, through the connectors that listen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from charthouse.configuration import Configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.instance import running
from charthouse.intake import api as intake
from charthouse.people import api as people
from charthouse.teaching.api import Outgoing, Way, require_demonstration, sending

from . import clinic
from .story import HOSPITAL_SENDER, day_of, story

_CONTEXT = system_context("demo")
_PATIENCE = 90.0
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was done: how many messages there are, how many were sent now and by which way, and what waits unfiled.
    ``problems`` say in words why a connector was not used."""

    messages: int
    sent: dict[str, int]
    unfiled: int
    problems: tuple[str, ...] = ()

    @property
    def new(self) -> int:
        """How many messages were sent now."""
        return sum(self.sent.values())


def seed(site: Configuration, begin: Callable[[int], None], tell: Callable[[int], None]) -> Seeded:
    """Send what is not there yet and wait until it is filed. ``begin`` is told how many, ``tell`` how many more.

    Raises ConfigurationError on anything but a demonstration.
    """
    require_demonstration(site)
    kept = set(intake.control_ids(HOSPITAL_SENDER)) | set(intake.control_ids(clinic.NAME))
    zone = ZoneInfo(site.time_zone)
    everything = story(_day(kept, zone), zone)
    missing = [each for each in everything if each.number not in kept]
    begin(len(missing))
    if not missing:
        return Seeded(len(everything), {}, intake.unfiled_count(_CONTEXT))
    there = running(site.data)
    sent, problems = _send(site, there or {}, missing, tell) if there is not None else _by_hand(missing, tell)
    _wait()
    _be_practitioners()
    return Seeded(len(everything), sent, intake.unfiled_count(_CONTEXT), tuple(problems))


def _be_practitioners() -> None:
    """Let the accounts of physicians be the practitioners of their names, to see what these owe."""
    for line in people.find_accounts(_CONTEXT, people.AccountFilter(role=Role.PHYSICIAN)).lines:
        found = people.find_practitioners(_CONTEXT, line.display_name.partition(",")[0])
        if len(found) == 1:
            people.link_practitioner(_CONTEXT, line.id, found[0].id)


def _day(kept: set[str], zone: ZoneInfo) -> date:
    """The day the records are of: that of those already here, else today."""
    days = [found for number in kept if (found := day_of(number))]
    return min(days) if days else clock.today(zone)


def _by_hand(messages: list[Outgoing], tell: Callable[[int], None]) -> tuple[dict[str, int], list[str]]:
    sending.by_hand(messages, tell)
    return {"files": len(messages)}, []


def _send(
    site: Configuration, there: dict[str, object], messages: list[Outgoing], tell: Callable[[int], None]
) -> tuple[dict[str, int], list[str]]:
    """Send each by its way; what a way does not take is taken in by hand."""
    ways = {way: [each for each in messages if each.way is way] for way in Way}
    sent: dict[str, int] = {}
    problems: list[str] = []
    name = f"immunizations-{clock.wall():%Y%m%dT%H%M%S}.hl7"
    dropped = sending.by_folder(ways[Way.FOLDER], site.drop, name, tell)
    sent["the drop folder"] = len(ways[Way.FOLDER])
    try:
        _post(str(there.get("address", "")), ways[Way.HTTP], tell)
        sent["HTTP"] = len(ways[Way.HTTP])
    except sending.NotSent as problem:
        problems.append(str(problem))
        sent["files"] = sent.get("files", 0) + len(ways[Way.HTTP])
        sending.by_hand(ways[Way.HTTP], tell)
    host, port = sending.mllp_address(site, there)
    try:
        if not port or site.mllp_certificate:
            raise sending.NotSent("No MLLP listener without TLS runs here.")
        sending.by_mllp(ways[Way.MLLP], host, port, tell)
        sent["MLLP"] = len(ways[Way.MLLP])
    except sending.NotSent as problem:
        problems.append(str(problem))
        sent["files"] = sent.get("files", 0) + len(ways[Way.MLLP])
        sending.by_hand(ways[Way.MLLP], tell)
    if dropped is not None:
        _wait_for(dropped)
    return {way: count for way, count in sent.items() if count}, problems


def _post(address: str, messages: list[Outgoing], tell: Callable[[int], None]) -> None:
    """Post by a token made for this once."""
    if not messages:
        return
    if not address.startswith("http://"):
        raise sending.NotSent("The web application speaks TLS, for which the demonstration has no certificate.")
    name = f"{clinic.NAME}, demonstration of {clock.wall():%Y-%m-%d %H:%M:%S}"
    token = intake.add_sender_token(_CONTEXT, name, clinic.NAME)
    try:
        sending.by_http(messages, address, token, tell)
    finally:
        intake.revoke_sender_token(_CONTEXT, name)


def _wait() -> None:
    """Until the workers have filed what was received."""
    deadline = time.monotonic() + _PATIENCE
    while any(each.waiting for each in intake.connectors(_CONTEXT)) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _wait_for(dropped: Path) -> None:
    """Until the drop folder's watch has taken a file in."""
    deadline = time.monotonic() + _PATIENCE
    while not dropped.exists() and time.monotonic() < deadline:
        time.sleep(_POLL)
