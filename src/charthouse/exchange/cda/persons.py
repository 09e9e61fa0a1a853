"""Family history, care teams, coverage, and notes."""

from __future__ import annotations

from charthouse.foundation.base64 import as_base64

from .mapping import Json, Mapping, NotCoded, code_of, instant_of, status_of, templates, without_empty
from .tree import Element
from .values import (
    boolean,
    coded,
    coding_of,
    identifiers,
    identity,
    interval_of,
    period_of,
    quantity,
    said,
    time_of,
)

_GENDERS = {"M": "male", "F": "female", "UN": "other", "O": "other", "UNK": "unknown"}


def map_family_entry(mapping: Mapping, statement: Element) -> bool:
    """A family history organizer as FamilyMemberHistory; whether it was one."""
    if statement.tag != "organizer":
        return False
    subject = statement.find("subject/relatedSubject")
    relationship = mapping.concept(subject.find("code")) if subject is not None else None
    person = subject.find("subject") if subject is not None else None
    conditions = []
    died: Json = {}
    for component in statement.findall("component"):
        for each in component:
            if each.tag != "observation":
                continue
            value = each.find("value")
            what = mapping.concept(value) if value is not None else None
            if what is None and (words := mapping.words_of(each)):
                what = {"text": said(words)[:1000]}
            if what is None:
                continue
            condition: Json = {"code": what}
            for inner in mapping.related(each):
                if inner.tag != "observation":
                    continue
                if code_of(inner) in (
                    "445518008",
                    "397659008",
                    "63900-5",
                ) or "2.16.840.1.113883.10.20.22.4.31" in templates(inner):
                    if age := quantity(inner.find("value")):
                        condition["onsetAge"] = age
                elif "2.16.840.1.113883.10.20.22.4.47" in templates(inner):
                    condition["contributedToDeath"] = True
                    died = {"deceasedBoolean": True}
            if "onsetAge" not in condition:
                point, low, _ = interval_of(each.find("effectiveTime"), mapping.zone)
                if point or low:
                    condition["onsetString"] = low or point
            if condition not in conditions:
                conditions.append(condition)
    if relationship is None and not conditions:
        raise NotCoded("A family history says neither who nor what.")
    elements = without_empty(
        [
            ("status", "completed"),
            ("patient", mapping.patient),
            ("relationship", relationship or {"text": "Not stated"}),
            ("condition", conditions),
        ]
    )
    if person is not None:
        gender = person.find("administrativeGenderCode")
        code = _GENDERS.get((gender.get("code") or "").strip().upper()) if gender is not None else None
        if code:
            elements["sex"] = coded("http://hl7.org/fhir/administrative-gender", code)
        born = time_of(person.find("birthTime"), mapping.zone)
        if born:
            elements["bornDate"] = born[:10]
        name = person.find("name")
        if name is not None and (words := said(" ".join(name.itertext()))):
            elements["name"] = words
        at = time_of(person.find("sdtc:deceasedTime"), mapping.zone)
        dead = boolean(person.find("sdtc:deceasedInd"))
        if at:
            died = {"deceasedDate": at[:10]}
        elif dead is not None:
            died = {"deceasedBoolean": dead}
    elements |= died
    return mapping.put_entry("FamilyMemberHistory", statement, elements) is not None


def map_care_team_entry(mapping: Mapping, statement: Element) -> bool:
    """A care team organizer as CareTeam; whether it was one."""
    participants: list[Json] = []

    def add(role: Element | None, function: Element | None, period: Json | None) -> None:
        who = mapping.practitioner(role)
        if who is None or "reference" not in who:
            return
        one: Json = {"member": who}
        if what := mapping.concept(function):
            one["role"] = [what]
        if period:
            one["period"] = period
        if one not in participants:
            participants.append(one)

    inner = [
        statement,
        *(each for component in statement.findall("component") for each in component),
        *mapping.related(statement),
    ]
    for each in inner:
        if each.tag not in ("organizer", "act"):
            continue
        for performer in each.findall("performer"):
            function = performer.find("functionCode")
            if function is None:
                function = performer.find("sdtc:functionCode")
            if function is None:
                function = performer.find("assignedEntity/code")
            period = period_of(each.find("effectiveTime"), mapping.zone) if each is not statement else None
            add(performer.find("assignedEntity"), function, period)
        for participant in each.findall("participant"):
            function = participant.find("sdtc:functionCode")
            role = participant.find("participantRole")
            add(role, function, None)
    if not participants:
        raise NotCoded("A care team names nobody.")
    state = {"completed": "inactive", "suspended": "suspended", "aborted": "inactive", "active": "active"}
    name = said(mapping.words_of(statement)).partition("|")[0].strip()
    elements = without_empty(
        [
            ("status", state.get(status_of(statement), "active")),
            ("name", name[:200]),
            ("subject", mapping.patient),
            ("period", period_of(statement.find("effectiveTime"), mapping.zone)),
            ("participant", participants),
        ]
    )
    return mapping.put_entry("CareTeam", statement, elements) is not None


# Coverage

_RELATIONSHIPS = {
    "SELF": "self", "SPOUSE": "spouse", "SPS": "spouse", "CHILD": "child", "CHLD": "child", "NCHILD": "child",
    "PRN": "parent", "PARENT": "parent", "FAMDEP": "other", "DP": "other", "FSTUD": "child", "STUD": "child",
}  # fmt: skip


