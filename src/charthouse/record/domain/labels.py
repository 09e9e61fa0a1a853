"""From security labels of the wire to the label bits a row carries."""

from __future__ import annotations

from collections.abc import Iterable

from charthouse.foundation.access.api import Label

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

#: HL7 v3 ActCode (sensitivity and handling) and v3 Confidentiality.
_BITS: dict[tuple[str, str], Label] = {
    (_ACT_CODE, "PSYTHPN"): Label.PSYCHOTHERAPY,
    (_ACT_CODE, "PSY"): Label.MENTAL_HEALTH,
    (_ACT_CODE, "MH"): Label.MENTAL_HEALTH,
    (_ACT_CODE, "BH"): Label.MENTAL_HEALTH,
    (_ACT_CODE, "SUD"): Label.SUBSTANCE_USE,
    (_ACT_CODE, "ETH"): Label.SUBSTANCE_USE,
    (_ACT_CODE, "ETHUD"): Label.SUBSTANCE_USE,
    (_ACT_CODE, "OPIOIDUD"): Label.SUBSTANCE_USE,
    (_ACT_CODE, "HIV"): Label.HIV,
    (_ACT_CODE, "GDIS"): Label.GENETIC,
    (_ACT_CODE, "SEX"): Label.REPRODUCTIVE,
    (_ACT_CODE, "STD"): Label.REPRODUCTIVE,
    (_ACT_CODE, "CEL"): Label.VIP,
    (_ACT_CODE, "VIP"): Label.VIP,
    (_ACT_CODE, "EMP"): Label.EMPLOYEE,
    (_ACT_CODE, "TBOO"): Label.RESTRICTED,
    (_CONFIDENTIALITY, "R"): Label.RESTRICTED,
    (_CONFIDENTIALITY, "V"): Label.VERY_RESTRICTED,
}


def bits_of(codes: Iterable[tuple[str | None, str]]) -> int:
    """The label bits of ``(system, code)`` pairs; unknown codes carry none."""
    bits = 0
    for pair in codes:
        bits |= _BITS.get((pair[0] or "", pair[1]), 0)
    return bits
