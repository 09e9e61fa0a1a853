"""Facts of a chart from the record's resources as they stand; nothing is decided here.

Practitioners are as the record names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from charthouse.record import api as record

from .domain.facts import (
    ConsultFact,
    DiagnosisFact,
    Disposition,
    DocumentFact,
    EncounterFacts,
    EncounterKind,
    Move,
    OrderFact,
    Party,
    Phase,
    ProcedureFact,
    Role,
    Side,
    Signature,
    SpecimenFact,
    Taking,
)
from .domain.pieces import Coding, codings_of, examinations, piece_of

Json = Mapping[str, Any]

_DATA = Path(__file__).parent / "data" / "clinical.yaml"
_PCS = ("http://www.cms.gov/Medicare/Coding/ICD10", "http://hl7.org/fhir/sid/icd-10-pcs")
_OURS = "urn:charthouse:fhir:StructureDefinition:"
#: Extensions that HL7 v2 is mapped to: PR1-9, and ORC-11 with its time.
ANESTHESIA, AUTHENTICATED = f"{_OURS}procedure-anesthesia", f"{_OURS}order-authenticated"
#: Where a document says who attests it.
_SIGNING = frozenset({"authenticator", "attester", "extension"})
_FIRST_YEAR, _LAST_YEAR = 1800, 2999
#: Documents whose words are looked at.
_READ = frozenset({"operative-report", "procedure-report", "brief-operative-note", "consent"})
_SIDES = re.compile(r"\b(left|right|bilateral)\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"^\W*(?:procedures?|operations?|procedures? performed|operations? performed|(?:pre|post)operative diagnosis"
    r"|i consent to|consent to)\s*:(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_OPERATED = re.compile(
    r"^\W*date(?: of (?:the )?(?:operation|surgery|procedure|service))?\s*:\s*"
    r"(?:(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})-(\d{2})-(\d{2}))",
    re.IGNORECASE | re.MULTILINE,
)


class Codes:
    """The file ``clinical.yaml``, made ready."""

    def __init__(self) -> None:
        told: dict[str, Any] = yaml.safe_load(_DATA.read_text("utf-8"))
        self.operation = re.compile("|".join(told["operation"]["icd10pcs"]))
        self.operation_codes = {
            (system, code) for system, codes in told["operation"]["codes"].items() for code in codes
        }
        self.emergency = frozenset(told["emergency"]["categories"])
        self.emergency_modifiers = frozenset(told["emergency"]["modifiers"])
        self.tissue = re.compile("|".join(told["tissue"]["icd10pcs"]))
        self.performers = {code: Role(role) for role, codes in told["performers"].items() for code in codes}
        self.no_anesthesia: tuple[str, ...] = tuple(told["anesthesia"]["none"])
        self.general: tuple[str, ...] = tuple(told["anesthesia"]["general"])
        self.verbal = tuple(told["verbal"])
        self.consultation = tuple(told["consultation"])
        self.pathology = tuple(told["pathology"])
        self.tissue_specimens = frozenset(told["tissue_specimens"])
        self.kinds = {
            code: EncounterKind(kind) if kind != "none" else None
            for kind, codes in told["encounter"].items()
            for code in codes
        }
        self.roles = {code: Role(role) for role, codes in told["participation"].items() for code in codes}
        self.dispositions = {code: Disposition(how) for how, codes in told["disposition"].items() for code in codes}
        claim = told["claim_disposition"]
        self.claim_dispositions = {
            (system, code): Disposition(how)
            for system in claim["systems"]
            for how, codes in claim["codes"].items()
            for code in codes
        }
        self.notes = frozenset(told["notes"])
        self.final = frozenset(told["final_diagnosis"])


@cache
def codes() -> Codes:
    """What codes mean to completion."""
    return Codes()


def encounter_of(stored: record.Stored, **belonging: Any) -> EncounterFacts:
    """An Encounter with what belongs to it, by the names of the facts. A clinic visit with an operation is same-day
    surgery."""
    resource = orjson.loads(stored.content)
    period = _object(resource.get("period"))
    start, end = _instant(period.get("start")), _instant(period.get("end"))
    status = str(resource.get("status") or "")
    if status in ("in-progress", "arrived", "triaged", "onleave"):
        end = None
    phases = tuple(_phases(resource, start, end))
    kinds = {each.kind for each in phases}
    kind = next((each for each in _MOST if each in kinds), EncounterKind.CLINIC)
    operated = any(each.operation and each.done for each in belonging.get("procedures", ()))
    if kind is EncounterKind.CLINIC and operated:
        kind = EncounterKind.SAME_DAY_SURGERY
    inside = [each.since for each in phases if each.kind in _INSIDE]
    hospitalization = _object(resource.get("hospitalization"))
    provider = _object(resource.get("serviceProvider"))
    return EncounterFacts(
        id=stored.public_id,
        kind=kind,
        status=status,
        start=start,
        end=end,
        admitted=min(inside, default=None),
        disposition=_disposition(hospitalization.get("dischargeDisposition")),
        row=stored.row,
        patient=stored.patient or 0,
        number=_number(resource),
        provider=str(provider.get("display") or ""),
        service=_text(resource.get("serviceType")),
        labels=stored.labels,
        phases=phases,
        moves=tuple(_moves(resource)),
        takings=tuple(_takings(resource)),
        diagnoses=tuple(_diagnoses(resource)),
        **belonging,
    )


_MOST = (
    EncounterKind.INPATIENT,
    EncounterKind.OBSERVATION,
    EncounterKind.EMERGENCY,
    EncounterKind.SAME_DAY_SURGERY,
)
_INSIDE = frozenset({EncounterKind.INPATIENT, EncounterKind.OBSERVATION})


def _phases(resource: Json, start: datetime | None, end: datetime | None) -> Iterable[Phase]:
    """The levels of care in order. An outpatient after the emergency department is observed."""
    told: list[tuple[str, datetime | None, datetime | None]] = []
    for each in _objects(resource.get("classHistory")):
        span = _object(each.get("period"))
        code = str(_object(each.get("class")).get("code") or "")
        told.append((code, _instant(span.get("start")), _instant(span.get("end"))))
    since = told[-1][2] if told else start
    told.append((str(_object(resource.get("class")).get("code") or ""), since, end))
    emergency = False
    for place, (code, begun, until) in enumerate(told):
        kind = codes().kinds.get(code, EncounterKind.CLINIC)
        if kind is None:
            continue
        if kind is EncounterKind.EMERGENCY:
            emergency = True
        elif kind is EncounterKind.CLINIC and emergency:
            kind = EncounterKind.OBSERVATION
        begun = begun or (start if place == 0 else None) or start
        if begun is not None:
            yield Phase(kind, begun, until)


def _moves(resource: Json) -> Iterable[Move]:
    for each in _objects(resource.get("location")):
        if each.get("status") in ("planned", "reserved") or each.get("extension"):
            continue
        span = _object(each.get("period"))
        since = _instant(span.get("start"))
        if since is not None:
            place = str(_object(each.get("location")).get("display") or "")
            yield Move(place, since, _instant(span.get("end")))


def _takings(resource: Json) -> Iterable[Taking]:
    for each in _objects(resource.get("participant")):
        who = party(each.get("individual"))
        if who is None:
            continue
        role = next((codes().roles[code] for code in _codes(each.get("type")) if code in codes().roles), Role.OTHER)
        span = _object(each.get("period"))
        yield Taking(who, role, _instant(span.get("start")), _instant(span.get("end")))


def _diagnoses(resource: Json) -> Iterable[DiagnosisFact]:
    for each in _objects(resource.get("diagnosis")):
        condition = _object(each.get("condition"))
        said = set(_codes(each.get("use")))
        # One that says nothing of its use is not told apart from a final one.
        final = not said or bool(said & codes().final)
        number = str(condition.get("reference") or "").rpartition("/")[2]
        yield DiagnosisFact(number, str(condition.get("display") or ""), final, each.get("rank") == 1)


def _disposition(concept: Any) -> Disposition | None:
    listed = _codings(concept)
    said = [codes().dispositions[code] for _, code in listed if code in codes().dispositions]
    said += [
        codes().claim_dispositions[system, code.zfill(2)]
        for system, code in listed
        if (system, code.zfill(2)) in codes().claim_dispositions
    ]
    if said:
        return said[0]
    return Disposition.OTHER if isinstance(concept, dict) and concept else None


def _number(resource: Json) -> str:
    """The visit's number: that of type VN, else the first."""
    listed = _objects(resource.get("identifier"))
    for each in listed:
        if "VN" in _codes(each.get("type")):
            return str(each.get("value") or "")
    return str(listed[0].get("value") or "") if listed else ""


