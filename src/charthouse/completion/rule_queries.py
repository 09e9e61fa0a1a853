"""Reads of the rules charts are analysed by: what is in force and was before, one rule in full, and what trials
came to. The rules are no secret; which charts a trial concerns is shown to who may adopt rules and see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import now
from charthouse.foundation.jobs.api import JobStatus, status
from charthouse.foundation.rulepacks.api import FacilityType, load
from charthouse.identity.api import persons_of, sources_named
from charthouse.record.api import public_ids

from .adopted import Told, adopted_version, content_of, demand_of, source_of, told_by_packs, told_in_force
from .chart_queries import ChartLine, chart_lines
from .domain.facts import EncounterFacts
from .domain.rule_differences import Difference, decides_alike, differences
from .domain.rule_trials import Compared, Effect
from .domain.rule_words import Said, demand_in_words, number_in_words
from .models import AdoptedRules, Chart
from .permissions import ADOPT_RULES
from .queries import facts_of
from .rule_comparing import brought_about, sets_of
from .rule_models import RuleTrial
from .rule_recipes import Recipe, as_yaml, recipe_of, switched_off
from .rule_scopes import Over, over_of
from .seeing import visible

_SYSTEM = system_context("completion")
_KINDS = tuple(each.value for each in FacilityType)
#: Trials and charts of a page.
_TRIALS, _CHARTS = 20, 40


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version of the rules: who switched it on, when and why."""

    version: int
    at: datetime
    name: str
    note: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class VersionInFull:
    """A version with its rules, and what differs in it from the version before (nothing before the first)."""

    line: VersionLine
    before: int
    differs: tuple[Difference, ...]
    rules: tuple[RuleLine, ...]


class Standing(StrEnum):
    """How a rule stands beside the one that is shipped under its code."""

    SHIPPED = "as shipped"
    CHANGED = "changed here"
    OWN = "this site's own"
    OFF = "switched off"


@dataclass(frozen=True, slots=True)
class NumberLine:
    """A number, word or list of a rule: its ``name``, its ``value`` as JSON and in words, and in words what is
    shipped (empty where it is the same, or none is)."""

    name: str
    value: Any
    unit: str
    words: str
    shipped: str

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def typed(self) -> str:
        """As a form shows it."""
        return number_in_words(self.value, "")

    @property
    def is_switch(self) -> bool:
        return self.value in ("yes", "no")


