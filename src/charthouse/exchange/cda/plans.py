"""What is to be done: orders, appointments, instructions, goals, interventions."""

from __future__ import annotations

from .encounters import map_encounter_entry
from .mapping import Json, Mapping, NotCoded, code_of, instant_of, negated, status_of, templates, without_empty
from .medications import INTENTS, map_immunization, map_medication, map_supply, product_of
from .observations import map_observation, value_of
from .procedures import map_equipment_entry, map_procedure
from .tree import Element
from .values import interval_of, said

_REQUEST = {
    "active": "active", "completed": "completed", "aborted": "revoked", "cancelled": "revoked",
    "suspended": "on-hold", "held": "on-hold", "nullified": "entered-in-error", "new": "draft",
}  # fmt: skip
_GOAL = {
    "active": "active", "completed": "completed", "aborted": "cancelled", "cancelled": "cancelled",
    "suspended": "on-hold", "held": "on-hold", "nullified": "entered-in-error", "new": "proposed",
}  # fmt: skip
_DETAILS = frozenset(
    f"value{kind}" for kind in ("Quantity", "Range", "CodeableConcept", "String", "Boolean", "Integer", "Ratio")
)
_INSTRUCTION = frozenset({"2.16.840.1.113883.10.20.22.4.20", "2.16.840.1.113883.10.20.1.49"})
_SOMETHING_ELSE = frozenset({"2.16.840.1.113883.10.20.22.4.122", "2.16.840.1.113883.10.20.22.4.143"})


def map_plan_entry(mapping: Mapping, statement: Element) -> bool:
    """Anything of a plan; whether it was read."""
    mood = (statement.get("moodCode") or "").strip()
    tag = statement.tag
    found = templates(statement)
    if found & _SOMETHING_ELSE:
        raise NotCoded("A reference to another entry, or a priority, says nothing by itself.")
    if tag == "observation":
        if mood == "GOL":
            return map_goal(mapping, statement)
        if mood in INTENTS:
            return map_request(mapping, statement)
        return map_observation(mapping, statement, "survey") is not None
    if tag == "encounter":
        return (
            map_appointment(mapping, statement)
            if mood in INTENTS
            else map_encounter_entry(mapping, statement) is not None
        )
    if tag == "substanceAdministration":
        if "2.16.840.1.113883.10.20.22.4.120" in found:
            return map_immunization(mapping, statement)
        return map_medication(mapping, statement)
    if tag == "supply":
        what, _ = product_of(mapping, statement)
        if statement.find("participant") is not None and what is None:
            return map_equipment_entry(mapping, statement)
        return map_supply(mapping, statement)
    if tag == "organizer":
        inner = [
            each
            for component in statement.findall("component")
            for each in component
            if component.get("nullFlavor") is None
        ]
        return mapping.each_of(
            (each for each in inner if each.tag in _STATEMENTS), lambda each: map_plan_entry(mapping, each)
        )
    if tag == "act" and (
        found & _INSTRUCTION or code_of(statement) in ("311401005", "171044003", "409073007", "PINSTRUCT")
    ):
        return map_instruction(mapping, statement)
    if tag in ("act", "procedure"):
        done_inside = _interventions(mapping, statement)
        if mood in INTENTS:
            try:
                return map_request(mapping, statement) or done_inside
            except NotCoded:
                if done_inside:
                    return True
                raise
        try:
            return map_procedure(mapping, statement) or done_inside
        except NotCoded:
            if done_inside:
                return True
            raise
    return False


_STATEMENTS = frozenset(
    {"act", "observation", "organizer", "substanceAdministration", "supply", "procedure", "encounter"}
)


def _interventions(mapping: Mapping, statement: Element) -> bool:
    """What an intervention act gathers."""
    kinds = templates(statement)
    if kinds and not kinds & {"2.16.840.1.113883.10.20.22.4.131", "2.16.840.1.113883.10.20.22.4.146"}:
        return False
    done = False
    for each in mapping.related(statement):
        # An act that names no template may be one as well; what stands by itself within it says what it is.
        if each.tag in _STATEMENTS and not templates(each) & _SOMETHING_ELSE and (kinds or each.get("moodCode")):
            try:
                done = map_plan_entry(mapping, each) or done
            except NotCoded as error:
                mapping.note(str(error))
    return done


