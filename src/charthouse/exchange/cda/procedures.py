"""Procedures that were performed, and the devices that were used or given."""

from __future__ import annotations

from .mapping import Json, Mapping, NotCoded, negated, status_of, without_empty
from .observations import map_observation
from .tree import Element
from .values import identifiers, interval_of, quantity, said

_STATUS = {
    "completed": "completed", "active": "in-progress", "aborted": "stopped", "cancelled": "not-done",
    "suspended": "on-hold",
    "held": "on-hold", "nullified": "entered-in-error", "new": "preparation",
}  # fmt: skip
_UDI = "2.16.840.1.113883.3.3719"


def map_procedure(mapping: Mapping, statement: Element) -> bool:
    """A procedure activity (procedure, act, observation) as Procedure, its devices as Device; whether it was."""
    if statement.tag == "observation" and _has_value(statement):
        return map_observation(mapping, statement, "procedure") is not None
    what = mapping.concept(statement.find("code"))
    words = mapping.words_of(statement)
    if what is None:
        if not words:
            raise NotCoded("A procedure names neither a code nor words.")
        what = {"text": said(words)[:1000]}
    devices = [found for each in statement.findall("participant") if (found := map_device(mapping, each))]
    places = [
        place
        for each in statement.findall("participant")
        if each.get("typeCode") == "LOC"
        and (place := mapping.location(each.find("participantRole")))
        and "reference" in place
    ]
    _, by = mapping.written(statement)
    status = _STATUS.get(status_of(statement), "unknown")
    outcome = next(
        (
            mapping.concept(each.find("value"))
            for each in mapping.related(statement, "OUTC")
            if each.find("value") is not None
        ),
        None,
    )
    elements = without_empty(
        [
            ("status", "not-done" if negated(statement) else status),
            ("code", what),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter),
            *mapping.choice("performed", statement.find("effectiveTime")).items(),
            ("recorder", by if by and "Practitioner/" in by.get("reference", "") else None),
            ("performer", [{"actor": who} for who in mapping.performers(statement) if "reference" in who]),
            ("location", places[0] if places else None),
            ("reasonCode", mapping.indication(statement)),
            ("bodySite", [site for each in statement.findall("targetSiteCode") if (site := mapping.concept(each))]),
            ("outcome", outcome),
            ("note", mapping.comments(statement)),
            ("focalDevice", [{"manipulated": each} for each in devices]),
        ]
    )
    return mapping.put_entry("Procedure", statement, elements) is not None


def _has_value(statement: Element) -> bool:
    value = statement.find("value")
    return (
        value is not None
        and not value.get("nullFlavor")
        and (len(value) > 0 or bool(value.text and value.text.strip()) or len(value.attrib) > 1)
    )


def map_device(mapping: Mapping, participant: Element) -> Json | None:
    """A product instance as Device."""
    if participant.get("typeCode") not in ("DEV", "PRD", None):
        return None
    role = participant.find("participantRole")
    device = role.find("playingDevice") if role is not None else None
    if role is None or device is None:
        return None
    what = mapping.concept(device.find("code"), said(device.findtext("manufacturerModelName")))
    numbers = [each for each in role.findall("id") if not each.get("nullFlavor")]
    if what is None and not numbers:
        return None
    carriers = [
        {"carrierHRF": said(each.get("extension")), **_udi(said(each.get("extension")))}
        for each in numbers
        if each.get("root") == _UDI and said(each.get("extension"))
    ]
    maker = role.find("scopingEntity/desc")
    elements = without_empty(
        [
            ("identifier", identifiers(numbers)),
            ("udiCarrier", carriers),
            ("status", "active"),
            ("manufacturer", said(maker.text) if maker is not None else None),
            ("type", what),
            ("patient", mapping.patient),
        ]
    )
    return mapping.put("Device", mapping.key(role), elements)


def _udi(text: str) -> Json:
    """The device identifier in a UDI as GS1 writes it: ``(01)`` and fourteen digits."""
    start = text.find("(01)")
    number = text[start + 4 : start + 18] if start >= 0 else ""
    return {"deviceIdentifier": number} if len(number) == 14 and number.isdigit() else {}


def map_equipment_entry(mapping: Mapping, statement: Element) -> bool:
    """Medical equipment: a device the patient has or uses, alone or in an organizer; whether there was one."""
    if statement.tag == "organizer" or statement.tag == "act":
        inner = [each for component in statement.findall("component") for each in component]
        inner += list(mapping.related(statement))
        return mapping.each_of(
            (each for each in inner if each.tag in ("supply", "procedure", "organizer")),
            lambda each: map_equipment_entry(mapping, each),
        )
    if statement.tag == "procedure":
        return map_procedure(mapping, statement)
    if statement.tag == "observation":
        return map_observation(mapping, statement, "device") is not None
    if statement.tag != "supply":
        return False
    device = next(
        (found for each in statement.findall("participant") if (found := map_device(mapping, each))), None
    )
    what = mapping.concept(statement.find("product/manufacturedProduct/manufacturedMaterial/code"))
    if device is None and what is None:
        raise NotCoded("A supply names no device.")
    if device is None:
        device = mapping.put(
            "Device", mapping.key(statement), without_empty([("type", what), ("patient", mapping.patient)])
        )
    point, low, high = interval_of(statement.find("effectiveTime"), mapping.zone)
    recorded, by = mapping.written(statement)
    amount = quantity(statement.find("quantity"))
    if (statement.get("moodCode") or "EVN") != "EVN":
        elements = without_empty(
            [
                ("status", "active"),
                ("intent", "order"),
                ("codeReference", device),
                ("subject", mapping.patient),
                ("authoredOn", recorded),
                ("occurrenceDateTime", low or point),
                ("requester", by if by and "reference" in by else None),
            ]
        )
        return mapping.put_entry("DeviceRequest", statement, elements) is not None
    state = status_of(statement)
    period = {name: at for name, at in (("start", low), ("end", high)) if at}
    elements = without_empty(
        [
            ("status", "entered-in-error" if state == "nullified" else "completed" if high else "active"),
            ("subject", mapping.patient),
            ("timingPeriod" if period else "timingDateTime", period or point),
            ("recordedOn", recorded),
            ("device", device),
            ("note", [{"text": f"Quantity: {_plain(statement)}"}] if amount else None),
        ]
    )
    return mapping.put_entry("DeviceUseStatement", statement, elements) is not None


def _plain(statement: Element) -> str:
    amount = statement.find("quantity")
    assert amount is not None
    return f"{said(amount.get('value'))} {said(amount.get('unit'))}".strip()
