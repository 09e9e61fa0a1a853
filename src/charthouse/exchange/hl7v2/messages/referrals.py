"""REF: referrals. PPR: problem lists."""

from __future__ import annotations

from charthouse.exchange.hl7v2.datatypes import Json, annotation
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.findings import map_diagnosis, map_problem, map_procedure
from charthouse.exchange.hl7v2.segments.referral import map_referral

from .orders import surroundings
from .parts import Part, begin, order_groups
from .results import map_result_group

_KNOWN = {"REF": {"I12", "I13", "I14", "I15"}, "PPR": {"PC1", "PC2", "PC3"}}


def check(kind: str, trigger: str) -> None:
    """Raise Unsupported for a referral or problem event that is not filed."""
    if trigger not in _KNOWN[kind]:
        raise unsupported(kind, trigger)


def map_refer(mapping: Mapping, part: Part) -> None:
    """One patient of REF."""
    begin(mapping, part, Effect.MENTION)
    segments = part.head + part.body
    rf1 = next((segment for segment in segments if segment.name == "RF1"), None)
    if rf1 is None:
        raise Hl7Error("A referral needs RF1, and it is missing.", "RF1")
    map_referral(mapping, rf1, [segment for segment in segments if segment.name == "PRD"])
    surroundings(mapping, part)
    for segment in part.body:
        if segment.name == "DG1":
            map_diagnosis(mapping, segment)
        elif segment.name == "PR1":
            map_procedure(mapping, segment, [])
    results = [s for s in part.body if s.name in ("OBR", "OBX", "NTE", "TQ1", "SPM")]
    for group in order_groups(results):
        if group.obr is not None and group.observations:
            map_result_group(mapping, group)


def map_problems(mapping: Mapping, part: Part) -> None:
    """One patient of PPR. PC3 takes problems back."""
    begin(mapping, part, Effect.MENTION)
    problems = part.all("PRB")
    if not problems:
        raise Hl7Error("A problem message needs PRB, and it is missing.", "PRB")
    for number, prb in enumerate(problems):
        until = problems[number + 1].index if number + 1 < len(problems) else None
        notes: list[Json] = []
        for segment in part.body:
            if segment.index <= prb.index or (until is not None and segment.index >= until):
                continue
            if segment.name != "NTE":
                break
            note = annotation(segment, mapping.zone)
            if note:
                notes.append(note)
        map_problem(mapping, prb, notes, deleted=mapping.envelope.trigger == "PC3")
