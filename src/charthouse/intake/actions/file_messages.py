"""File received messages: whose they are, what they change, what of them cannot be filed.

A batch of messages is filed in one transaction and a handful of round trips. What cannot be filed is kept as
unfiled with its reason, and never takes another message with it; a FHIR transaction and an HL7 message are
filed whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from charthouse.exchange.cda.api import Converted, SectionReport, Tree
from charthouse.exchange.fhir.api import Entry
from charthouse.exchange.hl7v2.api import Merge, Plan
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import now, wall
from charthouse.foundation.events.api import NewEvent
from charthouse.foundation.events.api import append_many as append_events
from charthouse.foundation.files.api import put as put_file
from charthouse.foundation.ledger.api import Entry as LedgerEntry
from charthouse.foundation.ledger.api import Outcome as LedgerOutcome
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append_many as append_ledger
from charthouse.foundation.rulepacks.api import parameter
from charthouse.foundation.work.api import NewItem, finish_by_dedupe, open_items
from charthouse.identity.api import Arrival as PatientArrival
from charthouse.identity.api import (
    Followed,
    Suspect,
    ask_about_filed,
    follow_partings,
    hold_updates,
    let_go,
    link_by_notice,
    note_followed,
    parted_by_message,
    persons_of,
    place,
    suspects,
    with_corrected_numbers,
)
from charthouse.intake.domain import cda_plan
from charthouse.intake.domain.arrival import Connector, Format
from charthouse.intake.domain.desk import Desk, Key, Made, minter
from charthouse.intake.domain.fhir_plan import FhirPlan, Planner, Problem, entry_of, survey, wanted_aliases
from charthouse.intake.domain.hl7_plan import apply, read, wanted
from charthouse.intake.domain.naming import OWN_DESK, identifiers_of, storable
from charthouse.intake.domain.sender import Sender
from charthouse.intake.models import MessageState
from charthouse.intake.queries import told_at
from charthouse.intake.queues import UNFILED, UNFILED_RULE
from charthouse.people.api import PractitionerFact, note_practitioners
from charthouse.record.api import (
    AccountSegmentRow,
    DetachedPart,
    Filed,
    Filing,
    FilingBatch,
    Outcome,
    current,
    decompress,
    editable,
    keep_account_segments,
    keep_attachments,
    known_aliases,
    prepare,
    remember_aliases,
)

CONTEXT = system_context("intake")
#: The code of what is held because an update of its patient speaks rather of somebody else.
OVERLAY = "suspected-overlay"
_HELD = (
    "This update speaks rather of somebody else than the patient whose number it has, and was not filed. "
    "Somebody decides about it in the queue Suspected overlays."
)


@dataclass(slots=True)
class Waiting:
    """A message to file. ``originals`` maps seq to (original row, bytes); ``entries``, or for a C-CDA document
    ``tree``, may hold them parsed."""

    id: int
    sender: Sender
    format: Format
    kind: str
    connector: str
    received_at: datetime
    originals: dict[int, tuple[int, bytes]]
    entries: list[Entry] | None = None
    tree: Tree | None = None
    atomic: bool = False
    retry: bool = False
    actor: str = CONTEXT.actor
    ctx: AccessContext = CONTEXT
    action: str = "intake.file"
    subjects: tuple[Subject, ...] = ()
    """In the ledger's entry: who had it filed, what that is called, and what else it is about."""

    @property
    def own(self) -> bool:
        """Whether it was entered by hand at our own desk."""
        return self.connector == Connector.FORM.value and self.sender.name == OWN_DESK


@dataclass(slots=True)
class Result:
    """What became of a message; ``sections`` are those of a C-CDA document."""

    message: int
    state: MessageState
    counts: Counter[Outcome] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    sections: Sequence[SectionReport] = ()