def map_request(mapping: Mapping, statement: Element) -> bool:
    """A planned act, observation or procedure as ServiceRequest."""
    what = mapping.concept(statement.find("code"))
    if what is None:
        words = mapping.words_of(statement)
        if not words:
            raise NotCoded("Something planned names neither a code nor words.")
        what = {"text": said(words)[:1000]}
    point, low, high = interval_of(statement.find("effectiveTime"), mapping.zone)
    at, by = mapping.written(statement)
    period = {name: time for name, time in (("start", low), ("end", high)) if time}
    elements = without_empty(
        [
            ("status", _REQUEST.get(status_of(statement), "unknown")),
            ("intent", INTENTS.get((statement.get("moodCode") or "").strip(), "plan")),
            ("doNotPerform", True if negated(statement) else None),
            ("code", what),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter),
            ("occurrencePeriod" if period and not point else "occurrenceDateTime", point or period),
            ("authoredOn", at),
            ("requester", by if by and "reference" in by else None),
            ("performer", [each for each in mapping.performers(statement) if "reference" in each]),
            ("reasonCode", mapping.indication(statement)),
            ("bodySite", [site for each in statement.findall("targetSiteCode") if (site := mapping.concept(each))]),
            ("note", mapping.comments(statement)),
            ("patientInstruction", _patient_words(mapping, statement)),
        ]
    )
    return mapping.put_entry("ServiceRequest", statement, elements) is not None


def _patient_words(mapping: Mapping, statement: Element) -> str:
    return "\n".join(
        words
        for each in mapping.related(statement)
        if each.tag == "act" and templates(each) & _INSTRUCTION and (words := mapping.words_of(each))
    )


def map_appointment(mapping: Mapping, statement: Element) -> bool:
    """A planned encounter as Appointment."""
    point, low, high = interval_of(statement.find("effectiveTime"), mapping.zone)
    start, end = instant_of(low or point or ""), instant_of(high or "")
    booked = (statement.get("moodCode") or "") in ("APT", "INT") and start is not None and end is not None
    what = mapping.concept(statement.find("code"), said(mapping.words_of(statement))[:200])
    participants: list[Json] = [{"actor": mapping.patient, "status": "accepted" if booked else "needs-action"}]
    answer = participants[0]["status"]
    participants += [
        {"actor": who, "status": answer} for who in mapping.performers(statement) if "reference" in who
    ]
    for each in statement.findall("participant"):
        place = mapping.location(each.find("participantRole")) if each.get("typeCode") == "LOC" else None
        if place and "reference" in place:
            participants.append({"actor": place, "status": "accepted" if booked else "needs-action"})
    if what is None and not (low or point):
        raise NotCoded("A planned encounter says neither what nor when.")
    wanted = {name: time for name, time in (("start", low or point), ("end", high)) if time}
    state = status_of(statement)
    elements = without_empty(
        [
            (
                "status",
                "cancelled"
                if state in ("cancelled", "aborted")
                else "entered-in-error"
                if state == "nullified"
                else "booked"
                if booked
                else "proposed",
            ),
            ("serviceType", [what] if what else None),
            ("reasonCode", mapping.indication(statement)),
            ("start", start if booked else None),
            ("end", end if booked else None),
            ("requestedPeriod", [wanted] if wanted and not booked else None),
            ("comment", "\n".join(each["text"] for each in mapping.comments(statement))),
            ("participant", participants),
        ]
    )
    return mapping.put_entry("Appointment", statement, elements) is not None


def map_instruction(mapping: Mapping, statement: Element) -> bool:
    """An instruction to the patient as CommunicationRequest."""
    words = mapping.words_of(statement)
    what = mapping.concept(statement.find("code"))
    if not words and what is None:
        raise NotCoded("An instruction says nothing.")
    at, by = mapping.written(statement)
    state = status_of(statement)
    elements = without_empty(
        [
            ("status", "completed" if state == "completed" else "active"),
            ("category", [what] if what else None),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter),
            ("recipient", [mapping.patient]),
            ("payload", [{"contentString": words}] if words else None),
            ("authoredOn", at),
            ("requester", by if by and "reference" in by else None),
        ]
    )
    return mapping.put_entry("CommunicationRequest", statement, elements) is not None


def map_goal(mapping: Mapping, statement: Element) -> bool:
    """A goal observation as Goal."""
    what = mapping.concept(statement.find("code"))
    value = statement.find("value")
    wanted = value_of(mapping, value) if value is not None else None
    words = said(mapping.words_of(statement))
    if wanted and "valueString" in wanted and not words:
        words = wanted["valueString"]
    description: Json | None = dict(what) if what else None
    if words:
        description = {**(description or {}), "text": words}
    if description is None:
        raise NotCoded("A goal names neither a code nor words.")
    point, low, high = interval_of(statement.find("effectiveTime"), mapping.zone)
    at, by = mapping.written(statement)
    target: Json = {}
    if wanted:
        name, content = next(iter(wanted.items()))
        if name in _DETAILS and what:
            target = {"measure": what, name.replace("value", "detail", 1): content}
    if high:
        target["dueDate"] = high[:10]
    elements = without_empty(
        [
            ("lifecycleStatus", _GOAL.get(status_of(statement), "active")),
            ("description", description),
            ("subject", mapping.patient),
            ("startDate", (low or point or "")[:10]),
            ("target", [target] if target else None),
            ("statusDate", at[:10] if at else None),
            ("expressedBy", by if by and "reference" in by and "Organization/" not in by["reference"] else None),
            ("note", mapping.comments(statement)),
        ]
    )
    return mapping.put_entry("Goal", statement, elements) is not None