def map_coverage_entry(mapping: Mapping, statement: Element) -> bool:
    """A coverage activity as a Coverage for each of its policies; whether there was one."""
    policies = [statement] if statement.find("performer") is not None else []
    order: dict[int, int] = {}
    for relationship in statement.findall("entryRelationship"):
        for each in relationship:
            if each.tag == "act" and each not in policies:
                policies.append(each)
                number = relationship.find("sequenceNumber")
                value = (number.get("value") or "") if number is not None else ""
                if value.isascii() and value.isdigit() and int(value[:4]) > 0:
                    order[id(each)] = int(value[:4])
    if len(policies) > 1 and policies[0] is statement:
        policies = policies[1:]
    done = [_policy(mapping, each, order.get(id(each))) for each in policies]
    if not done:
        raise NotCoded("A coverage names no policy.")
    return any(done)


def _policy(mapping: Mapping, act: Element, order: int | None) -> bool:
    payer: Json | None = None
    for performer in act.findall("performer"):
        entity = performer.find("assignedEntity")
        if entity is None:
            continue
        code = entity.find("code")
        kind = (code.get("code") or "").strip().upper() if code is not None else ""
        if kind == "GUAR" or (payer is not None and kind != "PAYOR"):
            continue
        organization = entity.find("representedOrganization")
        found = mapping.organization(organization) if organization is not None else None
        if found is None and identifiers(entity.findall("id")) and kind in ("PAYOR", ""):
            found = mapping.organization(entity)
        if found and "reference" in found:
            payer = found
    member = relationship = None
    period: Json | None = None
    subscriber: Json | None = None
    for participant in act.findall("participant"):
        role = participant.find("participantRole")
        if role is None:
            continue
        if participant.get("typeCode") == "COV":
            number = identity(role.findall("id"))
            member = number.partition("|")[2] or member
            code = role.find("code")
            given = (code.get("code") or "").strip().upper() if code is not None else ""
            if given in _RELATIONSHIPS:
                relationship = coded(
                    "http://terminology.hl7.org/CodeSystem/subscriber-relationship", _RELATIONSHIPS[given]
                )
            elif code is not None:
                relationship = mapping.concept(code)
            period = period_of(participant.find("time"), mapping.zone) or period
        elif participant.get("typeCode") == "HLD":
            name = role.find("playingEntity/name")
            words = said(" ".join(name.itertext())) if name is not None else ""
            if words:
                subscriber = {"display": words}
    if payer is None:
        payer = {"display": "Payer not stated"}
    group = (
        said(act.findtext("text")) if act.find("text") is not None and act.find("text/reference") is None else ""
    )
    elements = without_empty(
        [
            (
                "status",
                {"cancelled": "cancelled", "aborted": "cancelled", "nullified": "entered-in-error"}.get(
                    status_of(act), "active"
                ),
            ),
            ("type", mapping.concept(act.find("code"))),
            ("subscriber", subscriber),
            ("subscriberId", member),
            ("beneficiary", mapping.patient),
            ("relationship", relationship),
            ("period", period or period_of(act.find("effectiveTime"), mapping.zone)),
            ("payor", [payer]),
            (
                "class",
                [{"type": coded("http://terminology.hl7.org/CodeSystem/coverage-class", "plan"), "value": group}]
                if group
                else None,
            ),
            ("order", order),
        ]
    )
    return mapping.put_entry("Coverage", act, elements) is not None


# Notes


def map_note_entry(mapping: Mapping, statement: Element) -> bool:
    """A note activity as DocumentReference; whether it was one."""
    if statement.tag != "act":
        return False
    kind = None
    code = statement.find("code")
    if code is not None:
        # The note's own kind stands in the translation, "34109-9 Note" before it.
        inner = [each for each in code.findall("translation") if coding_of(each)]
        kind = mapping.concept(inner[0]) if inner else mapping.concept(code)
    text = statement.find("text")
    content: Json | None = None
    words = mapping.words_of(statement)
    if text is not None and (text.get("representation") or "").upper() == "B64" and (text.text or "").strip():
        content = {
            "contentType": said(text.get("mediaType")) or "application/octet-stream",
            "data": "".join((text.text or "").split()),
        }
    elif words:
        content = {
            "contentType": "text/plain; charset=utf-8",
            "data": as_base64(words.encode()),
        }
    if content is None:
        raise NotCoded("A note has no text.")
    title = (kind or {}).get("text") or "Note"
    content["title"] = title
    at, by = mapping.written(statement)
    point, low, _ = interval_of(statement.find("effectiveTime"), mapping.zone)
    elements = without_empty(
        [
            ("status", "entered-in-error" if status_of(statement) == "nullified" else "current"),
            ("docStatus", {"completed": "final", "active": "preliminary"}.get(status_of(statement))),
            ("type", kind or {"text": "Note"}),
            ("subject", mapping.patient),
            ("date", instant_of(at) if at else None),
            ("author", [by] if by and "reference" in by else None),
            ("content", [{"attachment": content}]),
            (
                "context",
                without_empty(
                    [
                        ("encounter", [mapping.encounter] if mapping.encounter else None),
                        ("period", {"start": low or point} if low or point else None),
                    ]
                ),
            ),
        ]
    )
    return mapping.put_entry("DocumentReference", statement, elements) is not None
