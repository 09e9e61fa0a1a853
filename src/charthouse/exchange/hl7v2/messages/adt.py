"""ADT: admissions, discharges, transfers; persons; merges."""

from __future__ import annotations

from typing import Literal

from charthouse.exchange.hl7v2.datatypes import Json, coded, concept, identifier
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.keys import identifier_key
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.plan import Effect, Merge
from charthouse.exchange.hl7v2.segments.account import map_coverages, map_guarantor
from charthouse.exchange.hl7v2.segments.findings import map_allergy, map_diagnosis, map_procedure
from charthouse.exchange.hl7v2.segments.order import map_loose_observations
from charthouse.exchange.hl7v2.segments.referral import map_referral

from .parts import Part, begin, loose_observations

VISIT_EFFECTS = {
    "A01": Effect.ADMIT,
    "A02": Effect.TRANSFER,
    "A03": Effect.DISCHARGE,
    "A04": Effect.REGISTER,
    "A05": Effect.PREADMIT,
    "A06": Effect.CLASS,
    "A07": Effect.CLASS,
    "A08": Effect.UPDATE,
    "A09": Effect.TRACK,
    "A10": Effect.TRACK,
    "A11": Effect.CANCEL_ADMIT,
    "A12": Effect.CANCEL_TRANSFER,
    "A13": Effect.CANCEL_DISCHARGE,
    "A14": Effect.PEND_ADMIT,
    "A15": Effect.PEND_TRANSFER,
    "A16": Effect.PEND_DISCHARGE,
    "A17": Effect.TRANSFER,  # two patients swap beds: each goes where the message now has them
    "A21": Effect.LEAVE,
    "A22": Effect.RETURN,
    "A25": Effect.CANCEL_PEND_DISCHARGE,
    "A26": Effect.CANCEL_PEND_TRANSFER,
    "A27": Effect.CANCEL_PEND_ADMIT,
    "A38": Effect.CANCEL_ADMIT,
    "A52": Effect.CANCEL_LEAVE,
    "A53": Effect.CANCEL_RETURN,
    "A54": Effect.UPDATE,
    "A55": Effect.UPDATE,
    "A61": Effect.UPDATE,
    "A62": Effect.UPDATE,
}
"""What each event does to the visit. Others (persons, merges) mention the visit at most."""

_PERSON = {"A28", "A29", "A31", "A60"}
_PATIENT_MERGE = {"A18", "A30", "A34", "A36", "A39", "A40"}
_PATIENT_CHANGE = {"A46", "A47"}
_ACCOUNT_MERGE = {"A35", "A36", "A41"}
_ACCOUNT_CHANGE = {"A06", "A07", "A49"}
_VISIT_MERGE = {"A42"}
_VISIT_CHANGE = {"A50"}
_ACCOUNT_MOVE = {"A44"}
_VISIT_MOVE = {"A45"}
_KNOWN = (
    VISIT_EFFECTS.keys()
    | _PERSON
    | _PATIENT_MERGE
    | _PATIENT_CHANGE
    | _ACCOUNT_MERGE
    | _ACCOUNT_CHANGE
    | _VISIT_MERGE
    | _VISIT_CHANGE
    | _ACCOUNT_MOVE
    | _VISIT_MOVE
)
_FOREIGN = frozenset({"SCH", "RGS", "AIS", "AIG", "AIL", "AIP", "TXA", "ORC", "OBR", "SPM", "RXA", "RXE", "RXO"})


def check(trigger: str) -> None:
    """Raise Unsupported for an ADT event that is not filed."""
    if trigger not in _KNOWN:
        raise unsupported("ADT", trigger)


def map_part(mapping: Mapping, part: Part) -> None:
    """One patient of an ADT message."""
    trigger = mapping.envelope.trigger
    effect = VISIT_EFFECTS.get(trigger, Effect.MENTION)
    begin(mapping, part, effect, at_field=True)
    _check_event(mapping, part)
    assert mapping.patient is not None
    if trigger == "A29":
        mapping.patient.resource["active"] = False
        mapping.warn("A29 asks to delete the person; the patient is marked inactive and nothing is deleted.")
    elif trigger in ("A01", "A04", "A05", "A28"):
        mapping.patient.resource["active"] = True
    _merges(mapping, part)
    _body(mapping, part)


