"""What a chart lacks, from its facts and the rules that hold: pure, and the same whatever the order of documents.

What nobody said never opens a deficiency: a condition that is unknown does not make a rule hold, and where an
alternative depends on it, the alternative is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .clocks import Calendar
from .facts import (
    ConsultFact,
    Disposition,
    DocumentFact,
    EncounterFacts,
    EncounterKind,
    OrderFact,
    Party,
    ProcedureFact,
    Role,
    Side,
)
from .findings import Finding, What
from .pieces import pieces
from .rules import Accept, Bound, Condition, Demand, Each, Evidence, Fit, Moment, Owing, RuleSet

_EARLY = datetime.min.replace(tzinfo=UTC)
_DAY_ENDS = timedelta(microseconds=1)
#: Encounters of these states never took place.
NEVER = frozenset({"planned", "cancelled", "entered-in-error"})


def analyse(facts: EncounterFacts, rules: RuleSet, now: datetime) -> tuple[Finding, ...]:
    """The deficiencies of a chart at ``now``, in the order of the rules; none of an encounter that has not
    begun."""
    if facts.status in NEVER or (facts.start is not None and facts.start > now):
        return ()
    return tuple(_Analysis(facts, now).found(rules.of(facts.kind)))


@dataclass(frozen=True, slots=True)
class _Case:
    """One thing that something is demanded of: the encounter itself (``about`` empty), or an operation, a session,
    an order, a consultation, a document."""

    about: str = ""
    words: str = ""
    start: datetime | None = None
    end: datetime | None = None
    operations: tuple[ProcedureFact, ...] = ()
    order: OrderFact | None = None
    consult: ConsultFact | None = None
    document: DocumentFact | None = None


#: The encounter itself, the one case of what is demanded of it.
_WHOLE = [_Case()]


class _Window(NamedTuple):
    """The time in which these pieces satisfy a demand of one case."""

    pieces: frozenset[str]
    since: datetime | None
    until: datetime | None
    only_in_time: bool
    by: tuple[Party, ...] = ()

    def early(self, document: DocumentFact) -> bool:
        return self.since is not None and document.authored is not None and document.authored < self.since

    def takes(self, document: DocumentFact) -> bool:
        """Whether it is one of the pieces, by somebody who may write it as far as anybody knows."""
        if document.piece not in self.pieces:
            return False
        known = [who for who in document.authors if who.known]
        return not self.by or not known or any(who.is_(other) for who in known for other in self.by)

    def covers(self, document: DocumentFact) -> bool:
        if document.piece not in self.pieces:
            return False
        at = document.authored
        if at is not None and (
            (self.since is not None and at < self.since) or (self.until is not None and at > self.until)
        ):
            return False
        return self.takes(document)


@lru_cache(maxsize=64)
def _calendar(zone: str) -> Calendar:
    return Calendar(ZoneInfo(zone))


class _Analysis:
    """One chart under analysis; what several rules ask is worked out once."""

    def __init__(self, facts: EncounterFacts, now: datetime) -> None:
        self.facts, self.now, self.calendar = facts, now, _calendar(facts.time_zone)
        self.zone = self.calendar.zone
        self.documents = sorted(facts.documents, key=_document_order)
        # An addendum is no piece by itself.
        self.whole = [each for each in self.documents if not each.added_to]
        self.operations = _operations(facts.procedures, self.zone)
        self.sessions = _sessions(self.operations)
        self._listed: dict[Each, list[_Case]] = {}

    def found(self, demands: Iterable[Demand]) -> Iterable[Finding]:
        for demand in demands:
            yield from self._of(demand)

    def _of(self, demand: Demand) -> Iterable[Finding]:
        cases = self._cases(demand)
        if demand.when:
            cases = [case for case in cases if self._holds(demand.when, case, unknown=False)]
        if not cases:
            return
        if demand.accept:
            yield from self._documented(demand, cases)
            return
        for case in cases:
            finding = self._evident(demand, case) if demand.evidence else self._fitting(demand, case)
            if finding is not None:
                yield finding

    # What is demanded of

    def _cases(self, demand: Demand) -> list[_Case]:
        each = demand.each
        if each is Each.ENCOUNTER:
            return _WHOLE
        if each is Each.OPERATION:
            return self.operations
        if each is Each.SESSION:
            return self.sessions
        if each not in self._listed:
            self._listed[each] = self._list(each)
        cases = self._listed[each]
        if demand.pieces and each is Each.DOCUMENT:
            cases = [one for one in cases if one.document is not None and one.document.piece in demand.pieces]
        return cases

    def _list(self, each: Each) -> list[_Case]:
        if each is Each.ORDER:
            return [
                _Case(f"{one.type}/{one.id}", one.title, one.ordered, order=one)
                for one in sorted(self.facts.orders, key=lambda one: (one.ordered or _EARLY, one.id))
                if one.stands
            ]
        if each is Each.CONSULTATION:
            return [
                _Case(f"ServiceRequest/{one.id}", one.title, one.ordered, consult=one)
                for one in sorted(self.facts.consults, key=lambda one: (one.ordered or _EARLY, one.id))
                if one.stands
            ]
        return [_Case(f"{one.type}/{one.id}", one.title, one.authored, document=one) for one in self.documents]

    # Documents that satisfy

    def _documented(self, demand: Demand, cases: Sequence[_Case]) -> Iterable[Finding]:
        own = self._assigned(demand, cases) if demand.own else None
        windows = {case.about: self._windows(demand, case) for case in cases}
        there = {case.about: self.whole if own is None else own.get(case.about, []) for case in cases}
        good = {
            case.about: [each for each in there[case.about] if _in_time(each, windows[case.about])]
            for case in cases
        }
        # What is right for one operation is not late for another.
        taken = {each.id for listed in good.values() for each in listed}
        for case in cases:
            if not good[case.about]:
                left = [each for each in there[case.about] if each.id not in taken]
                yield self._lacking(demand, case, windows[case.about], left)

    def _windows(self, demand: Demand, case: _Case) -> list[_Window]:
        return [
            _Window(
                each.pieces,
                self._instant(each.since, case),
                self._earliest(each.until, case),
                each.only_in_time,
                tuple(who for rule in each.by if (who := self._holder(rule, case, None)) is not None and who.known),
            )
            for each in demand.accept
            if self.facts.kind in each.kinds and self._holds(each.when, case, unknown=True)
        ]

    def _lacking(
        self, demand: Demand, case: _Case, windows: Sequence[_Window], there: Sequence[DocumentFact]
    ) -> Finding:
        """What is wrong where nothing satisfies: a document that came late, one that is too old, or none."""
        due = self._earliest(demand.due or demand.accept[0].until, case)
        counted = [(each, window) for window in windows if not window.only_in_time for each in there]
        counted = [(each, window) for each, window in counted if window.takes(each) and each.authored]
        late = [each for each, window in counted if not window.early(each)]
        if late:
            return self._finding(demand, case, What.LATE, due, document=min(late, key=_document_order))
        early = [each for each, window in counted if window.early(each)]
        if early and self._too_old(demand):
            return self._finding(demand, case, What.UNFIT, due, document=max(early, key=_document_order))
        return self._finding(demand, case, demand.missing, due)

    @staticmethod
    def _too_old(demand: Demand) -> bool:
        """Whether a document before its time is too old, and not one of something else: time before was allowed."""
        since = demand.accept[0].since
        return since is not None and (since.days < 0 or since.time < timedelta(0))

    def _assigned(self, demand: Demand, cases: Sequence[_Case]) -> dict[str, list[DocumentFact]]:
        """Each document to the one case that it is about, so that every case needs one of its own."""
        wanted = frozenset().union(*(accept.pieces for accept in demand.accept))
        free = [each for each in self.whole if each.piece in wanted]
        given: dict[str, list[DocumentFact]] = {}
        for match in (self._named, self._of_day, self._of_author, self._of_nobody_else):
            left = []
            for document in free:
                case = next(
                    (each for each in cases if each.about not in given and match(document, each, cases)), None
                )
                if case is None:
                    left.append(document)
                else:
                    given[case.about] = [document]
            free = left
        return given

    @staticmethod
    def _named(document: DocumentFact, case: _Case, _: Sequence[_Case]) -> bool:
        return bool(document.procedure) and any(each.id == document.procedure for each in case.operations)

    def _of_day(self, document: DocumentFact, case: _Case, cases: Sequence[_Case]) -> bool:
        day = document.operated_on
        return (
            day is not None
            and case.start is not None
            and case.start.astimezone(self.zone).date() == day
            and self._of_author(document, case, cases)
        )

    @staticmethod
    def _of_author(document: DocumentFact, case: _Case, _: Sequence[_Case]) -> bool:
        asked = _asked(case)
        return _since(document, case) and any(who.is_(other) for who in document.authors for other in asked)

    @staticmethod
    def _of_nobody_else(document: DocumentFact, case: _Case, cases: Sequence[_Case]) -> bool:
        """Written by somebody whom no other case asks: an assistant, a colleague, or nobody known."""
        others = [who for each in cases if each.about != case.about for who in _asked(each)]
        return _since(document, case) and not any(who.is_(other) for who in document.authors for other in others)

    # What the chart says itself

    def _evident(self, demand: Demand, case: _Case) -> Finding | None:
        if demand.evidence is Evidence.FINAL_DIAGNOSIS:
            there = any(each.final for each in self.facts.diagnoses)
        elif demand.evidence is Evidence.DISPOSITION:
            there = self.facts.disposition is not None
        elif case.order is not None:
            return self._authenticated(demand, case, case.order)
        else:
            there = case.document is None or not case.document.unsigned
        if there:
            return None
        what = demand.missing if case.document is None else What.UNSIGNED
        return self._finding(demand, case, what, self._earliest(demand.due, case), document=case.document)

    def _authenticated(self, demand: Demand, case: _Case, order: OrderFact) -> Finding | None:
        due, at = self._earliest(demand.due, case), order.authenticated
        if at is None:
            return self._finding(demand, case, What.UNSIGNED, due)
        return self._finding(demand, case, What.LATE, due) if due is not None and at > due else None

    # What does not fit

    def _fitting(self, demand: Demand, case: _Case) -> Finding | None:
        if demand.fit is Fit.SIDES_AGREE:
            return self._sides(demand, case)
        document = case.document
        if document is None or document.piece not in demand.pieces:
            return None
        if demand.fit is Fit.OPERATED_IN_STAY:
            fits = self._in_stay(document)
        else:
            signers = [each.who for each in document.signatures]
            # What nobody knows of a signer's credentials is not held against the document.
            fits = document.unsigned or not signers or not all(_may_not(who, demand) for who in signers)
        return None if fits else self._finding(demand, case, What.UNFIT, self._earliest(demand.due, case),
                                               document=document)  # fmt: skip

    def _in_stay(self, document: DocumentFact) -> bool:
        day, start, end = document.operated_on, self.facts.start, self.facts.end
        if day is None or start is None:
            return True
        last = (end or self.now).astimezone(self.zone).date()
        return start.astimezone(self.zone).date() <= day <= last

    def _sides(self, demand: Demand, case: _Case) -> Finding | None:
        """A report of the other side than the consent, or the procedure itself, has."""
        reports = self._assigned_reports(demand).get(case.about, ())
        consents = [each for each in self.documents if each.piece == "consent" and each.sides]
        for report in reports:
            if len(report.sides) != 1:
                continue
            said = [each.sides for each in consents if _before(each, case)]
            said += [frozenset({one.side}) for one in case.operations if one.side is not None]
            contrary = [each for each in said if len(each) == 1 and _contrary(each, report.sides)]
            # Where consents tell of both sides, one of them is of this operation.
            agreeing = [each for each in said if not _contrary(each, report.sides)]
            if contrary and not agreeing:
                return self._finding(demand, case, What.UNFIT, self._earliest(demand.due, case), document=report)
        return None

    def _assigned_reports(self, demand: Demand) -> dict[str, list[DocumentFact]]:
        accept = (Accept(demand.pieces, demand.kinds),)
        whole = Demand(
            demand.rule, demand.title, demand.kind, demand.piece, Each.OPERATION, demand.kinds, (), demand.pieces,
            accept, None, None, True, (), demand.owed_by, demand.missing,
        )  # fmt: skip
        return self._assigned(whole, self.operations)

    # Conditions, tri-state: None is unknown

    def _holds(self, conditions: Sequence[Condition], case: _Case, *, unknown: bool) -> bool:
        for each in conditions:
            said = self._said(each, case)
            if said is None:
                if not unknown:
                    return False
            elif said is not each.wanted:
                return False
        return True

    def _said(self, condition: Condition, case: _Case) -> bool | None:
        facts, word = self.facts, condition.word
        if word == "says":
            return condition.holds
        if word == "has":
            return self._has(condition, case)
        if word == "ended":
            return facts.end is not None or facts.status == "finished"
        if word == "short":
            begun = facts.admitted or facts.start
            return None if facts.end is None or begun is None else facts.end - begun < condition.time
        if word in _DISPOSITIONS:
            return None if facts.disposition is None else facts.disposition is _DISPOSITIONS[word]
        if word == "emergency-care":
            return facts.kind is EncounterKind.EMERGENCY or any(
                each.kind is EncounterKind.EMERGENCY for each in facts.phases
            )
        if word == "diagnosed":
            return bool(facts.diagnoses)
        if word == "operated":
            return bool(self.operations)
        if word == "verbal":
            return case.order.verbal if case.order is not None else None
        if word == "emergency-operation":
            return any(_emergency(each) for each in self.sessions if _within(case, each))
        if word == "moved-on":
            return self._next_level(case) is not None
        return self._of_operations(word, case)

    def _of_operations(self, word: str, case: _Case) -> bool | None:
        """What is known of an operation or session, or of any of the stay."""
        listed = case.operations or tuple(one for each in self.operations for one in each.operations)
        if word == "anesthesia":
            said = [each.anesthesia for each in listed]
        elif word == "general-anesthesia":
            said = [each.general for each in listed]
        else:
            said = [each.tissue for each in listed]
        if any(said):
            return True
        return None if not said or None in said else False

    def _has(self, condition: Condition, case: _Case) -> bool:
        since, until = self._instant(condition.since, case), self._instant(condition.until, case)
        return any(
            each.piece == condition.piece
            and each.authored is not None
            and (since is None or since <= each.authored)
            and (until is None or each.authored < until)
            for each in self.documents
        )

    # Moments

    def _earliest(self, bounds: Sequence[Bound], case: _Case) -> datetime | None:
        found = None
        for each in bounds:
            at = self._instant(each, case)
            if at is not None and (found is None or at < found):
                found = at
        return found

    def _instant(self, bound: Bound | None, case: _Case) -> datetime | None:
        """The instant of a bound. Days are of the calendar: so many days before begin with their midnight, so many
        after end with theirs."""
        if bound is None:
            return None
        at = self._moment(bound.moment, case)
        if at is None:
            return None
        if not bound.days:
            return at + bound.time
        day = self.calendar.day_of(at) + timedelta(days=bound.days)
        return self.calendar.begins(day) if bound.days < 0 else self.calendar.ends(day) - _DAY_ENDS

    def _moment(self, moment: Moment, case: _Case) -> datetime | None:
        facts = self.facts
        if moment is Moment.REGISTRATION:
            return facts.start
        if moment is Moment.ADMISSION:
            return facts.admitted or facts.start
        if moment is Moment.DISCHARGE:
            return facts.end
        if moment is Moment.SURGERY:
            return min((each.start for each in self.operations if each.start is not None), default=None)
        if moment is Moment.PLANNED_SURGERY:
            planned = (each for each in self.sessions if not _emergency(each))
            return min((each.start for each in planned if each.start is not None), default=None)
        if moment is Moment.EMERGENCY_END:
            ends = [each.until for each in facts.phases if each.kind is EncounterKind.EMERGENCY]
            return ends[-1] if ends and ends[-1] is not None else facts.end
        if moment is Moment.NEXT_LEVEL:
            return self._next_level(case)
        return (case.end or case.start) if moment is Moment.END else case.start

    def _next_level(self, case: _Case) -> datetime | None:
        """When the patient was brought to another place after an operation."""
        done = case.end or case.start
        if done is None:
            return None
        return min((each.since for each in self.facts.moves if each.since > done), default=None)

    # Findings

    def _finding(
        self,
        demand: Demand,
        case: _Case,
        what: What,
        due: datetime | None,
        document: DocumentFact | None = None,
    ) -> Finding:
        who, because = self._owes(demand, case, document)
        piece = (document.piece if document is not None and demand.each is Each.DOCUMENT else None) or demand.piece
        about = f"{document.type}/{document.id}" if document is not None else case.about
        return Finding(
            rule=demand.rule,
            kind=demand.kind,
            piece=piece,
            what=what,
            about=about,
            owed_by=who,
            owed_because=because,
            due=due,
            says=self._says(demand, case, what, piece, document),
            key=":".join(dict.fromkeys((demand.rule, what.value, case.about, about))),
        )

    def _owes(self, demand: Demand, case: _Case, document: DocumentFact | None) -> tuple[Party | None, str]:
        for rule in demand.owed_by:
            who = self._holder(rule, case, document)
            if who is not None and who.known:
                return who, rule.words
        return None, f"{demand.owed_by[0].words}, whom the chart does not name"

    def _holder(self, rule: Owing, case: _Case, document: DocumentFact | None) -> Party | None:
        facts = self.facts
        start = facts.start or self.now
        if rule is Owing.AUTHOR:
            return document.authors[0] if document is not None and document.authors else None
        if rule is Owing.SUPERVISING:
            return document.supervisor if document is not None else None
        if rule in (Owing.SURGEON, Owing.ANESTHETIST):
            role = Role.SURGEON if rule is Owing.SURGEON else Role.ANESTHETIST
            listed = case.operations or tuple(one for each in self.operations for one in each.operations)
            return next((who for each in listed if (who := each.by(role)) is not None), None)
        if rule is Owing.ORDERER:
            return case.order.orderer if case.order is not None else None
        if rule is Owing.CONSULTED:
            return case.consult.asked_of if case.consult is not None else None
        if rule is Owing.ADMITTING:
            return facts.holding(Role.ADMITTING, facts.admitted or start)
        if rule is Owing.ATTENDING_AT_REGISTRATION:
            return facts.holding(Role.ATTENDING, start)
        if rule is Owing.ATTENDING_AT_ADMISSION:
            return facts.holding(Role.ATTENDING, facts.admitted or start)
        if rule is Owing.ATTENDING_AT_SURGERY:
            return facts.holding(Role.ATTENDING, case.start or self._moment(Moment.SURGERY, case) or start)
        # Whoever answers for the patient now, where nobody has left yet.
        return facts.holding(Role.ATTENDING, facts.end or self.now)

    def _says(self, demand: Demand, case: _Case, what: What, piece: str, document: DocumentFact | None) -> str:
        title = pieces()[piece].title if piece in pieces() else demand.title
        small = title[:1].lower() + title[1:]
        of = f" for {case.words}" if case.words and document is None else ""
        day = ""
        if document is not None and document.authored is not None:
            day = f" of {document.authored.astimezone(self.zone):%-d %b %Y %H:%M}"
        if demand.evidence is Evidence.FINAL_DIAGNOSIS:
            return "There is no final diagnosis."
        if demand.evidence is Evidence.DISPOSITION:
            return "Nobody wrote where the patient went."
        if what is What.MISSING:
            return f"There is no {small}{of}." if piece else f"{demand.title}: it is not in the chart."
        if what is What.UNANSWERED:
            return f"The consultation{of} was not answered."
        if what is What.UNSIGNED:
            return f"The {small}{day} is not signed." if document is not None else f"The order{of} is not signed."
        if what is What.LATE:
            return (
                f"The {small}{day} was written late." if document is not None else f"The order{of} was signed late."
            )
        return {
            Fit.OPERATED_IN_STAY: f"The {small}{day} tells of an operation on a day outside of the stay.",
            Fit.SIDES_AGREE: f"The {small}{day} names the other side than consent or procedure.",
            Fit.AUTHOR_MAY_SIGN: f"The {small}{day} is signed by somebody who may not sign it.",
            None: f"The {small}{day} is too old to stand for this stay.",
        }[demand.fit]


_DISPOSITIONS = {
    "died": Disposition.DIED,
    "against-advice": Disposition.AGAINST_ADVICE,
    "transferred": Disposition.TRANSFERRED,
}


def _emergency(session: _Case) -> bool:
    """Whether the record says of an operation that it could not wait, or of another in one session with it; where
    nobody says so, it could."""
    return any(each.emergency for each in session.operations)


def _within(case: _Case, session: _Case) -> bool:
    """Whether a case is of a session; the whole encounter is of each."""
    return not case.operations or not set(case.operations).isdisjoint(session.operations)


def _in_time(document: DocumentFact, windows: Iterable[_Window]) -> bool:
    return any(each.covers(document) for each in windows)


def _document_order(document: DocumentFact) -> tuple[datetime, str, str]:
    return document.authored or _EARLY, document.type, document.id


def _asked(case: _Case) -> list[Party]:
    """Who is to write about a case."""
    if case.consult is not None:
        return [case.consult.asked_of] if case.consult.asked_of is not None else []
    return [who for each in case.operations for role, who in each.performers if role is Role.SURGEON]


def _since(document: DocumentFact, case: _Case) -> bool:
    """Whether a document can be about a case: nobody reports what has not begun."""
    return document.authored is None or case.start is None or document.authored >= case.start


def _before(document: DocumentFact, case: _Case) -> bool:
    return document.authored is None or case.start is None or document.authored <= case.start


def _contrary(one: frozenset[Side], other: frozenset[Side]) -> bool:
    return Side.BILATERAL not in one | other and not one & other


def _may_not(who: Party, demand: Demand) -> bool:
    """Whether somebody has credentials that do not allow to sign, and none that do."""
    held = set(who.credentials.replace(".", "").replace(",", " ").replace(";", " ").upper().split())
    return bool(held & demand.may_not_sign) and not held & demand.may_sign


def _operations(procedures: Sequence[ProcedureFact], zone: ZoneInfo) -> list[_Case]:
    """The operations that took place: procedures of one surgeon at one time are one."""
    groups: list[list[ProcedureFact]] = []
    listed = (each for each in procedures if each.operation and each.done)
    for each in sorted(listed, key=lambda each: (each.start or _EARLY, each.id)):
        surgeon = each.by(Role.SURGEON)
        same = next((group for group in groups if _one_operation(group, each, surgeon)), None)
        if same is None:
            groups.append([each])
        else:
            same.append(each)
    return [_case_of(group) for group in groups]


def _one_operation(group: Sequence[ProcedureFact], other: ProcedureFact, surgeon: Party | None) -> bool:
    first = group[0].by(Role.SURGEON)
    if first is not None and surgeon is not None and not first.is_(surgeon):
        return False
    ends = max((each.end or each.start or _EARLY for each in group), default=_EARLY)
    return (other.start or _EARLY) <= ends or other.start == group[0].start


def _sessions(operations: Sequence[_Case]) -> list[_Case]:
    groups: list[list[_Case]] = []
    for each in operations:
        last = groups[-1] if groups else None
        if last is not None and (each.start or _EARLY) <= max(one.end or one.start or _EARLY for one in last):
            last.append(each)
        else:
            groups.append([each])
    return [_case_of([one for each in group for one in each.operations]) for group in groups]


def _case_of(group: Sequence[ProcedureFact]) -> _Case:
    first = group[0]
    ends = [each.end for each in group if each.end is not None]
    return _Case(f"Procedure/{first.id}", first.title, first.start, max(ends, default=None), tuple(group))