def document_of(stored: record.Stored, site: Mapping[Coding, str] | None = None) -> DocumentFact | None:
    """A DocumentReference, Composition or DiagnosticReport; None for one that was retracted or replaced."""
    resource = orjson.loads(stored.content)
    status = str(resource.get("status") or "")
    if record.is_retracted(resource) or status in ("superseded", "cancelled"):
        return None
    report = stored.type == "DiagnosticReport"
    said = resource.get("code") if report else resource.get("type")
    listed = _codings(said)
    piece = piece_of(codings_of(resource), site)
    if report and (piece is None or piece == "laboratory-report"):
        category = {code for each in _items(resource.get("category")) for code in _codes(each)}
        piece = "pathology-report" if category & set(codes().pathology) else piece
    read = _words(resource) if piece in _READ else ""
    operated = _operated(read) if read else None
    # Most documents say nothing of a life of theirs; asking is dearer than all else that is read of them.
    more = "extension" in resource or "relatesTo" in resource
    return DocumentFact(
        id=stored.public_id,
        type=stored.type,
        version=stored.version,
        piece=piece,
        codings=tuple(listed),
        title=str(resource.get("description") or _object(said).get("text") or resource.get("title") or ""),
        stage=_stage(resource),
        status=status,
        doc_status=str(resource.get("docStatus") or ("" if stored.type == "DocumentReference" else status)),
        authored=_authored(resource, piece),
        recorded=_instant(resource.get("date") or resource.get("issued")) or stored.filed_at,
        signatures=tuple(
            Signature(_party(each.party), _instant(each.at), each.meaning.value)
            for each in (record.attestations(resource) if not report and not _SIGNING.isdisjoint(resource) else ())
        ),
        authors=tuple(_party(each) for each in _writers(resource, report)),
        unsigned=status in ("registered", "partial", "preliminary") if report else record.is_unsigned(resource),
        corrected="amended" if "amended" in (resource.get("docStatus"), status) else "",
        sides=_sides(read) if read else frozenset(),
        operated_on=operated,
        procedure=_procedure(resource),
        added_to=tuple(record.added_to(resource)) if more else (),
        number=_own_number(resource),
    )