@dataclass(slots=True)
class Planned:
    """A message with what it comes to, and what of it cannot be filed."""

    waiting: Waiting
    filings: list[Filing] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    aliases: dict[str, tuple[str, str]] = field(default_factory=dict)
    hl7: Plan | None = None
    cda: Converted | None = None
    broken: list[Problem] = field(default_factory=list)
    """What of a C-CDA document was broken before anything of it was filed."""
    within: list[Problem] = field(default_factory=list)
    """What could not be read of C-CDA documents that a message brought along which is filed whole or not at all; it
    does not wait for them."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    held: list[Suspect] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    """Updates that are another's by what was decided before of their number."""
    doubted: list[Suspect] = field(default_factory=list)
    """Updates that speak rather of somebody else and are filed all the same."""

    @property
    def occurred(self) -> datetime | None:
        """When what it tells of happened."""
        if self.hl7 is not None:
            return self.hl7.occurred
        return self.cda.occurred if self.cda is not None else None

    def fail(self) -> None:
        """Nothing of this message is filed."""
        self.filings.clear()
        self.aliases.clear()


def file_messages(cursor: Any, messages: Sequence[Waiting]) -> list[Result]:
    """File ``messages`` in order, in the caller's transaction, and say what became of each."""
    planned = [Planned(each) for each in messages]
    _rename_parted(planned)
    batch = _plan(cursor, planned)
    while (again := _follow_partings(planned)) is not None:
        planned = again
        batch = _plan(cursor, planned)
    if turn := _turn(planned, batch):
        return [*file_messages(cursor, messages[:turn]), *file_messages(cursor, messages[turn:])]
    return file_planned(cursor, planned, batch, wall())[0]


def _turn(planned: Sequence[Planned], batch: FilingBatch) -> int:
    """The number of the first message that tells otherwise who a patient is whom a message before it brings; 0
    where none does. Whether it speaks of somebody else can be said only once the patient is in the record."""
    asked_of = {filing.public_id for filing, _ in batch.updates("Patient")}
    told: dict[str, tuple[int, tuple[str, ...]]] = {}
    for number, message in enumerate(planned):
        for filing in message.filings:
            if filing.type != "Patient" or not filing.resource or filing.public_id in asked_of:
                continue
            person = _told_of(filing.resource)
            first, before = told.setdefault(filing.public_id, (number, person))
            if first != number and person != before:
                return number
    return 0