@dataclass(frozen=True, slots=True)
class RuleWay:
    """A rule as it stands at facilities of some types (``kinds``; ``everywhere`` where at all it is in force at or
    was): its source, what it demands in words, and its numbers."""

    kinds: tuple[str, ...]
    everywhere: bool
    title: str
    source: Mapping[str, Any]
    kind: str
    words: tuple[Said, ...]
    numbers: tuple[NumberLine, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule in a list, with each way it stands."""

    code: str
    title: str
    ways: tuple[RuleWay, ...]

    @property
    def standing(self) -> Standing:
        """The first of its ways that is not as shipped."""
        return next(
            (each.standing for each in self.ways if each.standing is not Standing.SHIPPED), Standing.SHIPPED
        )


@dataclass(frozen=True, slots=True)
class RuleInFull:
    """One rule: its ways in force (none where it is switched off), those it is switched off in, its text as a pack
    has it, and what became of it version by version, the newest first."""

    code: str
    title: str
    ways: tuple[RuleWay, ...]
    off: tuple[RuleWay, ...]
    yaml: str
    history: tuple[tuple[VersionLine, Difference], ...]


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The version in force (0 before any was adopted, when the shipped ones hold), its rules, those that are
    switched off, and what of it differs from what is shipped."""

    version: int
    rules: tuple[RuleLine, ...]
    off: tuple[RuleLine, ...]
    from_shipped: tuple[Difference, ...]


def rules_adopted(ctx: AccessContext) -> RulesInForce:
    """The rules that charts are analysed by."""
    version = adopted_version()
    shipped = told_by_packs()
    told = content_of(version) if version else shipped
    off = switched_off(told)
    return RulesInForce(
        version,
        _lines(told, shipped),
        tuple(
            RuleLine(code, _title(rules), _ways(rules, shipped, off=True)) for code, rules in sorted(off.items())
        ),
        differences(shipped, told),
    )


def rule_versions(ctx: AccessContext, limit: int = 50) -> list[VersionLine]:
    """The versions of the rules, the newest first."""
    rows = AdoptedRules.objects.order_by("-version").defer("content")[:limit]
    return [_version_line(row, number == 0) for number, row in enumerate(rows)]


def rule_version(ctx: AccessContext, version: int) -> VersionInFull | None:
    """One version with what differs in it; None where there is none."""
    row = AdoptedRules.objects.filter(pk=version).first()
    if row is None:
        return None
    before = AdoptedRules.objects.filter(pk__lt=version).order_by("-version").first()
    return VersionInFull(
        _version_line(row, row.version == adopted_version()),
        before.version if before else 0,
        differences(before.content, row.content) if before else (),
        _lines(row.content, told_by_packs()),
    )


def rule_in_full(ctx: AccessContext, code: str) -> RuleInFull | None:
    """One rule in force or switched off; None of a code that never was."""
    shipped, told = told_by_packs(), told_in_force()
    rules = _of_code(told, code)
    off = switched_off(told).get(code, {})
    if not rules and not off:
        return None
    return RuleInFull(
        code,
        _title(rules or off),
        _ways(rules, shipped),
        _ways(off, shipped, off=True),
        as_yaml(rules or off, everywhere=len(rules or off) == len(_KINDS)),
        tuple(_history(code)),
    )


def _history(code: str) -> list[tuple[VersionLine, Difference]]:
    rows = list(AdoptedRules.objects.order_by("-version")[:_TRIALS])
    found = []
    for number, row in enumerate(rows[:-1]):
        one, other = ({kind: [each for each in rules if each["code"] == code] for kind, rules in told.items()}
                      for told in (rows[number + 1].content, row.content))  # fmt: skip
        found += [(_version_line(row, number == 0), each) for each in differences(one, other)]
    return found


def _version_line(row: AdoptedRules, in_force: bool) -> VersionLine:
    return VersionLine(row.version, row.at, row.name, row.note, in_force)


def _of_code(told: Told, code: str) -> dict[str, dict[str, Any]]:
    return {kind: each for kind in _KINDS for each in told.get(kind, ()) if each["code"] == code}


def _title(rules: Mapping[str, Mapping[str, Any]]) -> str:
    """What a rule is called at hospitals; where there is none, anywhere."""
    return str((rules.get(FacilityType.HOSPITAL.value) or next(iter(rules.values())))["title"])


def _lines(told: Told, shipped: Told) -> tuple[RuleLine, ...]:
    codes = sorted({each["code"] for rules in told.values() for each in rules})
    found = []
    for code in codes:
        rules = _of_code(told, code)
        found.append(RuleLine(code, _title(rules), _ways(rules, shipped)))
    return tuple(sorted(found, key=lambda line: line.title.casefold()))


def _ways(rules: Mapping[str, Mapping[str, Any]], shipped: Told, *, off: bool = False) -> tuple[RuleWay, ...]:
    """Each way a rule stands, once, with the types of facility it is so at."""
    grouped: list[tuple[Mapping[str, Any], Mapping[str, Any] | None, list[str]]] = []
    for kind in _KINDS:
        each = rules.get(kind)
        if each is None:
            continue
        beside = next((one for one in shipped.get(kind, ()) if one["code"] == each["code"]), None)
        same = next((kinds for told, other, kinds in grouped if told == each and other == beside), None)
        if same is None:
            grouped.append((each, beside, [kind]))
        else:
            same.append(kind)
    return tuple(_way(each, beside, kinds, off) for each, beside, kinds in grouped)


def _way(told: Mapping[str, Any], shipped: Mapping[str, Any] | None, kinds: Sequence[str], off: bool) -> RuleWay:
    demand = demand_of(told)
    alike = shipped is not None and decides_alike(told, shipped)
    beside = shipped["parameters"] if shipped else {}
    standing = Standing.OFF if off else Standing.OWN if shipped is None else Standing.CHANGED
    return RuleWay(
        tuple(kinds),
        len(kinds) == len(_KINDS),
        told["title"],
        told.get("source") or _source_of_old(told["code"]),
        demand.kind,
        demand_in_words(demand),
        tuple(
            NumberLine(
                name,
                value,
                unit,
                number_in_words(value, unit),
                number_in_words(*beside[name]) if name in beside and beside[name] != [value, unit] else "",
            )
            for name, (value, unit) in sorted(told["parameters"].items())
        ),
        Standing.SHIPPED if alike and not off else standing,
    )


def _source_of_old(code: str) -> Mapping[str, Any]:
    """The source of a rule whose version kept none: that of the packs."""
    versions = load().versions.get(code)
    if not versions:
        return {}
    return source_of(versions[-1])


# ---- trials


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial in a list. ``finished`` says that it is known what the rules would do."""

    id: UUID
    recipe: Recipe
    over: Over
    name: str
    at: datetime
    finished: datetime | None
    adopted: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """What would become of deficiencies of one rule, kind and what: how many. ``number`` is its place among the
    groups, by which its charts are asked for; ``sample`` is one of them in words."""

    number: int
    effect: Effect
    rule: str
    title: str
    kind: str
    what: str
    count: int
    sample: str = ""


@dataclass(frozen=True, slots=True)
class FullTrial:
    """A trial with what it came to. ``stale`` names the version that was adopted since, 0 for none."""

    line: TrialLine
    base: int
    digest: str
    differs: tuple[Difference, ...]
    job: JobStatus | None
    looked_at: int
    touched: int
    groups: tuple[Group, ...]
    stale: int
    analysing: JobStatus | None
    analysed: int
    turns: Mapping[str, int]
    analysis_ended: bool

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: the rules were tried and, if they were adopted, the charts analysed."""
        return self.line.finished is not None and (self.line.adopted is None or self.analysis_ended)

    def number(self, effect: str) -> int:
        return sum(each.count for each in self.groups if each.effect == effect)

    @property
    def opens(self) -> int:
        return self.number(Effect.OPENS)

    @property
    def closes(self) -> int:
        return self.number(Effect.CLOSES)

    @property
    def changes(self) -> int:
        return self.number(Effect.CHANGES)


@dataclass(frozen=True, slots=True)
class TrialChart:
    """A chart that a trial concerns: what would become of its deficiency. ``line`` is None of an encounter that is
    not under completion yet."""

    line: ChartLine | None
    encounter: str
    person: UUID | None
    patient: str
    says: str
    owed_by: str
    due: datetime | None
    due_before: datetime | None


@dataclass(frozen=True, slots=True)
class TrialCharts:
    """A page of the charts behind a number of a trial. ``kept`` are those that can be opened, ``hidden`` those of
    this page that the asker may not see, ``over`` those where it is not so any more."""

    group: Group
    charts: tuple[TrialChart, ...]
    kept: int
    hidden: int
    over: int
    more: bool


def rule_trials(ctx: AccessContext, limit: int = _TRIALS) -> list[TrialLine]:
    """The newest trials. Raises PermissionRefused."""
    require(ctx, ADOPT_RULES)
    return [_trial_line(row) for row in RuleTrial.objects.order_by("-at").defer("content", "result")[:limit]]


def rule_trial(ctx: AccessContext, id: UUID) -> FullTrial | None:
    """A trial with what it came to; None where there is none. Raises PermissionRefused."""
    require(ctx, ADOPT_RULES)
    row = RuleTrial.objects.filter(pk=id).first()
    if row is None:
        return None
    result, analysed = row.result or {}, row.analysed or {}
    in_force = adopted_version()
    return FullTrial(
        line=_trial_line(row),
        base=row.base,
        digest=row.digest,
        differs=differences(content_of(row.base), row.content),
        job=status(row.job) if row.job is not None else None,
        looked_at=result.get("looked_at", 0),
        touched=result.get("touched", 0),
        groups=_groups(ctx, row),
        stale=in_force if row.adopted is None and in_force != row.base else 0,
        analysing=status(row.analysing) if row.analysing is not None else None,
        analysed=analysed.get("charts", 0),
        turns=analysed.get("turns", {}),
        analysis_ended=bool(analysed.get("ended")),
    )


def trial_charts(ctx: AccessContext, id: UUID, number: int, page: int = 1) -> TrialCharts | None:
    """The charts behind a number of a trial, read anew; None where there is no such number. Raises
    PermissionRefused."""
    require(ctx, ADOPT_RULES)
    row = RuleTrial.objects.filter(pk=id).first()
    groups = (row.result or {}).get("groups", ()) if row is not None else ()
    if row is None or not 0 <= number < len(groups):
        return None
    group = _bare_groups(row)[number]
    rows: list[int] = groups[number]["rows"]
    begin = (page - 1) * _CHARTS
    some = rows[begin : begin + _CHARTS]
    seen = visible(ctx, some)
    found = _found(row, [each for each in some if each in seen])
    if ctx.facilities:
        found = [each for each in found if each[0].facility is None or each[0].facility in ctx.facilities]
    lines = [(facts, one) for facts, listed in found for one in listed if one.group == _key(group)]
    there = {facts.row for facts, _ in lines}
    return TrialCharts(
        group=group,
        charts=_charts(ctx, lines),
        kept=len(rows),
        hidden=len(some) - len(found),
        over=len(found) - len(there),
        more=begin + _CHARTS < len(rows),
    )


def _key(group: Group) -> tuple[str, str, str, str]:
    return group.effect.value, group.rule, group.kind, group.what


def _trial_line(row: RuleTrial) -> TrialLine:
    return TrialLine(
        row.pk, recipe_of(row.recipe), over_of(row.over), row.name, row.at, row.finished_at, row.adopted
    )


def _bare_groups(row: RuleTrial) -> list[Group]:
    titles = {each["code"]: each["title"] for rules in content_of(row.base).values() for each in rules}
    titles |= {each["code"]: each["title"] for rules in row.content.values() for each in rules}
    return [
        Group(
            number,
            Effect(each["effect"]),
            each["rule"],
            titles.get(each["rule"], each["rule"]),
            each["kind"],
            each["what"],
            each["count"],
        )
        for number, each in enumerate((row.result or {}).get("groups", ()))
    ]


def _groups(ctx: AccessContext, row: RuleTrial) -> tuple[Group, ...]:
    """The groups of a trial, each with a sentence out of the first of its charts that the asker may see. After the
    rules were adopted what was tried has come about, and nothing is read again."""
    groups = _bare_groups(row)
    if not groups or row.adopted is not None:
        return tuple(groups)
    first = [each["rows"][:3] for each in (row.result or {}).get("groups", ())]
    seen = visible(ctx, {one for rows in first for one in rows})
    said: dict[tuple[str, str, str, str], str] = {}
    for _, listed in _found(row, sorted(seen)):
        for each in listed:
            said.setdefault(each.group, each.finding.says)
    return tuple(
        Group(each.number, each.effect, each.rule, each.title, each.kind, each.what, each.count,
              said.get(_key(each), ""))
        for each in groups
    )  # fmt: skip


def _found(row: RuleTrial, rows: Sequence[int]) -> list[tuple[EncounterFacts, tuple[Compared, ...]]]:
    """What adopting would bring about in the encounters of these rows, as they stand now."""
    named = public_ids("Encounter", rows)
    facts = facts_of(_SYSTEM, [named[each] for each in rows if each in named])
    return list(brought_about(list(facts.values()), sets_of(row), now()))


def _charts(ctx: AccessContext, lines: Sequence[tuple[EncounterFacts, Compared]]) -> tuple[TrialChart, ...]:
    rows = {facts.row for facts, _ in lines}
    charts = list(Chart.objects.filter(encounter__in=rows))
    kept = {each.encounter: line for each, line in zip(charts, chart_lines(ctx, charts), strict=True)}
    patients = {facts.patient for facts, _ in lines}
    known, persons = sources_named(ctx, patients), persons_of(patients)
    return tuple(
        TrialChart(
            line=kept.get(facts.row),
            encounter=facts.id,
            person=persons.get(facts.patient) if facts.patient in known else None,
            patient=known[facts.patient].name if facts.patient in known else "",
            says=one.finding.says,
            owed_by=one.finding.owed_by.name if one.finding.owed_by else "",
            due=one.finding.due,
            due_before=one.before.due if one.before else None,
        )
        for facts, one in lines
    )
