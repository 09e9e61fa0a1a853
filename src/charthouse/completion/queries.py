"""Facts of many charts from the record, in few statements: what the analysis looks at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection

from charthouse import __version__
from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.memory import without_collection
from charthouse.foundation.prepared import planned_anew
from charthouse.foundation.rulepacks.api import FacilityType
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.record import api as record

from . import reading
from .adopted import adopted_for
from .classification import SiteMaps, said, site_maps
from .domain import facts, packed, pieces
from .domain.analysis import NEVER, analyse
from .domain.facts import DocumentFact, EncounterFacts, Party
from .domain.findings import Finding
from .domain.packed import Packed
from .domain.pieces import Coding, codes_of, is_note
from .permissions import ANALYSE

#: So many encounters are read together; memory does not grow with the house.
TOGETHER = 250
_DOCUMENTS = ("DocumentReference", "Composition")
_ORDERS = ("ServiceRequest", "MedicationRequest")
#: All that facts are read from, beside the Encounter itself.
LOOKED_AT = (*_DOCUMENTS, *_ORDERS, "Procedure", "DiagnosticReport", "Specimen")
_KEPT = """
SELECT encounter, patient, stamp, labels, content FROM completion_chart_facts
 WHERE encounter = ANY(%s) AND stamp IS NOT NULL