def _check_event(mapping: Mapping, part: Part) -> None:
    event = next((segment for segment in part.head if segment.name == "EVN"), None)
    if event is not None and event.get(1) and event.get(1).upper() != mapping.envelope.trigger:
        mapping.warn("EVN-1 names another event than MSH-9; MSH-9 counts.", event, 1)
    foreign = sorted({segment.name for segment in part.body if segment.name in _FOREIGN})
    foreign += sorted({segment.name for segment in part.head if segment.name in _FOREIGN})
    if foreign:
        names = ", ".join(dict.fromkeys(foreign))
        mapping.warn(
            f"{names} do not belong to {mapping.envelope.event}; they are kept in the original message only."
        )


def _body(mapping: Mapping, part: Part) -> None:
    foreign = any(segment.name in ("ORC", "OBR", "TXA") for segment in part.body)
    diagnoses: list[Json] = []
    financial: list[Segment] = []
    for number, segment in enumerate(part.body):
        match segment.name:
            case "AL1" | "IAM":
                map_allergy(mapping, segment)
            case "DG1":
                entry = map_diagnosis(mapping, segment)
                if entry:
                    diagnoses.append(entry)
            case "PR1":
                roles = []
                for follower in part.body[number + 1 :]:
                    if follower.name not in ("ROL", "PRT"):
                        break
                    roles.append(follower)
                map_procedure(mapping, segment, roles)
            case "GT1":
                map_guarantor(mapping, segment)
            case "IN1" | "IN2":
                financial.append(segment)
            case "RF1":
                map_referral(mapping, segment, [])
            case "PDA":
                _death(mapping, segment)
    if financial:
        map_coverages(mapping, financial)
    if diagnoses and mapping.visit is not None:
        mapping.visit.elements["diagnosis"] = diagnoses
    if not foreign:
        scope = mapping.visit_key or mapping.patient_key or ""
        map_loose_observations(mapping, loose_observations(part), scope)


def _death(mapping: Mapping, pda: Segment) -> None:
    """PDA: cause and place of death, as an Observation; and the patient is dead."""
    causes = [found for value in pda.values(1) if (found := concept(value))]
    patient = mapping.patient
    if patient is not None and "deceasedDateTime" not in patient.resource:
        patient.resource["deceasedBoolean"] = True
    if not causes:
        return
    elements: Json = {
        "status": "final",
        "code": coded("http://loinc.org", "69453-9", "Cause of death [US Standard Certificate of Death]"),
        "subject": {"reference": mapping.patient_reference},
        "valueCodeableConcept": causes[0],
    }
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    if len(causes) > 1:
        elements["note"] = [{"text": "Further causes: " + "; ".join(_words(cause) for cause in causes[1:])}]
    certified = mapping.time(pda, 4)
    if certified:
        elements["issued"] = certified if len(certified) > 10 else f"{certified}T00:00:00Z"
    mapping.put("Observation", f"{mapping.patient_key}/PDA", mapping.secured(elements), pda)


def _words(cause: Json) -> str:
    coding = (cause.get("coding") or [{}])[0]
    return str(cause.get("text") or coding.get("display") or coding.get("code") or "")


def _merges(mapping: Mapping, part: Part) -> None:
    trigger = mapping.envelope.trigger
    segments = part.all("MRG")
    needed = _PATIENT_MERGE | _PATIENT_CHANGE | (_ACCOUNT_MERGE - {"A36"}) | _VISIT_MERGE | _VISIT_CHANGE
    if trigger in needed | _ACCOUNT_MOVE | _VISIT_MOVE and not segments:
        raise Hl7Error(f"{trigger} must say in MRG what is merged or moved, and MRG is missing.", "MRG")
    for mrg in segments:
        if trigger in _PATIENT_MERGE:
            _patient(mapping, part, mrg, "merge")
        if trigger in _PATIENT_CHANGE:
            _patient(mapping, part, mrg, "change")
        if trigger in _ACCOUNT_MERGE:
            _account(mapping, part, mrg, "merge")
        if trigger in _ACCOUNT_CHANGE and mrg.has(3):
            _account(mapping, part, mrg, "change")
        if trigger in _VISIT_MERGE:
            _visit(mapping, part, mrg, "merge")
        if trigger in _VISIT_CHANGE:
            _visit(mapping, part, mrg, "change")
        if trigger in _ACCOUNT_MOVE:
            _account(mapping, part, mrg, "move")
        if trigger in _VISIT_MOVE:
            _visit(mapping, part, mrg, "move")


