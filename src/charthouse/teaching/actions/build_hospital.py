"""Make a hospital and have intake file it: by the connectors of a running Charthouse, else here and now."""

from __future__ import annotations

import io
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson

from charthouse.configuration import Configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import system_context
from charthouse.foundation.instance import running
from charthouse.foundation.spreading import spread
from charthouse.intake import api as intake
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.record.api import Outcome
from charthouse.teaching import sending
from charthouse.teaching.domain.hospital import Hospital, Told, patients
from charthouse.teaching.domain.outgoing import Outgoing, Way
from charthouse.teaching.domain.population import BLOCK
from charthouse.teaching.domain.staff import (
    CLINIC,
    HOSPITAL,
    HOSPITAL_ADDRESS,
    HOSPITAL_NAME,
    HOSPITAL_PHONE,
    HOSPITAL_SENDER,
)
from charthouse.teaching.permitted import require_demonstration

_CONTEXT = system_context("teaching")
_PATIENCE = 600.0
_POLL = 0.2
_MADE = (Outcome.CREATED, Outcome.UPDATED)
#: So many problems are told in words.
_MOST_PROBLEMS = 20


@dataclass(slots=True)
class Built:
    """What was built. ``states`` counts messages by what became of them (filed, unfiled, duplicate, sent);
    ``resources`` are those made new or changed; None where workers file what was sent. ``peak_mb`` is the most
    memory that a process of this command took. ``problems`` say in words what was not filed, or which connector
    could not be used."""

    patients: int = 0
    messages: int = 0
    resources: int | None = None
    peak_mb: int = 0
    answers: int = 0
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Work:
    hospital: Hospital
    first: int
    last: int


@dataclass(slots=True)
class _Done:
    patients: int
    messages: int
    states: Counter[str]
    problems: list[str]
    answers: list[bytes]
    resources: int = 0
    peak_mb: int = 0


def build_hospital(
    site: Configuration, hospital: Hospital, count: int, key: Path, tell: Callable[[int], None]
) -> Built:
    """Make ``count`` patients and have them filed; the answer key is written to ``key``. ``tell`` hears how many
    patients more are done.

    Raises ConfigurationError on anything but a demonstration, and OSError where the key cannot be written.
    """
    require_demonstration(site)
    begun = time.monotonic()
    built = Built()
    there = running(site.data)
    before = intake.unfiled_count(_CONTEXT)
    _name_the_hospital(site)
    key.parent.mkdir(parents=True, exist_ok=True)
    half = key.with_name(f"{key.name}.part")
    with half.open("wb") as lines:
        doing = _through_connectors(site, there, hospital, count) if there else _here(hospital, count)
        for done in doing:
            built.patients += done.patients
            built.messages += done.messages
            built.states += done.states
            built.peak_mb = max(built.peak_mb, done.peak_mb, _peak_mb())
            if not there:
                built.resources = (built.resources or 0) + done.resources
            built.problems += done.problems[: max(0, _MOST_PROBLEMS - len(built.problems))]
            built.answers += len(done.answers)
            lines.writelines(done.answers)
            tell(done.patients)
    half.replace(key)
    if there:
        if not _filed():
            built.problems.append("Not everything was filed yet; the workers go on. See Today.")
        unfiled = max(0, intake.unfiled_count(_CONTEXT) - before)
        built.states["unfiled"] = unfiled
        built.states["sent"] -= unfiled
    built.seconds = time.monotonic() - begun
    return built


def _name_the_hospital(site: Configuration) -> None:
    """Make the hospital a facility, so that it has its name on every screen and its letterhead."""
    if people.facility_by_code(HOSPITAL) is None:
        people.add_facility(
            _CONTEXT,
            people.FacilityDraft(
                HOSPITAL, HOSPITAL_NAME, "hospital", site.time_zone, HOSPITAL_ADDRESS, HOSPITAL_PHONE
            ),
        )


def _blocks(hospital: Hospital, count: int) -> Iterator[_Work]:
    for first in range(1, count + 1, BLOCK):
        yield _Work(hospital, first, min(first + BLOCK - 1, count))


