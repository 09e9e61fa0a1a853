"""Sensitivity: the fields that say who may see a record, as codings for ``meta.security``.

Codes are HL7 v3 Confidentiality and ActCode where HL7's confidentiality map or plain sense gives one; the v2 code
stands beside them. What the codings mean for access is decided elsewhere.
"""

from __future__ import annotations

from charthouse.exchange.hl7v2.datatypes import Json, code_text
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.systems import V2

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

_R = (CONFIDENTIALITY, "R", "restricted")
_V = (CONFIDENTIALITY, "V", "very restricted")

# Table 0177 (confidentiality code), 0272 (document confidentiality), and words senders use for the same.
_CONFIDENTIALITY = {
    "V": (_V,),
    "R": (_R,),
    "U": (),  # usual control
    "N": (),
    "EMP": ((ACT_CODE, "EMP", "employee information sensitivity"),),
    "VIP": ((ACT_CODE, "CEL", "celebrity information sensitivity"),),
    "PSY": ((ACT_CODE, "PSY", "psychiatry disorder information sensitivity"),),
    "AID": ((ACT_CODE, "HIV", "HIV/AIDS information sensitivity"),),
    "HIV": ((ACT_CODE, "HIV", "HIV/AIDS information sensitivity"),),
    "ETH": ((ACT_CODE, "ETH", "substance abuse information sensitivity"),),
    "UWM": (_R,),
    "STD": ((ACT_CODE, "STD", "sexually transmitted disease information sensitivity"),),
    "PSYTHPN": ((ACT_CODE, "PSYTHPN", "psychotherapy note information sensitivity"),),
    "SUD": ((ACT_CODE, "SUD", "substance use disorder information sensitivity"),),
    "GDIS": ((ACT_CODE, "GDIS", "genetic disease information sensitivity"),),
    "SEX": ((ACT_CODE, "SEX", "sexuality and reproductive health information sensitivity"),),
    "SDV": ((ACT_CODE, "SDV", "sexual assault, abuse, or domestic violence information sensitivity"),),
}

# Tables 0717 (access restriction value) and 0719 (reason code).
_RESTRICTION = {
    "ALL": (_V,),
    "DEM": (_R, (ACT_CODE, "DEMO", "all demographic information sensitivity")),
    "LOC": (_R, (ACT_CODE, "LOCIS", "location information sensitivity")),
    "HIV": _CONFIDENTIALITY["HIV"],
    "PSY": _CONFIDENTIALITY["PSY"],
    "SMD": _CONFIDENTIALITY["SUD"],
    "STD": _CONFIDENTIALITY["STD"],
    "DIA": (_R, (ACT_CODE, "DIA", "diagnosis information sensitivity")),
    "OI": (),  # opts in: no restriction
    "NO": (),
}
_REASON = {
    "EMP": _CONFIDENTIALITY["EMP"],
    "VIP": _CONFIDENTIALITY["VIP"],
    "PAT": ((ACT_CODE, "PRS", "patient requested information sensitivity"),),
    "PHY": ((ACT_CODE, "PHY", "physician requested information sensitivity"),),
    "DIA": ((ACT_CODE, "DIA", "diagnosis information sensitivity"),),
    "ORG": (),
    "REG": (),
}
# VIP indicator (table 0099, site-defined): what sites write for "none".
_NOT_VIP = {"", "N", "NO", "0", "NRM", "NORMAL", "NONE", "U", "UNK", '""'}


def coding(system: str, code: str, display: str = "") -> Json:
    """One security coding."""
    result: Json = {"system": system, "code": code}
    if display:
        result["display"] = display
    return result


def confidentiality(value: Value, table: str) -> list[Json]:
    """A confidentiality code (ORC-28, TXA-18, PV1 …); ``table`` is 0177 or 0272. Usual control gives nothing."""
    code = value.get(1)
    if not code:
        return []
    known = _CONFIDENTIALITY.get(code.upper())
    if known is None:
        return [coding(*_R), coding(V2 + table, code_text(code), value.get(2))]
    return [coding(*each) for each in known]


def protection(segment: Segment, field: int) -> list[Json]:
    """A protection indicator (PD1-12, PV2-22): Y asks that access be restricted."""
    return [coding(*_R)] if segment.get(field).upper() == "Y" else []


def vip(segment: Segment) -> list[Json]:
    """PV1-16, VIP indicator: any value that is not a way of saying no."""
    value = segment.first(16)
    if value.get(1).upper() in _NOT_VIP:
        return []
    if value.get(1).upper() in ("STF", "EMP", "STAFF", "EMPLOYEE"):
        return [coding(ACT_CODE, "EMP", "employee information sensitivity")]
    return [coding(ACT_CODE, "CEL", "celebrity information sensitivity")]


def access_restriction(mapping: Mapping, arv: Segment) -> list[Json]:
    """ARV: access restrictions. Action D takes a restriction away and gives nothing here."""
    if arv.get(2).upper() in ("D", "R"):
        return []
    found: list[Json] = []
    for value in arv.values(3):
        code = value.get(1)
        if not code:
            continue
        known = _RESTRICTION.get(code.upper())
        if known is None:
            found += [coding(*_R), coding(V2 + "0717", code_text(code), value.get(2))]
        else:
            found += [coding(*each) for each in known]
    if found:
        for value in arv.values(4):
            found += [coding(*each) for each in _REASON.get(value.get(1).upper(), ())]
    return distinct(found)


def distinct(found: list[Json]) -> list[Json]:
    """The codings, each once."""
    result: list[Json] = []
    for each in found:
        if each not in result:
            result.append(each)
    return result
