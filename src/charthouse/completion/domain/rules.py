"""The language of completion rules: what a rule demands of a chart, read strictly from its ``demand``.

A demand says of which encounters it holds (``for``, ``when``), of each of which things in them (``each``), which
pieces satisfy it and within which time (``accept``), and who owes it (``owed_by``). Numbers stand in the rule's
parameters and are named here. docs/completion.md tells the language for those who write rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from .facts import EncounterKind
from .findings import What
from .pieces import pieces

#: A parameter's value and unit.
Number = tuple[object, str]


class RuleError(Exception):
    """One or more demands are wrong. ``problems`` are sentences that name rule and place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Each(StrEnum):
    """Of what a rule demands something: of the encounter, or of each of these in it. SESSION are operations
    without a gap between them, whoever operates."""

    ENCOUNTER = "encounter"
    OPERATION = "operation"
    SESSION = "session"
    ORDER = "order"
    CONSULTATION = "consultation"
    DOCUMENT = "document"


class Moment(StrEnum):
    """A moment that windows are told by. PLANNED_SURGERY is the first operation that was no emergency; what follows
    it belongs to one operation, order or document."""

    REGISTRATION = "registration"
    ADMISSION = "admission"
    DISCHARGE = "discharge"
    EMERGENCY_END = "emergency-end"
    SURGERY = "surgery"
    PLANNED_SURGERY = "planned-surgery"
    START = "start"
    END = "end"
    NEXT_LEVEL = "next-level-of-care"
    ORDERED = "ordered"
    AUTHORED = "authored"


class Owing(StrEnum):
    """A stated rule for who owes a piece."""

    AUTHOR = "author"
    SUPERVISING = "supervising"
    SURGEON = "surgeon"
    ANESTHETIST = "anesthetist"
    ADMITTING = "admitting"
    ATTENDING_AT_REGISTRATION = "attending-at-registration"
    ATTENDING_AT_ADMISSION = "attending-at-admission"
    ATTENDING_AT_DISCHARGE = "attending-at-discharge"
    ATTENDING_AT_SURGERY = "attending-at-surgery"
    ORDERER = "orderer"
    CONSULTED = "consulted"

    @property
    def words(self) -> str:
        return _OWING[self]


_OWING = {
    Owing.AUTHOR: "its author",
    Owing.SUPERVISING: "who supervises its author",
    Owing.SURGEON: "the surgeon",
    Owing.ANESTHETIST: "who gave the anesthesia",
    Owing.ADMITTING: "who admitted",
    Owing.ATTENDING_AT_REGISTRATION: "the attending at arrival",
    Owing.ATTENDING_AT_ADMISSION: "the attending at admission",
    Owing.ATTENDING_AT_DISCHARGE: "the attending at discharge",
    Owing.ATTENDING_AT_SURGERY: "the attending at the operation",
    Owing.ORDERER: "who ordered",
    Owing.CONSULTED: "who was asked",
}


class Evidence(StrEnum):
    """What the chart has to say where no document is asked for."""

    FINAL_DIAGNOSIS = "final-diagnosis"
    DISPOSITION = "disposition"
    AUTHENTICATION = "authentication"


class Fit(StrEnum):
    """How a document has to fit the rest of its chart."""

    OPERATED_IN_STAY = "operated-in-stay"
    SIDES_AGREE = "sides-agree"
    AUTHOR_MAY_SIGN = "author-may-sign"