def coded(stored: record.Stored) -> list[Coding]:
    """The codings of what a report is a report of."""
    return _codings(orjson.loads(stored.content).get("code"))


def _stage(resource: Json) -> str:
    if "extension" not in resource:
        return ""
    return next((each.stage.value for each in reversed(record.stages(resource))), "")


def _own_number(resource: Json) -> str:
    """A document's number at its sender."""
    listed = [resource.get("masterIdentifier"), *_items(resource.get("identifier"))]
    return next((str(each["value"]) for each in listed if isinstance(each, dict) and each.get("value")), "")


def _authored(resource: Json, piece: str | None) -> datetime | None:
    """When a document was written. Of an examination it is when it was done, where that is told as a moment; a time
    of service that has an end is that of the whole visit."""
    if piece in codes().notes and (at := _taken(resource)) is not None:
        # A report that is a note: it is issued anew whenever something of it changes.
        return at
    period = _object(_object(resource.get("context")).get("period"))
    done = None if period.get("end") else _instant(period.get("start"))
    written = _instant(resource.get("date") or resource.get("issued"))
    if piece in examinations():
        return done or written or _instant(period.get("start"))
    return written or done or _instant(resource.get("effectiveDateTime"))


def _taken(resource: Json) -> datetime | None:
    """When what a DiagnosticReport tells was so; None of what is none."""
    span = _object(resource.get("effectivePeriod"))
    return _instant(resource.get("effectiveDateTime") or span.get("start"))