Action = Literal["merge", "move", "change"]


def _identifiers(mapping: Mapping, segment: Segment, field: int) -> tuple[Json, ...]:
    return tuple(one for value in segment.values(field) if (one := identifier(value, mapping.zone)))


def _record(values: list[Value]) -> str:
    """The natural key of a list of identifiers, chosen as for PID-3."""
    keyed = [value for value in values if value.get(1)]
    for kind in ("MR", "MRN", "PI"):
        for value in keyed:
            if value.get(5).upper() == kind:
                return identifier_key(value)
    return identifier_key(keyed[0]) if keyed else ""


def _patient(mapping: Mapping, part: Part, mrg: Segment, action: Action) -> None:
    prior = _record(mrg.values(1)) or _record(mrg.values(4))
    if not prior:
        raise Hl7Error("The prior patient identifier is missing.", "MRG", mrg.index, 1)
    survivor = mapping.patient_key or ""
    if prior == survivor:
        mapping.warn("The prior patient identifier is the patient's own; there is nothing to merge.", mrg, 1)
        return
    mapping.merges.append(
        Merge(
            "patient",
            action,
            survivor,
            prior,
            mapping.reference("Patient", survivor),
            mapping.reference("Patient", prior),
            _identifiers(mapping, part.pid, 3) or _identifiers(mapping, part.pid, 2),
            _identifiers(mapping, mrg, 1) or _identifiers(mapping, mrg, 4),
            mrg.label,
        )
    )


def _owners(mapping: Mapping, mrg: Segment) -> tuple[str | None, str | None]:
    prior = _record(mrg.values(1)) or _record(mrg.values(4))
    return mapping.patient_reference, mapping.reference("Patient", prior) if prior else None


def _account(mapping: Mapping, part: Part, mrg: Segment, action: Action) -> None:
    prior = identifier_key(mrg.first(3))
    survivor = mapping.account_key or prior
    if not prior:
        raise Hl7Error(
            f"{mapping.envelope.trigger} needs the prior account number, and it is missing.", "MRG", mrg.index, 3
        )
    if not mapping.account_key and action != "move":
        raise Hl7Error(
            f"{mapping.envelope.trigger} needs the account number, and it is missing.", "PID", part.pid.index, 18
        )
    if prior == survivor and action != "move":
        mapping.warn("The prior account number is the account's own; there is nothing to merge.", mrg, 3)
        return
    owner, prior_owner = _owners(mapping, mrg)
    mapping.merges.append(
        Merge(
            "account",
            action,
            survivor,
            prior,
            mapping.reference("Account", survivor),
            mapping.reference("Account", prior),
            _identifiers(mapping, part.pid, 18),
            _identifiers(mapping, mrg, 3),
            mrg.label,
            owner,
            prior_owner or owner,
        )
    )


def _visit(mapping: Mapping, part: Part, mrg: Segment, action: Action) -> None:
    prior = identifier_key(mrg.first(5))
    survivor = mapping.visit_key or prior
    if not prior:
        raise Hl7Error(
            f"{mapping.envelope.trigger} needs the prior visit number, and it is missing.", "MRG", mrg.index, 5
        )
    if prior == survivor and action != "move":
        mapping.warn("The prior visit number is the visit's own; there is nothing to merge.", mrg, 5)
        return
    if action == "move":
        owner, prior_owner = _owners(mapping, mrg)
        if prior_owner is None:
            # Within one patient a visit moves between accounts.
            before = identifier_key(mrg.first(3))
            owner = mapping.account_reference
            prior_owner = mapping.reference("Account", before) if before else None
        if owner is None or prior_owner is None:
            raise Hl7Error("The message does not say where the visit moves from.", "MRG", mrg.index, 1)
    else:
        owner = prior_owner = mapping.patient_reference
    mapping.merges.append(
        Merge(
            "visit",
            action,
            survivor,
            prior,
            mapping.reference("Encounter", survivor),
            mapping.reference("Encounter", prior),
            _identifiers(mapping, part.pv1, 19) if part.pv1 is not None else (),
            _identifiers(mapping, mrg, 5),
            mrg.label,
            owner,
            prior_owner,
        )
    )
