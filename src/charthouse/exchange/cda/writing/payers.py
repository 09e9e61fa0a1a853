"""Payers. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Iterable

from .parts import LOINC, Template, Written, day, status_code, text_of
from .values import Json, code, coded, element, ids, interval, listed, null, template, words

# Payers

PAYERS = Template(
    (("2.16.840.1.113883.10.20.22.2.18", None), ("2.16.840.1.113883.10.20.22.2.18", "2015-08-01")),
    "48768-6", "Payment sources", "Payers",
    ("Payer", "Kind", "Member number", "From", "Until"), "No information about payers.",
)  # fmt: skip


def payers(resources: Iterable[Json]) -> Written:
    """Coverages as coverage activities."""
    made = Written(PAYERS.columns)
    for each in resources:
        payer = next((str(one["display"]) for one in listed(each.get("payor")) if one.get("display")), "")
        period = each.get("period") or {}
        member = str(each.get("subscriberId") or "")
        mark = made.row(
            "payer", payer, words(each.get("type")), member, day(period.get("start")), day(period.get("end"))
        )
        relationship = each.get("relationship")
        policy = element(
            "act",
            {"classCode": "ACT", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.61"),
            template("2.16.840.1.113883.10.20.22.4.61", "2015-08-01"),
            *ids(each),
            coded("code", each.get("type")),
            element("statusCode", {"code": "completed"}),
            element(
                "performer",
                {"typeCode": "PRF"},
                template("2.16.840.1.113883.10.20.22.4.87"),
                element(
                    "assignedEntity",
                    None,
                    null("id", "NI"),
                    code("code", "PAYOR", "2.16.840.1.113883.5.110"),
                    element("representedOrganization", None, element("name", None, payer)) if payer else None,
                ),
            ),
            element(
                "participant",
                {"typeCode": "COV"},
                template("2.16.840.1.113883.10.20.22.4.89"),
                interval("time", period.get("start"), period.get("end")) if period else null("time"),
                element(
                    "participantRole",
                    {"classCode": "PAT"},
                    element("id", {"root": "2.16.840.1.113883.3.117", "extension": member})
                    if member
                    else null("id", "NI"),
                    code("code", _relationship(relationship), "2.16.840.1.113883.5.111")
                    if _relationship(relationship)
                    else null("code"),
                ),
            ),
        )
        made.entries.append(
            element(
                "act",
                {"classCode": "ACT", "moodCode": "EVN"},
                template("2.16.840.1.113883.10.20.22.4.60"),
                template("2.16.840.1.113883.10.20.22.4.60", "2015-08-01"),
                null("id", "NI"),
                code("code", "48768-6", LOINC, "Payment sources"),
                text_of(mark),
                element("statusCode", {"code": "completed"}),
                element(
                    "entryRelationship",
                    {"typeCode": "COMP"},
                    element("sequenceNumber", {"value": str(each["order"])}) if each.get("order") else None,
                    policy,
                ),
            )
        )
    return made


_RELATIONSHIPS = {"self": "SELF", "spouse": "SPS", "child": "CHILD", "parent": "PRN", "other": "FAMDEP"}


def _relationship(concept: object) -> str:
    return _RELATIONSHIPS.get(status_code(concept), "")