def _here(hospital: Hospital, count: int) -> Iterator[_Done]:
    """File over all processors. A household stays in one process; the key is the same whoever was faster."""
    yield from spread(_file, list(_blocks(hospital, count)))


def _file(work: _Work) -> _Done:
    """Take a block's messages in: the hospital's in one stream, each of the clinic's bundles by itself."""
    told = list(patients(work.hospital, work.first, work.last))
    done = _begun(told)
    stream = b"".join(each.data for one in told for each in one.messages if not each.bundle)
    bodies: list[tuple[bytes, str | None]] = [(stream, None)] if stream else []
    bodies += [(each.data, CLINIC) for one in told for each in one.messages if each.bundle]
    for body, sender in bodies:
        for taken in take_in(io.BytesIO(body), connector=Connector.FILES, sender=sender, batch="teaching"):
            result = taken.result
            done.states[result.state.value if result else "duplicate"] += 1
            if result is not None:
                done.resources += sum(number for outcome, number in result.counts.items() if outcome in _MADE)
            if result is not None and result.problems:
                done.problems.append(f"{taken.kind}: {result.problems[0].reason}")
    done.peak_mb = _peak_mb()
    return done


def _peak_mb() -> int:
    """The most memory this process has taken."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def _begun(told: list[Told]) -> _Done:
    answers = [orjson.dumps(answer.line()) + b"\n" for one in told for answer in one.answers]
    return _Done(len(told), sum(len(one.messages) for one in told), Counter(), [], answers)


def _through_connectors(
    site: Configuration, there: Mapping[str, object], hospital: Hospital, count: int
) -> Iterator[_Done]:
    """Send as the hospital and the clinic would; what a connector does not take is taken in here."""
    host, port = sending.mllp_address(site, there)
    address = str(there.get("address", ""))
    name = f"{CLINIC}, teaching of {clock.wall():%Y-%m-%d %H:%M:%S}"
    # What speaks TLS is not sent to: its certificate is for others than this machine.
    http = address.startswith("http://")
    token = intake.add_sender_token(_CONTEXT, name, CLINIC) if http else ""
    mllp = bool(port) and not site.mllp_certificate
    to_hospital = _Connector(partial(sending.by_mllp, host=host, port=port) if mllp else None)
    to_clinic = _Connector(partial(sending.by_http, address=address, token=token) if http else None)
    try:
        for work in _blocks(hospital, count):
            told = list(patients(hospital, work.first, work.last))
            done = _begun(told)
            hl7, bundles = _outgoing(told)
            to_hospital.take(hl7, done.problems)
            to_clinic.take(bundles, done.problems)
            done.states["sent"] += len(hl7) + len(bundles)
            yield done
    finally:
        if token:
            intake.revoke_sender_token(_CONTEXT, name)


@dataclass(slots=True)
class _Connector:
    """A connector by its ``send``. Without one, or once it has failed, messages are taken in here."""

    send: Callable[..., None] | None

    def take(self, messages: list[Outgoing], problems: list[str]) -> None:
        if self.send is not None:
            try:
                self.send(messages, tell=_nobody)
            except sending.NotSent as problem:
                problems.append(str(problem))
                self.send = None
            else:
                return
        sending.by_hand(messages, _nobody)


def _outgoing(told: list[Told]) -> tuple[list[Outgoing], list[Outgoing]]:
    hl7, bundles = [], []
    for one in told:
        for each in one.messages:
            if each.bundle:
                bundles.append(Outgoing(each.control, CLINIC, Way.HTTP, each.data))
            else:
                hl7.append(Outgoing(each.control, HOSPITAL_SENDER, Way.MLLP, each.data))
    return hl7, bundles


def _nobody(_: int) -> None:
    """Progress is told by patients, not by messages."""


def _filed() -> bool:
    """Wait until the workers have filed what was received; False where that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while any(each.waiting for each in intake.connectors(_CONTEXT)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
