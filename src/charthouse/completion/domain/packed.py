"""Facts of a chart in few bytes, as they are kept beside it, and back.

Practitioners are kept as the record names them; who they are by now is asked of the directory when facts are
unpacked, so that a merged entry or a new credential makes nothing old. What the facility is, and whose person the
patient is, are not kept for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from .facts import (
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

#: Facts as JSON has them, told by their places; the practitioners stand first, others name them by number.
Packed = list[Any]
People = Mapping[str, Party]

#: The place of the provider among what is packed.
_PROVIDER = 11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KINDS = {each.value: each for each in EncounterKind}
_ROLES = {each.value: each for each in Role}
_SIDES = {each.value: each for each in Side}
_DISPOSITIONS = {each.value: each for each in Disposition}


def pack(facts: EncounterFacts) -> Packed:
    """Facts as they were read, before the directory was asked who its practitioners are."""
    told = _Parties()
    rest = [
        facts.id,
        facts.kind.value,
        facts.status,
        _number(facts.start),
        _number(facts.end),
        _number(facts.admitted),
        facts.disposition.value if facts.disposition else None,
        facts.row,
        facts.patient,
        facts.number,
        facts.provider,
        facts.service,
        facts.labels,
        [(each.kind.value, _number(each.since), _number(each.until)) for each in facts.phases],
        [(each.place, _number(each.since), _number(each.until)) for each in facts.moves],
        [
            (told.of(each.who), each.role.value, _number(each.since), _number(each.until))
            for each in facts.takings
        ],
        [_packed_document(each, told) for each in facts.documents],
        [_packed_procedure(each, told) for each in facts.procedures],
        [
            (
                each.id, each.type, each.title, each.status, each.verbal, _number(each.ordered),
                told.of(each.orderer), told.of(each.taken_by), _number(each.authenticated),
            )
            for each in facts.orders
        ],
        [
            (
                each.id, each.title, each.status, _number(each.ordered), told.of(each.asked_by),
                told.of(each.asked_of),
            )
            for each in facts.consults
        ],
        [(each.id, _number(each.collected), each.tissue) for each in facts.specimens],
        [(each.id, each.code, each.final, each.principal) for each in facts.diagnoses],
    ]  # fmt: skip
    return [told.listed, *rest]


def written(packed: Packed) -> bytes:
    """Packed facts as they are kept."""
    return orjson.dumps(packed)


def read(content: bytes) -> Packed:
    """What :func:`written` gave."""
    found: Packed = orjson.loads(content)
    return found


def practitioners_in(packed: Packed) -> Iterable[str]:
    """The ids of the practitioners that packed facts name, for the directory to be asked once for many."""
    return (each[0] for each in packed[0] if each[0])


def provider_in(packed: Packed) -> str:
    """What the sender calls the facility."""
    return str(packed[_PROVIDER])


def unpack(packed: Packed, people: People, **known: Any) -> EncounterFacts:
    """The facts, practitioners being who the directory says they are by now. What is not kept (the facility, the
    person) is as it is ``known``, by the names of the facts, or as of facts that nobody told of."""
    (
        parties, id, kind, status, start, end, admitted, disposition, row, patient, number, provider, service,
        labels, phases, moves, takings, documents, procedures, orders, consults, specimens, diagnoses,
    ) = packed  # fmt: skip
    who: list[Party | None] = [
        (people.get(each[0]) if each[0] else None) or Party(each[0], each[1], each[2]) for each in parties
    ]
    # None is nobody: the last place, found by -1.
    who.append(None)
    return EncounterFacts(
        id=id,
        kind=_KINDS[kind],
        status=status,
        start=_at(start),
        end=_at(end),
        admitted=_at(admitted),
        disposition=_DISPOSITIONS[disposition] if disposition else None,
        row=row,
        patient=patient,
        number=number,
        provider=provider,
        service=service,
        labels=labels,
        phases=tuple(
            [Phase(_KINDS[one], _EPOCH + since * _MICROSECOND, _at(until)) for one, since, until in phases]
        ),
        moves=tuple([Move(place, _EPOCH + since * _MICROSECOND, _at(until)) for place, since, until in moves]),
        takings=tuple(
            [
                Taking(_somebody(who, one), _ROLES[role], _at(since), _at(until))
                for one, role, since, until in takings
            ]
        ),
        documents=tuple([_document(each, who) for each in documents]),
        procedures=tuple([_procedure(each, who) for each in procedures]),
        orders=tuple(
            [
                OrderFact(one, type, title, state, verbal, _at(ordered), who[by], who[taker], _at(signed))
                for one, type, title, state, verbal, ordered, by, taker, signed in orders
            ]
        ),
        consults=tuple(
            [
                ConsultFact(one, title, state, _at(ordered), who[by], who[of])
                for one, title, state, ordered, by, of in consults
            ]
        ),
        specimens=tuple([SpecimenFact(one, _at(collected), tissue) for one, collected, tissue in specimens]),
        diagnoses=tuple([DiagnosisFact(*each) for each in diagnoses]),
        **known,
    )


class _Parties:
    """Practitioners by number, each once."""

    def __init__(self) -> None:
        self.listed: list[tuple[str, str, str]] = []
        self._numbers: dict[tuple[str, str, str], int] = {}

    def of(self, party: Party | None) -> int:
        if party is None:
            return -1
        key = (party.id, party.name, party.account)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.listed)
            self.listed.append(key)
        return number


def _packed_document(fact: DocumentFact, told: _Parties) -> tuple[Any, ...]:
    return (
        fact.id,
        fact.type,
        fact.version,
        fact.piece,
        fact.codings,
        fact.title,
        fact.stage,
        fact.status,
        fact.doc_status,
        _number(fact.authored),
        _number(fact.recorded),
        [(told.of(each.who), _number(each.at), each.meaning) for each in fact.signatures],
        [told.of(each) for each in fact.authors],
        told.of(fact.supervisor),
        fact.unsigned,
        fact.corrected,
        sorted(each.value for each in fact.sides),
        fact.operated_on.toordinal() if fact.operated_on else None,
        fact.procedure,
        fact.added_to,
        fact.number,
    )


def _document(packed: Packed, who: list[Party | None]) -> DocumentFact:
    (
        id, type, version, piece, codings, title, stage, status, doc_status, authored, recorded, signatures,
        authors, supervisor, unsigned, corrected, sides, operated, procedure, added, number,
    ) = packed  # fmt: skip
    return DocumentFact(
        id,
        type,
        version,
        piece,
        tuple([(system, code) for system, code in codings]),
        title,
        stage,
        status,
        doc_status,
        _at(authored),
        _at(recorded),
        tuple([Signature(_somebody(who, by), _at(at), meaning) for by, at, meaning in signatures]),
        tuple([_somebody(who, by) for by in authors]),
        who[supervisor],
        unsigned,
        corrected,
        frozenset([_SIDES[each] for each in sides]),
        None if operated is None else date.fromordinal(operated),
        procedure,
        tuple(added),
        number,
    )


def _packed_procedure(fact: ProcedureFact, told: _Parties) -> tuple[Any, ...]:
    return (
        fact.id,
        fact.title,
        fact.status,
        fact.operation,
        _number(fact.start),
        _number(fact.end),
        [(role.value, told.of(who)) for role, who in fact.performers],
        fact.side.value if fact.side else None,
        fact.anesthesia,
        fact.general,
        fact.tissue,
        fact.emergency,
    )


def _procedure(packed: Packed, who: list[Party | None]) -> ProcedureFact:
    id, title, status, operation, start, end, performers, side, anesthesia, general, tissue, emergency = packed
    return ProcedureFact(
        id,
        title,
        status,
        operation,
        _at(start),
        _at(end),
        tuple([(_ROLES[role], _somebody(who, one)) for role, one in performers]),
        _SIDES[side] if side else None,
        anesthesia,
        general,
        tissue,
        emergency,
    )


def _somebody(who: list[Party | None], number: int) -> Party:
    found = who[number]
    if found is None:
        raise ValueError("Packed facts name nobody where somebody is.")
    return found


def _number(at: datetime | None) -> int | None:
    """A moment as microseconds since 1970."""
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def _at(number: int | None) -> datetime | None:
    return None if number is None else _EPOCH + number * _MICROSECOND