def _writers(resource: Json, report: bool) -> list[record.Party]:
    if not report:
        return record.authors(resource)
    named = [*_items(resource.get("resultsInterpreter")), *_items(resource.get("performer"))]
    return [found for each in named if (found := record.party_of(each)) is not None]


def _procedure(resource: Json) -> str:
    """The Procedure a document is about."""
    related = _items(_object(resource.get("context")).get("related"))
    if "event" in resource:
        related = [*related, *(one for each in _objects(resource["event"]) for one in _items(each.get("detail")))]
    for each in related:
        kind, _, number = str(_object(each).get("reference") or "").partition("/")
        if kind == "Procedure":
            return number
    return ""


def _words(resource: Json) -> str:
    """The text of a document that is one text; what is kept apart is not fetched for this."""
    return record.own_text(resource) or ""


def _sides(text: str) -> frozenset[Side]:
    """The sides that a text names in the lines that say what is operated on; of one without such lines, all."""
    lines = _ABOUT.findall(text)
    return frozenset(Side(each.lower()) for each in _SIDES.findall(" ".join(lines) if lines else text))


def _operated(text: str) -> date | None:
    match = _OPERATED.search(text)
    if match is None:
        return None
    month, day, year, *iso = match.groups()
    try:
        return date(int(year), int(month), int(day)) if year else date(*map(int, iso))
    except ValueError:
        return None


def procedure_of(stored: record.Stored) -> ProcedureFact:
    """A Procedure."""
    resource, known = orjson.loads(stored.content), codes()
    code = resource.get("code")
    listed = _codings(code)
    pcs = [value.replace(".", "").upper() for system, value in listed if system in _PCS]
    categories = set(_codings(resource.get("category")))
    performers = []
    for each in _objects(resource.get("performer")):
        who = party(each.get("actor"))
        if who is not None:
            roles = [known.performers[one] for one in _codes(each.get("function")) if one in known.performers]
            performers.append((roles[0] if roles else Role.OTHER, who))
    if performers and all(role is Role.OTHER for role, _ in performers):
        performers[0] = (Role.SURGEON, performers[0][1])
    period = _object(resource.get("performedPeriod"))
    title = _text(code)
    told = _anesthesia(resource)
    asleep = any(role is Role.ANESTHETIST for role, _ in performers)
    sides = {Side(each.lower()) for each in _SIDES.findall(f"{title} {_text(resource.get('bodySite'))}")}
    return ProcedureFact(
        id=stored.public_id,
        title=title,
        status=str(resource.get("status") or ""),
        operation=any(known.operation.fullmatch(each) for each in pcs)
        or not categories.isdisjoint(known.operation_codes)
        or not set(listed).isdisjoint(known.operation_codes),
        start=_instant(period.get("start") or resource.get("performedDateTime")),
        end=_instant(period.get("end")),
        performers=tuple(performers),
        side=next(iter(sides)) if len(sides) == 1 else None,
        anesthesia=True if asleep else told not in known.no_anesthesia if told else None,
        general=any(word in told for word in known.general) if told else None,
        tissue=True if any(known.tissue.fullmatch(each) for each in pcs) else None,
        emergency=any(value.upper() in known.emergency for _, value in categories)
        or any(value.rpartition(":")[2] in known.emergency_modifiers for _, value in listed if ":" in value),
    )