#: Conditions of one word; each is true, false or unknown of an encounter or of one operation or order in it.
WORDS = frozenset(
    {
        "ended", "died", "against-advice", "transferred", "emergency-care", "diagnosed", "operated",
        "anesthesia", "general-anesthesia", "tissue", "emergency-operation", "verbal", "moved-on",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """A moment, so much later or earlier. ``days`` are days of the facility's calendar, ``time`` is by the
    clock."""

    moment: Moment
    days: int = 0
    time: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Condition:
    """One of :data:`WORDS`; or that the stay is shorter than ``time`` (``short``), that there is a ``piece``
    between two moments (``has``), or what the site ``says`` (already decided, in ``holds``; ``name`` is of what).
    ``wanted`` is False for *not*."""

    word: str
    wanted: bool = True
    time: timedelta = timedelta(0)
    piece: str = ""
    since: Bound | None = None
    until: Bound | None = None
    holds: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Accept:
    """Pieces that satisfy a demand, written not before ``since`` and not after the earliest of ``until``. One that
    is good ``only_in_time`` is nothing outside of it; others are late, or too old. ``by`` are those who have to
    have written it, where its author is known; empty for anybody."""

    pieces: frozenset[str]
    kinds: frozenset[EncounterKind]
    when: tuple[Condition, ...] = ()
    since: Bound | None = None
    until: tuple[Bound, ...] = ()
    only_in_time: bool = False
    by: tuple[Owing, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What one rule demands. ``piece`` is what a finding calls it; ``own`` says that each operation or consultation
    needs a document of its own; ``may_sign`` and ``may_not_sign`` are credentials (``AUTHOR_MAY_SIGN``)."""

    rule: str
    title: str
    kind: str
    piece: str
    each: Each
    kinds: frozenset[EncounterKind]
    when: tuple[Condition, ...]
    pieces: frozenset[str]
    accept: tuple[Accept, ...]
    evidence: Evidence | None
    fit: Fit | None
    own: bool
    due: tuple[Bound, ...]
    owed_by: tuple[Owing, ...]
    missing: What
    may_sign: frozenset[str] = frozenset()
    may_not_sign: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The demands that hold at a facility, in the order of their codes."""

    demands: tuple[Demand, ...]

    def of(self, kind: EncounterKind) -> tuple[Demand, ...]:
        """Those for one kind of encounter."""
        return tuple(each for each in self.demands if kind in each.kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of deficiencies that can be found, each once."""
        return tuple(dict.fromkeys(each.kind for each in self.demands))


_KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_BOUND = re.compile(r"([a-z-]+?)(?:\s+([+-])\s+([a-z][a-z0-9_]*))?")
_HAS = re.compile(r"has ([a-z0-9-]+)(?: from (.+?))? until (.+)")
_SAYS = re.compile(r"site says ([a-z][a-z0-9_]*)")
_STAY = re.compile(r"stay shorter than ([a-z][a-z0-9_]*)")
_FIELDS = {
    "kind", "piece", "for", "when", "each", "pieces", "accept", "evidence", "fit", "own", "due", "owed_by",
    "missing", "may_sign", "may_not_sign",
}  # fmt: skip
_ACCEPT = {"pieces", "by", "for", "when", "from", "until", "only_in_time"}
_LONGEST = timedelta(days=36_525)
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "hours": timedelta(hours=1)}
#: Moments that only one operation, order or document has.
_OF_ONE: dict[Each, frozenset[Moment]] = {
    Each.ENCOUNTER: frozenset(),
    Each.OPERATION: frozenset({Moment.START, Moment.END, Moment.NEXT_LEVEL}),
    Each.SESSION: frozenset({Moment.START, Moment.END, Moment.NEXT_LEVEL}),
    Each.ORDER: frozenset({Moment.ORDERED}),
    Each.CONSULTATION: frozenset({Moment.ORDERED}),
    Each.DOCUMENT: frozenset({Moment.AUTHORED}),
}
_ANY_ONE = frozenset().union(*_OF_ONE.values())


def read_demand(code: str, title: str, told: Mapping[str, Any], parameters: Mapping[str, Number]) -> Demand:
    """The demand of one rule. Raises RuleError with every problem found."""
    reader = _Reader(code, title, told, parameters)
    found = reader.demand()
    if reader.problems:
        raise RuleError(reader.problems)
    return found


class _Reader:
    def __init__(self, code: str, title: str, told: Mapping[str, Any], parameters: Mapping[str, Number]) -> None:
        self.code, self.title, self.told, self.parameters = code, title, told, parameters
        self.problems: list[str] = []
        self.used: set[str] = set()

    def wrong(self, place: str, what: str) -> None:
        self.problems.append(f"rule {self.code}, demand.{place}: {what}.")

    def demand(self) -> Demand:
        told = self.told
        for name in sorted(set(told) - _FIELDS):
            self.wrong(name, f"is not a word of the language; there are {', '.join(sorted(_FIELDS))}")
        kind = str(told.get("kind", ""))
        if not _KIND.fullmatch(kind):
            self.wrong("kind", f"is {kind!r}; lower-case words joined by - are needed")
        each = self.one("each", Each, told.get("each", "encounter")) or Each.ENCOUNTER
        kinds = self.kinds("for", told.get("for"))
        wanted = self.pieces("pieces", told.get("pieces"))
        evidence = self.one("evidence", Evidence, told["evidence"]) if "evidence" in told else None
        fit = self.one("fit", Fit, told["fit"]) if "fit" in told else None
        accept = tuple(
            self.accepted(place, one, each, kinds) for place, one in enumerate(self.items("accept", told), 1)
        )
        self.shape(each, accept, evidence, fit, wanted)
        owed = tuple(
            found for one in self.items("owed_by", told) if (found := self.one("owed_by", Owing, one)) is not None
        )
        if not owed:
            self.wrong("owed_by", f"names nobody; write one or more of {', '.join(Owing)}")
        due = tuple(found for one in self.items("due", told) if (found := self.bound("due", one, each)) is not None)
        piece = str(told.get("piece", "")) or next(iter(sorted(wanted)), "")
        if accept and "piece" not in told:
            first = self.items("accept", told)[0]
            named = first.get("pieces") if isinstance(first, Mapping) else None
            piece = str(named[0]) if isinstance(named, list) and named else piece
        if piece and piece not in pieces():
            self.wrong("piece", f"{piece!r} is no piece of a chart; there are {', '.join(pieces())}")
        missing = self.one("missing", What, told.get("missing", "missing")) or What.MISSING
        own = told.get("own", False)
        if not isinstance(own, bool):
            self.wrong("own", "is neither true nor false")
        may, may_not = self.credentials("may_sign", fit), self.credentials("may_not_sign", fit)
        when = self.conditions("when", told.get("when"), each)
        for name in sorted(set(self.parameters) - self.used):
            self.wrong("parameters", f"{name} is in the rule and nowhere in its demand")
        return Demand(
            self.code, self.title, kind, piece, each, kinds, when, wanted, accept, evidence, fit, bool(own), due,
            owed, missing, may, may_not,
        )  # fmt: skip

    def credentials(self, place: str, fit: Fit | None) -> frozenset[str]:
        """The credentials that a parameter lists."""
        if fit is not Fit.AUTHOR_MAY_SIGN:
            if place in self.told:
                self.wrong(place, "stands only beside fit: author-may-sign")
            return frozenset()
        name = str(self.told.get(place, ""))
        self.used.add(name)
        held = self.parameters.get(name)
        if held is None or not isinstance(held[0], tuple):
            self.wrong(place, f"names {name!r}, which is no list among the rule's parameters")
            return frozenset()
        return frozenset(str(one).upper() for one in held[0])

    def shape(
        self,
        each: Each,
        accept: tuple[Accept, ...],
        evidence: Evidence | None,
        fit: Fit | None,
        wanted: frozenset[str],
    ) -> None:
        """What goes together."""
        ways = [name for name, there in (("accept", accept), ("evidence", evidence), ("fit", fit)) if there]
        if len(ways) != 1:
            self.wrong("accept", "one of accept, evidence and fit is needed, and no more than one")
        if evidence is Evidence.AUTHENTICATION and each not in (Each.ORDER, Each.DOCUMENT):
            self.wrong("evidence", "authentication is of each: order or each: document")
        elif evidence in (Evidence.FINAL_DIAGNOSIS, Evidence.DISPOSITION) and each is not Each.ENCOUNTER:
            self.wrong("evidence", f"{evidence} is of each: encounter")
        if fit is Fit.SIDES_AGREE and each is not Each.OPERATION:
            self.wrong("fit", "sides-agree is of each: operation")
        if fit in (Fit.OPERATED_IN_STAY, Fit.AUTHOR_MAY_SIGN) and each is not Each.DOCUMENT:
            self.wrong("fit", f"{fit} is of each: document")
        if accept and each in (Each.ORDER, Each.DOCUMENT):
            self.wrong("accept", f"does not go with each: {each}")
        if wanted and each is not Each.DOCUMENT and fit is None:
            self.wrong("pieces", "stands beside each: document or fit; what satisfies a demand stands under accept")

    def items(self, name: str, told: Mapping[str, Any]) -> list[Any]:
        given = told.get(name)
        if given is None:
            return []
        return given if isinstance(given, list) else [given]

    def one(self, place: str, kind: type[StrEnum], given: Any) -> Any:
        """A word of an enumeration; None, and a problem, for any other."""
        if given in list(kind):
            return kind(given)
        self.wrong(place, f"{given!r} is not known; there are {', '.join(kind)}")
        return None

    def kinds(self, place: str, given: Any) -> frozenset[EncounterKind]:
        if given is None:
            return frozenset(EncounterKind)
        listed = given if isinstance(given, list) else [given]
        return frozenset(found for one in listed if (found := self.one(place, EncounterKind, one)) is not None)

    def pieces(self, place: str, given: Any) -> frozenset[str]:
        listed = given if isinstance(given, list) else [] if given is None else [given]
        for one in listed:
            if str(one) not in pieces():
                self.wrong(place, f"{one!r} is no piece of a chart; there are {', '.join(pieces())}")
        return frozenset(map(str, listed))

    def accepted(self, number: int, told: Any, each: Each, kinds: frozenset[EncounterKind]) -> Accept:
        place = f"accept {number}"
        if not isinstance(told, Mapping):
            self.wrong(place, "is not a list of pieces, from and until")
            return Accept(frozenset(), kinds)
        for name in sorted(map(str, set(told) - _ACCEPT)):
            self.wrong(f"{place}.{name}", f"is not known here; there are {', '.join(sorted(_ACCEPT))}")
        found = self.pieces(f"{place}.pieces", told.get("pieces"))
        if not found:
            self.wrong(f"{place}.pieces", "names no piece")
        own = self.kinds(f"{place}.for", told["for"]) if "for" in told else kinds
        until = tuple(
            bound
            for one in self.items("until", told)
            if (bound := self.bound(f"{place}.until", one, each)) is not None
        )
        since = self.bound(f"{place}.from", told["from"], each) if "from" in told else None
        only = told.get("only_in_time", False)
        if not isinstance(only, bool):
            self.wrong(f"{place}.only_in_time", "is neither true nor false")
        when = self.conditions(f"{place}.when", told.get("when"), each)
        by = tuple(
            one
            for each_one in self.items("by", told)
            if (one := self.one(f"{place}.by", Owing, each_one)) is not None
        )
        return Accept(found, own, when, since, until, bool(only), by)

    def bound(self, place: str, given: Any, each: Each) -> Bound | None:
        """``moment``, ``moment + parameter`` or ``moment - parameter``."""
        match = _BOUND.fullmatch(str(given).strip())
        moment = self.one(place, Moment, match.group(1)) if match else None
        if match is None:
            self.wrong(place, f"{given!r} is not understood; write a moment, or a moment + or - a parameter")
        if match is None or moment is None:
            return None
        if moment in _ANY_ONE and moment not in _OF_ONE[each]:
            self.wrong(place, f"{moment} is no moment of each: {each}")
        if match.group(3) is None:
            return Bound(moment)
        amount = self.amount(place, match.group(3))
        if amount is None:
            return None
        sign = -1 if match.group(2) == "-" else 1
        days, time = amount
        return Bound(moment, sign * days, sign * time)

    def amount(self, place: str, name: str) -> tuple[int, timedelta] | None:
        """A parameter as calendar days, or as time by the clock."""
        held = self.parameters.get(name)
        self.used.add(name)
        if held is None:
            self.wrong(place, f"the rule has no parameter {name}")
            return None
        value, unit = held
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.wrong(place, f"the parameter {name} is {value!r}; a whole number is needed")
            return None
        one = timedelta(days=1) if unit in ("day", "days", "d") else _UNITS.get(unit)
        if one is not None and value > _LONGEST // one:
            self.wrong(place, f"the parameter {name} is {value:,} {unit}; a hundred years are the most")
            return None
        if one is not None:
            return (value, timedelta(0)) if unit not in _UNITS else (0, value * one)
        self.wrong(place, f"the parameter {name} is in {unit!r}; days, h or min is needed")
        return None

    def conditions(self, place: str, given: Any, each: Each) -> tuple[Condition, ...]:
        listed = given if isinstance(given, list) else [] if given is None else [given]
        return tuple(
            found for one in listed if (found := self.condition(place, str(one).strip(), each)) is not None
        )

    def condition(self, place: str, text: str, each: Each) -> Condition | None:
        wanted, word = (False, text[4:].strip()) if text.startswith("not ") else (True, text)
        if word in WORDS:
            return Condition(word, wanted)
        if match := _STAY.fullmatch(word):
            amount = self.amount(place, match.group(1))
            return Condition("short", wanted, time=amount[1] + timedelta(days=amount[0])) if amount else None
        if match := _SAYS.fullmatch(word):
            self.used.add(match.group(1))
            held = self.parameters.get(match.group(1))
            if held is None or held[0] not in ("yes", "no"):
                self.wrong(place, f"the parameter {match.group(1)} has to be yes or no, in quotation marks")
                return None
            return Condition("says", wanted, holds=held[0] == "yes", name=match.group(1))
        if match := _HAS.fullmatch(word):
            self.pieces(place, match.group(1))
            since = self.bound(place, match.group(2), each) if match.group(2) else None
            return Condition(
                "has", wanted, piece=match.group(1), since=since, until=self.bound(place, match.group(3), each)
            )
        self.wrong(
            place,
            f"{text!r} is not understood; there are {', '.join(sorted(WORDS))}, 'stay shorter than PARAMETER', "
            "'site says PARAMETER' and 'has PIECE from MOMENT until MOMENT', each with 'not' before it or without",
        )
        return None


def rule_set(demands: Iterable[Demand]) -> RuleSet:
    """The demands as a set. Raises RuleError where one rule is there twice."""
    listed = sorted(demands, key=lambda each: each.rule)
    twice = [one.rule for one, other in pairwise(listed) if one.rule == other.rule]
    if twice:
        raise RuleError([f"rule {code}: is there twice." for code in twice])
    return RuleSet(tuple(listed))