"""
_REPORT = re.compile(rb'"DiagnosticReport/([A-Za-z0-9.-]{1,64})"')
_NPI = "http://hl7.org/fhir/sid/us-npi"

Site = Mapping[Coding, str]
#: Encounters whose rows are above the first, and not above the second where there is one.
Span = tuple[int, int | None]
#: Of so many encounters: of few, so that whoever works the spans through at once ends together.
_SPAN = 500


def facts_of(ctx: AccessContext, encounters: Sequence[str], site: Site | None = None) -> dict[str, EncounterFacts]:
    """The facts of encounters, by their ids, as far as the asker may see them. ``site`` maps codes of
    documents to pieces, in place of the codes that the site itself maps. Raises PermissionRefused."""
    require(ctx, ANALYSE)
    found: dict[str, EncounterFacts] = {}
    directory = Directory(ctx)
    for begin in range(0, len(encounters), TOGETHER):
        standing = record.encounters_standing(ctx, encounters[begin : begin + TOGETHER])
        found |= {each.id: each for each in _known(ctx, [row for row, _ in standing], directory, site)}
    return found


def encounters_called(ctx: AccessContext, name: str) -> list[str]:
    """The ids of the encounters that somebody means: the one with this id, else those with this visit number.
    Raises PermissionRefused."""
    require(ctx, ANALYSE)
    with connection.cursor() as cursor:
        if record.current(cursor, ctx, [("Encounter", name)]):
            return [name]
    return record.encounters_numbered(ctx, name)


def spans(ctx: AccessContext) -> list[Span]:
    """The whole house in parts of some hundred encounters, to be worked through at once. Raises
    PermissionRefused."""
    require(ctx, ANALYSE)
    found: list[Span] = []
    after = 0
    while rows := record.encounter_rows_after(ctx, after, _SPAN):
        found.append((after, rows[-1][0]))
        after = rows[-1][0]
    return [*found, (after, None)]


def all_encounters(
    ctx: AccessContext, span: Span = (0, None), site: Site | None = None, together: int = TOGETHER
) -> Iterator[list[EncounterFacts]]:
    """The facts of every encounter that took place, or of those of a span, some hundred at a time in the order of
    the record's rows. What is kept flat is taken; the record itself is asked where that is behind. Raises
    PermissionRefused."""
    require(ctx, ANALYSE)
    directory = Directory(ctx)
    after, upto = span
    while True:
        standing = record.encounter_rows_after(ctx, after, together, upto)
        if not standing:
            return
        found = _known(ctx, [row for row, _ in standing], directory, site)
        yield [each for each in found if each.status not in NEVER]
        after = standing[-1][0]
        if after == upto:
            return


def findings_of(facts: EncounterFacts, version: int, at: datetime | None = None) -> tuple[Finding, ...]:
    """The deficiencies of a chart by the rules of a version at its facility (0 before any was adopted: those of the
    packs), at a moment of the business clock (now)."""
    return analyse(facts, adopted_for(version, facts.facility_type), at or now())


@dataclass(frozen=True, slots=True)
class Read:
    """Facts of one encounter as they are read and kept. ``stamp`` is of what they were read from, ``labels`` are
    those of all of it. ``row`` is the record's, ``patient`` the source patient's."""

    row: int
    patient: int
    stamp: int | None
    labels: int
    packed: Packed


def stamps(rows: Sequence[int]) -> dict[int, int]:
    """Of what the facts of encounters would be read now."""
    return {row: stamp ^ shape() for row, stamp in record.stamps_of(rows, LOOKED_AT).items()}


def kept(rows: Sequence[int]) -> Iterator[Read]:
    """The facts that are kept of these encounters, behind or not."""
    for row, patient, stamp, labels, content in planned_anew(_KEPT, [list(rows)]):
        yield Read(row, patient, stamp, labels, packed.read(content))


def _known(
    ctx: AccessContext, rows: Sequence[int], directory: Directory, site: Site | None
) -> list[EncounterFacts]:
    """The facts of encounters that stand, in the order of their rows."""
    # What is parsed here is let go soon; searching for cycles among it costs more than all else.
    with without_collection():
        found: list[Read] = []
        if site is None:
            stand = stamps(rows)
            found = [
                each
                for each in kept(rows)
                if each.stamp == stand.get(each.row) and not each.labels & ~int(ctx.clearance)
            ]
        there = {each.row for each in found}
        if missing := [row for row in rows if row not in there]:
            found += read_from_record(ctx, missing, site)
        return directory.facts_of(sorted(found, key=lambda each: each.row))


def read_from_record(
    ctx: AccessContext, rows: Sequence[int], site: Site | None = None, stand: Mapping[int, int] | None = None
) -> list[Read]:
    """The facts of those of these encounters that stand, from the record as far as the asker may see it. ``stand``
    are the stamps they had, where the caller took them already."""
    with without_collection():
        # The stamp is taken first: what is filed meanwhile makes it old.
        stand = stamps(rows) if stand is None else stand
        return [
            Read(facts.row, facts.patient, stand.get(facts.row), labels, packed.pack(facts))
            for facts, labels in _read(ctx, rows, site)
        ]


def _read(ctx: AccessContext, rows: Sequence[int], site: Site | None) -> Iterator[tuple[EncounterFacts, int]]:
    """The facts of encounters as the record tells them, each with the labels of all that was read."""
    stored = record.encounters_at(ctx, rows)
    rows = [each.row for each in stored]
    written = record.of_encounters(ctx, rows, _DOCUMENTS)
    done = record.of_encounters(ctx, rows, ("Procedure",))
    verbal = [
        each
        for kind in _ORDERS
        for each in record.coded_of_encounters(ctx, rows, kind, ("category",), reading.codes().verbal)
    ]
    asked = record.coded_of_encounters(
        ctx, rows, "ServiceRequest", ("code", "category"), reading.codes().consultation
    )
    procedures = _by_encounter(done, reading.procedure_of)
    # Reports of pathology are asked for where somebody operated; other reports are of no concern here.
    cut = [row for row in rows if any(each.operation for each in procedures.get(row, ()))]
    taken: list[record.Stored] = []
    if cut:
        written += record.coded_of_encounters(
            ctx, cut, "DiagnosticReport", ("category", "code"), reading.codes().pathology
        )
        taken = record.of_encounters(ctx, cut, ("Specimen",))
    specimens = _by_encounter(taken, reading.specimen_of)
    notes = _notes(ctx, rows, written, site)
    documents: dict[int, list[DocumentFact]] = {}
    for row, fact in _documents([*written, *notes], site):
        documents.setdefault(row, []).append(fact)
    orders = _by_encounter(verbal, reading.order_of)
    consults = _by_encounter(asked, reading.consult_of)
    labels = {each.row: each.labels for each in stored}
    for one in (*written, *notes, *done, *verbal, *asked, *taken):
        labels[one.encounter or 0] |= one.labels
    for each in stored:
        facts = reading.encounter_of(
            each,
            documents=tuple(documents.get(each.row, ())),
            procedures=tuple(procedures.get(each.row, ())),
            orders=tuple(orders.get(each.row, ())),
            consults=tuple(consults.get(each.row, ())),
            specimens=tuple(specimens.get(each.row, ())),
        )
        yield facts, labels[each.row]


def _notes(
    ctx: AccessContext, rows: Sequence[int], written: Sequence[record.Stored], site: Site | None
) -> list[record.Stored]:
    """Notes that are told as reports of results. A report that only repeats a document, or is one of pathology that
    was read already, is none."""
    wanted = reading.codes().notes
    mapped = (
        dict(site)
        if site is not None
        else {coding: piece for each in site_maps().by_source.values() for coding, piece in each.items()}
    )
    found = record.coded_of_encounters(
        ctx, rows, "DiagnosticReport", ("code",), sorted(codes_of(wanted, mapped.items()))
    )
    if not found:
        return []
    told = {id.decode() for each in written for id in _REPORT.findall(each.content)}
    there = {(each.type, each.row) for each in written}
    return [
        each
        for each in found
        if each.public_id not in told
        and (each.type, each.row) not in there
        and is_note(reading.coded(each), wanted, mapped)
    ]


def _documents(stored: Sequence[record.Stored], site: Site | None) -> Iterator[tuple[int, DocumentFact]]:
    """Documents as facts, each with the row of its encounter. What part of a chart one is, a person's word says,
    else the codes that the site maps (or ``site`` in their place), else what is known of codes."""
    maps = SiteMaps({0: site}) if site is not None else site_maps()
    by_person = said((each.type, each.row) for each in stored)
    reports = {*reading.codes().notes, "pathology-report"}
    sources: dict[tuple[str, int], int] = {}
    if maps.by_source.keys() - {0}:
        for kind in sorted({each.type for each in stored}):
            with connection.cursor() as cursor:
                found = record.sources_of_rows(cursor, kind, [each.row for each in stored if each.type == kind])
            sources |= {(kind, row): source for row, source in found.items()}
    for each in stored:
        place = (each.type, each.row)
        fact = reading.document_of(each, maps.of(sources.get(place, 0)))
        if fact is None:
            continue
        if place in by_person:
            fact = fact._replace(piece=by_person[place])
        if each.type != "DiagnosticReport" or fact.piece in reports:
            yield each.encounter or 0, fact


def _by_encounter(stored: Sequence[record.Stored], read: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for each in stored:
        found.setdefault(each.encounter or 0, []).append(read(each))
    return found


class Directory:
    """Practitioners and facilities by what the record calls them, each asked for once."""

    def __init__(self, ctx: AccessContext) -> None:
        self.ctx = ctx
        self.known: dict[str, Party] = {}
        self.asked: set[str] = set()
        self.facilities = [each for each in people.facilities() if each.closed_at is None]
        self.zone = configuration().time_zone
        self.places: dict[str, dict[str, Any]] = {}

    def place(self, provider: str) -> dict[str, Any]:
        """What is known of the facility a sender calls so; the only one there is, where it says nothing known."""
        if provider not in self.places:
            self.places[provider] = self._place(provider)
        return self.places[provider]

    def _place(self, provider: str) -> dict[str, Any]:
        called = [each for each in self.facilities if provider and each.is_called(provider)]
        found = called or (self.facilities if len(self.facilities) == 1 else [])
        if not found:
            return {"facility": None, "facility_type": FacilityType.HOSPITAL.value, "time_zone": self.zone}
        kind = found[0].rules_as or FacilityType.HOSPITAL
        return {"facility": found[0].id, "facility_type": kind.value, "time_zone": found[0].time_zone}

    def facts_of(self, found: Sequence[Read]) -> list[EncounterFacts]:
        """Facts as they were read or kept, with practitioners, facility and person as they are known by now."""
        self._learn({id for each in found for id in packed.practitioners_in(each.packed)})
        persons = identity.persons_of({each.patient for each in found if each.patient})
        return [
            packed.unpack(
                each.packed,
                self.known,
                person=persons.get(each.patient),
                **self.place(packed.provider_in(each.packed)),
            )
            for each in found
        ]

    def _learn(self, named: Set[str]) -> None:
        """Practitioners as the directory has them: merged entries are one, and credentials and numbers are
        known."""
        asked = named - self.asked
        if asked:
            self.asked |= asked
            for id, entry in people.practitioners_by_public_id(self.ctx, asked).items():
                # Many senders write the credentials behind the name; a number that is no valid NPI is kept as said.
                held = " ".join(filter(None, (entry.suffix, entry.credentials)))
                npi = entry.npi or next((value for system, value in entry.identifiers if system == _NPI), "")
                self.known[id] = Party(entry.public_ids[0], entry.listed, "", held, npi)


@cache
def shape() -> int:
    """A number of 64 bits for the manner in which facts are read and kept; a change makes what is kept old."""
    digest = hashlib.sha256(__version__.encode())
    for file in (__file__, *(each.__file__ for each in (reading, pieces, packed, facts))):
        digest.update(Path(str(file)).read_bytes())
    for data in ("clinical.yaml", "pieces.yaml"):
        digest.update((Path(__file__).parent / "data" / data).read_bytes())
    return int.from_bytes(digest.digest()[:8], "big", signed=True)