def _told_of(patient: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, birth date and sex, as one patient has them from message to message."""
    name = next((each for each in patient.get("name", ()) if isinstance(each, dict)), {})
    said = (name.get("family"), " ".join(map(str, name.get("given") or ())), name.get("text"))
    return tuple(str(each or "").casefold() for each in (*said, patient.get("birthDate"), patient.get("gender")))


def _plan(cursor: Any, planned: Sequence[Planned]) -> FilingBatch:
    _plan_fhir(cursor, [each for each in planned if each.waiting.format is Format.FHIR])
    stored = _read_mapped(cursor, [each for each in planned if each.waiting.format is not Format.FHIR])
    return _plan_mapped(cursor, planned, stored)


def _follow_partings(planned: Sequence[Planned]) -> list[Planned] | None:
    """The messages to be planned anew, where one that would be held clearly speaks of a person once parted from the
    number it has, and so means that person; None where there is none.

    What a message says of merges is left to somebody who decides.
    """
    held = [each for each in planned if each.held and not _merges(each)]
    by_message: dict[int, list[Followed]] = {}
    for one in follow_partings([suspect for each in held for suspect in each.held]) if held else ():
        by_message.setdefault(one.suspect.arrival.message or 0, []).append(one)
    if not by_message:
        return None
    again = []
    for each in planned:
        followed = [*each.followed, *by_message.get(each.waiting.id, ())]
        renamed = {**each.renamed, **{one.named: one.parted for one in followed}}
        again.append(Planned(each.waiting, renamed=renamed, followed=followed))
    return again


def _merges(planned: Planned) -> bool:
    return planned.hl7 is not None and any(plan.merges for plan in planned.hl7.all())


def file_planned(
    cursor: Any, planned: Sequence[Planned], batch: FilingBatch, filed_at: datetime
) -> tuple[list[Result], list[Filed]]:
    """File what messages come to, and say what became of each and of all their filings, in order."""
    filings = [filing for each in planned for filing in each.filings]
    filed = batch.file(filings, filed_at)
    _keep_attachments(cursor, filings, filed)
    _note_seen(filings)
    remember_aliases(cursor, {key: name for each in planned for key, name in each.aliases.items()})
    _note_practitioners(filings, filed)
    _place_patients(planned, filings, filed)
    _keep_accounts(cursor, planned, filed, filed_at)
    _link_merged(planned)
    return _settle(cursor, planned, filed, filed_at), filed


def set_aside(cursor: Any, waiting: Waiting, problem: Problem) -> Result:
    """Keep a message as unfiled for ``problem`` without trying to file it."""
    planned = Planned(waiting, problems=[problem])
    return _settle(cursor, [planned], [], wall())[0]


def _rename_parted(planned: Sequence[Planned]) -> None:
    """Have messages that somebody found to be of another than the patient they name mean that other."""
    retried = [each.waiting.id for each in planned if each.waiting.retry]
    found = parted_by_message(retried) if retried else {}
    for each in planned:
        each.renamed = found.get(each.waiting.id, {})


def _plan_fhir(cursor: Any, planned: Sequence[Planned]) -> None:
    for each in planned:
        waiting = each.waiting
        if waiting.entries is None:
            waiting.entries = [
                entry_of(seq, data, waiting.kind) for seq, (_, data) in sorted(waiting.originals.items()) if seq
            ]
        surveyed = survey(waiting.entries)
        aliases = known_aliases(cursor, wanted_aliases(waiting.sender.name, surveyed))
        plan: FhirPlan = Planner(waiting.sender.name, aliases, own=waiting.own, renamed=each.renamed).plan(surveyed)
        each.filings, each.problems, each.aliases = plan.filings, plan.problems, plan.aliases
        found = [
            within
            for seq, resource in plan.documents
            for within in cda_plan.documents_in(resource, f"entry {seq}", seq)
        ]
        if found and not (each.problems and waiting.atomic):
            patients = {
                f"Patient/{filing.public_id}": filing.resource
                for filing in plan.filings
                if filing.type == "Patient" and filing.resource
            }
            _file_within(cursor, each, found, patients)
        _address(each)


def _file_within(
    cursor: Any, planned: Planned, found: Sequence[cda_plan.Within], patients: Mapping[str, dict[str, Any]]
) -> None:
    """File what C-CDA documents say that came as attachments of FHIR resources. ``patients`` are the message's."""
    stored = {
        f"Patient/{key[1]}": value.resource
        for key, value in current(
            cursor, CONTEXT, {("Patient", each.patient.removeprefix("Patient/")) for each in found}
        ).items()
    }
    reads = [
        cda_plan.read_within(each, planned.waiting.sender, patients.get(each.patient) or stored.get(each.patient))
        for each in found
    ]
    keys = {key for done in reads if done.converted for key in cda_plan.wanted(done.converted)}
    desk = Desk({key: editable(value.content) for key, value in current(cursor, CONTEXT, keys).items()})
    problems: list[Problem] = []
    for each, done in zip(found, reads, strict=True):
        problems.extend(done.problems)
        if done.converted:
            made = cda_plan.apply(done.converted, desk, {})
            problems.extend(replace(problem, seq=each.seq) for problem in made.problems)
            for filing in made.filings:
                filing.original = each.seq
            planned.filings.extend(filing for filing in made.filings if not _seen(filing))
    (planned.within if planned.waiting.atomic else planned.problems).extend(problems)


def _read_mapped(cursor: Any, planned: Sequence[Planned]) -> dict[Key, dict[str, Any]]:
    """Map each HL7 message and each document alone; returns the present state of what they build on."""
    keys: set[Key] = set()
    for each in planned:
        if each.waiting.format is Format.CDA:
            found = cda_plan.read(
                each.waiting.originals[1][1], each.waiting.sender, each.waiting.tree, each.renamed
            )
            each.cda, each.broken, each.problems = found.converted, found.problems, list(found.problems)
            if found.converted:
                keys.update(cda_plan.wanted(found.converted))
            continue
        mapped = read(each.waiting.originals[1][1], each.waiting.sender, each.renamed)
        each.hl7 = mapped.plan
        if mapped.problem:
            each.problems.append(mapped.problem)
        if mapped.plan:
            keys.update(wanted(mapped.plan))
    return {key: editable(value.content) for key, value in current(cursor, CONTEXT, keys).items()}


def _plan_mapped(cursor: Any, planned: Sequence[Planned], stored: Mapping[Key, dict[str, Any]]) -> FilingBatch:
    """Say what each message comes to, and keep out what may not be filed.

    An HL7 message builds on those before it. Where one turns out not to be filed, those after it are worked out
    again as if it had not come.
    """
    documents = [each.cda for each in planned if each.cda is not None]
    before = told_at(cursor, {key for each in documents for key in cda_plan.dated(each)}) if documents else {}
    while True:
        desk = Desk(stored)
        told = dict(before)
        for each in planned:
            if each.cda is not None:
                _apply_cda(each, each.cda, desk, told)
            elif each.hl7 is not None and not each.problems:
                _apply_hl7(each, each.hl7, desk)
        batch = FilingBatch(cursor, [filing for each in planned for filing in each.filings])
        standing = [each for each in planned if each.hl7 is not None and not each.problems]
        keep_out(batch, planned)
        for each in planned:
            if each.problems and each.waiting.atomic:
                each.fail()
        if not any(each.problems for each in standing):
            return batch


def _apply_hl7(planned: Planned, plan: Plan, desk: Desk) -> None:
    ours = Desk(desk)
    planned.within.clear()
    made = apply(plan, ours)
    planned.problems.extend(made.problems)
    if not made.problems:
        for part in plan.all():
            _apply_within(planned, part, ours, made)
        desk.take_over(ours)
        planned.filings = [filing for filing in made.filings if not _seen(filing)]
        _address(planned)


def _apply_within(planned: Planned, plan: Plan, desk: Desk, made: Made) -> None:
    """File what C-CDA documents say that came in an HL7 message. What of them is broken is no fault of the message,
    which is filed; a person is told."""
    planned.within.extend(Problem(1, "attachment", reason, place) for place, reason in plan.lost)
    patient = plan.patient.resource if plan.patient else None
    for draft in plan.drafts:
        if draft.type != "DocumentReference" or draft.mode != "snapshot":
            continue
        for found in cda_plan.documents_in(draft.resource, draft.segment, 1):
            done = cda_plan.read_within(found, planned.waiting.sender, patient)
            planned.within.extend(done.problems)
            if done.converted:
                entries = cda_plan.apply(done.converted, desk, {})
                made.filings.extend(entries.filings)
                planned.within.extend(entries.problems)


def _apply_cda(planned: Planned, converted: Converted, desk: Desk, told: dict[Key, datetime]) -> None:
    made = cda_plan.apply(converted, desk, told)
    planned.problems = [*planned.broken, *made.problems]
    planned.filings = [filing for filing in made.filings if not _seen(filing)]
    _address(planned)


def _address(planned: Planned) -> None:
    """Say of each filing where it came from."""
    waiting = planned.waiting
    for filing in planned.filings:
        filing.source = waiting.sender.id
        filing.message = waiting.id
        filing.original = waiting.originals[filing.original][0] if filing.original else 0


_SEEN_KEPT = 50_000
_seen_before: set[tuple[str, str]] = set()


def _seen(filing: Filing) -> bool:
    """Whether this process has filed the shared resource before; a mention of it then adds nothing."""
    return filing.only_if_absent and (_database(), filing.public_id) in _seen_before


def _note_seen(filings: Iterable[Filing]) -> None:
    """Remember the shared resources just filed, once they are there for good."""
    database = _database()
    fresh = {(database, filing.public_id) for filing in filings if filing.only_if_absent} - _seen_before

    def remember() -> None:
        if len(_seen_before) > _SEEN_KEPT:
            _seen_before.clear()
        _seen_before.update(fresh)

    if fresh:
        transaction.on_commit(remember)


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def keep_out(batch: FilingBatch, planned: Sequence[Planned]) -> None:
    """Keep out what names nobody we know, what would hand one patient's item to another, and what would write
    another person over a patient."""
    _correct_numbers(batch)
    wrong = _overlays(batch, planned)
    for filing in batch.without_patient():
        wrong[id(filing)] = (
            "unknown-patient",
            f"The {filing.type} names a patient who is not in the record. Send the patient, then try this again.",
        )
    for filing in batch.destroyed():
        wrong[id(filing)] = (
            "destroyed",
            f"This {filing.type} was lawfully destroyed with its chart, and is not filed again. Refuse the "
            "message, or ask its sender to send what is new under a number of its own.",
        )
    for filing in batch.locked():
        wrong[id(filing)] = (
            "locked",
            f"This {filing.type} was signed or corrected here, and its sender's change would undo that. "
            "Look at both; what is new in it is filed as an addendum.",
        )
    moved = batch.moved()
    persons = persons_of({row for each in moved for row in (each.from_row, each.to_row) if row}) if moved else {}
    for each in moved:
        if each.from_row is None or each.to_row is None or persons.get(each.from_row) != persons.get(each.to_row):
            wrong[id(each.filing)] = (
                "other-patient",
                f"This {each.filing.type} is in the record under the same number for another patient. "
                "Ask the sender which of the two it belongs to.",
            )
    if not wrong:
        return
    for message in planned:
        moves = message.hl7 is not None and any(
            merge.action == "move" for plan in message.hl7.all() for merge in plan.merges
        )
        kept = []
        for filing in message.filings:
            reason = wrong.get(id(filing))
            if reason is None or (moves and reason[0] == "other-patient"):
                kept.append(filing)
                continue
            seq = next((seq for seq, (row, _) in message.waiting.originals.items() if row == filing.original), 0)
            message.problems.append(Problem(seq, *reason, filing.place or f"entry {seq}"))
        message.filings = kept


def _correct_numbers(batch: FilingBatch) -> None:
    """Have numbers that somebody here corrected stay so, whatever their sender repeats."""
    updates = [(filing, row) for filing, row in batch.updates("Patient") if filing.resource]
    found = with_corrected_numbers({row: filing.resource or {} for filing, row in updates}) if updates else {}
    for filing, row in updates:
        if row in found:
            # Each update of the batch by itself, on its bytes, so that every number of it stays as it was written.
            content = orjson.dumps(with_corrected_numbers({row: editable(decompress(filing.compressed))})[row])
            made = prepare(orjson.loads(content), content)
            for name in ("compressed", "digest", "index", "resource"):
                setattr(filing, name, getattr(made, name))


def _overlays(batch: FilingBatch, planned: Sequence[Planned]) -> dict[int, tuple[str, str]]:
    """What is said of a patient whose update in the same message speaks rather of somebody else: all of it is held,
    the update first. What was entered here by hand is not suspected; what a client of the API says of the very
    record and version it has read is filed, and asked about."""
    messages = {each.waiting.id: each for each in planned}
    updates = [
        (filing, row)
        for filing, row in batch.updates("Patient")
        if filing.resource and not messages[filing.message].waiting.own
    ]
    found = suspects([_arrival(messages[filing.message], filing, row) for filing, row in updates])
    wrong: dict[int, tuple[str, str]] = {}
    for (update, _), suspect in zip(updates, found, strict=True):
        if suspect is None:
            continue
        message = messages[update.message]
        if message.waiting.connector == Connector.API.value:
            message.doubted.append(suspect)
            continue
        message.held.append(suspect)
        for filing in message.filings:
            if filing is update:
                wrong[id(filing)] = (OVERLAY, _HELD)
            elif filing.patient == update.public_id:
                wrong[id(filing)] = (OVERLAY, f"This {filing.type} is held with the update of its patient.")
    return wrong


def _keep_attachments(cursor: Any, filings: Sequence[Filing], filed: Sequence[Filed]) -> None:
    kept: list[tuple[Filed, DetachedPart, UUID]] = []
    for filing, done in zip(filings, filed, strict=True):
        if filing.attachments and done.outcome is not Outcome.UNCHANGED:
            kept.extend((done, part, put_file(part.data, part.media_type).id) for part in filing.attachments)
    keep_attachments(cursor, kept)


def _note_practitioners(filings: Sequence[Filing], filed: Sequence[Filed]) -> None:
    facts = []
    for filing, done in zip(filings, filed, strict=True):
        if filing.type == "Practitioner" and done.outcome is not Outcome.UNCHANGED and filing.resource:
            facts.append(_fact(filing.resource, str(filing.source)))
    if facts:
        note_practitioners(facts)


def _fact(resource: dict[str, Any], source: str) -> PractitionerFact:
    name = next((each for each in resource.get("name", ()) if isinstance(each, dict)), {})
    identifiers = identifiers_of(resource)
    npi = next((value for system, value in identifiers if system.endswith("us-npi")), None)
    return PractitionerFact(
        public_id=resource["id"],
        identifiers=tuple(identifiers),
        npi=npi,
        family=name.get("family", "") or name.get("text", ""),
        given=" ".join(name.get("given", ())),
        prefix=" ".join(name.get("prefix", ())),
        suffix=" ".join(name.get("suffix", ())),
        source=source,
    )


def _place_patients(planned: Sequence[Planned], filings: Sequence[Filing], filed: Sequence[Filed]) -> None:
    """Find out who each arriving patient is."""
    latest: dict[int, PatientArrival] = {}
    messages = {each.waiting.id: each for each in planned}
    for filing, done in zip(filings, filed, strict=True):
        if filing.type == "Patient" and done.outcome is not Outcome.UNCHANGED and filing.resource:
            latest[done.row] = _arrival(messages[filing.message], filing, done.row, new=done.version == 1)
    if latest:
        place(list(latest.values()))


def _arrival(planned: Planned, filing: Filing, row: int, *, new: bool = False) -> PatientArrival:
    """A Patient as identity takes it."""
    resource = filing.resource or {}
    return PatientArrival(
        patient_row=row,
        public_id=filing.public_id,
        source=filing.source,
        patient=resource,
        labels=filing.labels,
        message=filing.message,
        occurred=planned.occurred,
        same_as=_same_as(resource) if planned.waiting.own else (),
        apart_from=tuple(named for named, parted in planned.renamed.items() if parted == filing.public_id),
        new=new,
    )


def _same_as(patient: Mapping[str, Any]) -> tuple[str, ...]:
    """The patients that a Patient entered on an open chart says it is another record of (``link``, seealso)."""
    references = [
        str((link.get("other") or {}).get("reference") or "")
        for link in patient.get("link") or ()
        if isinstance(link, dict) and link.get("type") == "seealso"
    ]
    return tuple(each.removeprefix("Patient/") for each in references if each.startswith("Patient/"))


def _keep_accounts(cursor: Any, planned: Sequence[Planned], filed: Sequence[Filed], filed_at: datetime) -> None:
    rows = {(done.type, done.public_id): done for done in filed}
    kept: list[AccountSegmentRow] = []
    for each in planned:
        if each.hl7 is None or not each.filings:
            continue
        for plan in each.hl7.all():
            if not plan.account_segments or plan.account_key is None:
                continue
            account = rows.get(("Account", minter(each.waiting.sender.name)("Account", plan.account_key)))
            if account is None or account.patient is None:
                continue
            visit = rows.get(("Encounter", plan.visit.id)) if plan.visit else None
            kept.extend(
                AccountSegmentRow(
                    account=account.row,
                    patient=account.patient,
                    encounter=visit.row if visit else None,
                    message=each.waiting.id,
                    name=segment.name,
                    place=segment.index,
                    text=segment.text,
                )
                for segment in plan.account_segments
            )
    keep_account_segments(cursor, kept, filed_at)


def _link_merged(planned: Sequence[Planned]) -> None:
    for each in planned:
        if each.hl7 is None or (each.problems and each.waiting.atomic):
            continue
        for plan in each.hl7.all():
            for merge in plan.merges:
                if merge.kind == "patient":
                    _link_one(each, merge)


def _link_one(planned: Planned, merge: Merge) -> None:
    waiting = planned.waiting
    notice = link_by_notice(
        survivor=merge.survivor.removeprefix("Patient/"),
        prior=merge.prior.removeprefix("Patient/"),
        source=waiting.sender.id,
        message=waiting.id,
        occurred=planned.occurred,
    )
    if notice.problem and not (merge.action == "change" and notice.code == "unknown-prior"):
        planned.problems.append(Problem(1, notice.code, notice.problem, merge.segment))


def _settle(cursor: Any, planned: Sequence[Planned], filed: Sequence[Filed], filed_at: datetime) -> list[Result]:
    results = []
    position = 0
    ledger: list[LedgerEntry] = []
    events: list[NewEvent] = []
    for each in planned:
        if not (each.problems and each.waiting.atomic):
            each.problems = [*each.problems, *each.within]
        mine = filed[position : position + len(each.filings)]
        position += len(each.filings)
        result = Result(each.waiting.id, _state(each, mine), problems=each.problems)
        if each.cda is not None:
            result.sections = each.cda.sections
        result.counts.update(done.outcome for done in mine)
        result.types.update(done.type for done in mine)
        results.append(result)
        patients = sorted({done.patient for done in mine if done.patient and done.outcome is not Outcome.UNCHANGED})
        ledger.append(_ledger_entry(each, result, patients))
        events.extend(
            NewEvent("record.filed", key=str(patient), payload={"message": each.waiting.id, "patient": patient})
            for patient in patients
        )
    _write_states(cursor, results, filed_at)
    _note_times(cursor, {each.waiting.id: each.cda.occurred for each in planned if each.cda and each.cda.occurred})
    _write_unfiled(cursor, planned, results, filed_at)
    cursor.execute("DELETE FROM intake_queue WHERE message = ANY(%s)", [[each.message for each in results]])
    append_ledger(ledger)
    append_events(events)
    return results


def _state(planned: Planned, filed: Sequence[Filed]) -> MessageState:
    if not planned.problems:
        return MessageState.FILED
    return MessageState.PARTLY if filed else MessageState.UNFILED


def _ledger_entry(planned: Planned, result: Result, patients: Iterable[int]) -> LedgerEntry:
    return LedgerEntry(
        ctx=planned.waiting.ctx,
        action=planned.waiting.action,
        outcome=LedgerOutcome.FAILED if result.state is MessageState.UNFILED else LedgerOutcome.SUCCESS,
        subjects=(
            Subject("message", str(result.message)),
            *planned.waiting.subjects,
            *(Subject("patient", str(patient)) for patient in patients),
        ),
        detail={
            "kind": planned.waiting.kind,
            "connector": planned.waiting.connector,
            **{outcome.value: count for outcome, count in result.counts.items()},
            **({"unfiled": len(result.problems)} if result.problems else {}),
        },
    )


def _note_times(cursor: Any, times: Mapping[int, datetime]) -> None:
    """Keep with messages when what they tell of happened, now that it is known."""
    if times:
        cursor.execute(
            "UPDATE intake_message m SET occurred = t.occurred FROM unnest(%s::bigint[], %s::timestamptz[]) "
            "AS t(id, occurred) WHERE m.id = t.id",
            [list(times), list(times.values())],
        )


def _write_states(cursor: Any, results: Sequence[Result], at: datetime) -> None:
    cursor.execute(
        "UPDATE intake_message m SET state = r.state, state_at = %s, created = r.created, updated = r.updated, "
        "unchanged = r.unchanged, unfiled = r.unfiled FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::int[], "
        "%s::int[], %s::int[]) AS r(id, state, created, updated, unchanged, unfiled) WHERE m.id = r.id",
        [
            at,
            [each.message for each in results],
            [each.state.value for each in results],
            [each.counts[Outcome.CREATED] for each in results],
            [each.counts[Outcome.UPDATED] for each in results],
            [each.counts[Outcome.UNCHANGED] for each in results],
            [len(each.problems) for each in results],
        ],
    )


def _write_unfiled(cursor: Any, planned: Sequence[Planned], results: Sequence[Result], at: datetime) -> None:
    """Record what could not be filed; close what was unfiled before and is filed now."""
    retried = [each for each in planned if each.waiting.retry]
    attempts: Counter[int] = Counter()
    if retried:
        cursor.execute(
            "INSERT INTO intake_attempt (message, at, actor, outcome, reason, place) "
            "SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[])",
            [
                [each.waiting.id for each in retried],
                [at] * len(retried),
                [each.waiting.actor for each in retried],
                ["unfiled" if each.problems else "filed" for each in retried],
                [_text(each.problems[0].reason) if each.problems else "" for each in retried],
                [_text(each.problems[0].place, 250) if each.problems else "" for each in retried],
            ],
        )
        cursor.execute(
            "UPDATE intake_unfiled SET state = 'filed', settled_at = %s, attempts = attempts + 1 "
            "WHERE message = ANY(%s) AND state = 'open' RETURNING message, attempts",
            [at, [each.waiting.id for each in retried]],
        )
        for message, count in cursor.fetchall():
            attempts[message] = max(count, attempts[message])
    broken = [(each, problem) for each in planned for problem in each.problems]
    if broken:
        cursor.execute(
            "INSERT INTO intake_unfiled "
            "(message, original, source, connector, received_at, code, reason, place, found_at, attempts, state, "
            "settled_by, note) SELECT u.message, u.original, u.source, m.connector, m.received_at, u.code, "
            "u.reason, u.place, %s, u.attempts, 'open', '', '' FROM "
            "unnest(%s::int[], %s::bigint[], %s::bigint[], %s::int[], "
            "%s::text[], %s::text[], %s::text[]) WITH ORDINALITY "
            "AS u(attempts, message, original, source, code, reason, place, turn) "
            "JOIN intake_message m ON m.id = u.message ORDER BY u.turn",
            [
                at,
                [max(1, attempts[each.waiting.id]) for each, _ in broken],
                [each.waiting.id for each, _ in broken],
                [each.waiting.originals.get(problem.seq, (None,))[0] for each, problem in broken],
                [each.waiting.sender.id for each, _ in broken],
                [problem.code for _, problem in broken],
                [_text(problem.reason) for _, problem in broken],
                [_text(problem.place, 250) for _, problem in broken],
            ],
        )
    hold_updates(suspect for each in planned for suspect in each.held)
    note_followed(
        one
        for each in planned
        if each.followed and not (each.problems and each.waiting.atomic)
        for one in each.followed
    )
    ask_about_filed(suspect for each in planned for suspect in each.doubted)
    if retried:
        still = {(one.arrival.patient_row, each.waiting.id) for each in retried for one in each.held}
        let_go([each.waiting.id for each in retried], still)
    # What is only held waits in a queue of its own.
    unfiled = {
        each.waiting.id: each
        for each in planned
        if any(problem.code != OVERLAY for problem in each.problems) or (each.problems and not each.held)
    }
    if unfiled:
        open_items(
            [
                NewItem(
                    queue=UNFILED,
                    subject=Subject("message", str(number)),
                    reason=_text(
                        next((one for one in each.problems if one.code != OVERLAY), each.problems[0]).reason
                    ),
                    rule=UNFILED_RULE,
                    due=now() + timedelta(days=int(parameter(UNFILED_RULE, "days"))),
                    dedupe=str(number),
                )
                for number, each in unfiled.items()
            ]
        )
    for each, result in zip(planned, results, strict=True):
        if each.waiting.retry and result.state is MessageState.FILED:
            finish_by_dedupe(UNFILED, str(result.message), "filed", finished_by=each.waiting.actor)


_LONGEST_REASON = 2_000


def _text(words: str, longest: int = _LONGEST_REASON) -> str:
    """A reason or place; it may quote the sender."""
    return storable(words, longest)


def originals_of(cursor: Any, messages: Sequence[int]) -> dict[int, dict[int, tuple[int, bytes]]]:
    """The kept originals of messages: message -> seq -> (original row, bytes)."""
    cursor.execute(
        "SELECT message, seq, id, body FROM intake_original WHERE message = ANY(%s) ORDER BY message, seq",
        [list(messages)],
    )
    found: dict[int, dict[int, tuple[int, bytes]]] = {number: {} for number in messages}
    for message, seq, number, body in cursor.fetchall():
        found[message][seq] = (number, decompress(body))
    return found