def _anesthesia(resource: Json) -> str:
    for each in _objects(resource.get("extension")):
        if each.get("url") == ANESTHESIA:
            return _text(each.get("valueCodeableConcept")).casefold()
    return ""


def order_of(stored: record.Stored) -> OrderFact:
    """A ServiceRequest or MedicationRequest that was given by word of mouth."""
    resource = orjson.loads(stored.content)
    said = {code for each in _items(resource.get("category")) for code in _codes(each)}
    return OrderFact(
        id=stored.public_id,
        type=stored.type,
        title=_text(resource.get("code") or resource.get("medicationCodeableConcept")),
        status=str(resource.get("status") or ""),
        verbal=bool(said & set(codes().verbal)) or None,
        ordered=_instant(resource.get("authoredOn")),
        orderer=party(resource.get("requester")),
        taken_by=party(resource.get("recorder")),
        authenticated=_authenticated(resource),
    )


def _authenticated(resource: Json) -> datetime | None:
    for each in _objects(resource.get("extension")):
        if each.get("url") == AUTHENTICATED:
            for part in _objects(each.get("extension")):
                if part.get("url") == "at":
                    return _instant(part.get("valueDateTime"))
    return None


def consult_of(stored: record.Stored) -> ConsultFact:
    """A ServiceRequest that asks for a consultation."""
    resource = orjson.loads(stored.content)
    asked = next(iter(_items(resource.get("performer"))), None)
    return ConsultFact(
        id=stored.public_id,
        title=_text(resource.get("code")),
        status=str(resource.get("status") or ""),
        ordered=_instant(resource.get("authoredOn") or resource.get("occurrenceDateTime")),
        asked_by=party(resource.get("requester")),
        asked_of=party(asked),
    )


def specimen_of(stored: record.Stored) -> SpecimenFact:
    """A Specimen."""
    resource = orjson.loads(stored.content)
    collection = _object(resource.get("collection"))
    at = _instant(collection.get("collectedDateTime") or _object(collection.get("collectedPeriod")).get("start"))
    tissue = not codes().tissue_specimens.isdisjoint(_codes(resource.get("type")))
    return SpecimenFact(stored.public_id, at, tissue)


# FHIR's data types, of whatever quality


def party(reference: Any) -> Party | None:
    """A practitioner or account that a Reference names; None for none and for what is neither."""
    found = record.party_of(reference)
    if found is None or found.key.partition("/")[0] in ("Organization", "Location", "Patient", "Device"):
        return None
    return _party(found)


@lru_cache(maxsize=4096)
def _called(key: str, name: str) -> Party:
    kind, slash, number = key.partition("/")
    if slash and kind == "Practitioner":
        return Party(number, name)
    return Party("", name, key if key.startswith("user:") else "")


def _party(found: record.Party) -> Party:
    return _called(found.key, found.name)


def _instant(text: Any) -> datetime | None:
    return _moment(text) if isinstance(text, str) else None


@lru_cache(maxsize=256)
def _moment(text: str) -> datetime | None:
    # The same moment stands in several places of a resource and its neighbours.
    if len(text) < 10:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Programs write the first and the last year there is for *unknown* and *for ever*; no zone can be asked there.
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return next((each for each in value if isinstance(each, dict)), {}) if isinstance(value, list) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _codings(value: Any) -> list[Coding]:
    """The codings of a CodeableConcept, or of several, as (system, code)."""
    return [
        (str(coding.get("system") or ""), coding["code"])
        for each in _objects(value)
        for coding in _objects(each.get("coding"))
        if isinstance(coding.get("code"), str)
    ]


def _codes(value: Any) -> Sequence[str]:
    return [code for _, code in _codings(value)]


def _text(value: Any) -> str:
    for each in _objects(value):
        if each.get("text"):
            return str(each["text"])
        for coding in _objects(each.get("coding")):
            if coding.get("display") or coding.get("code"):
                return str(coding.get("display") or coding.get("code"))
    return ""
