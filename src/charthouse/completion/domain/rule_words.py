"""A demand as a person reads it: of which charts it asks for what, until when, and who owes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from .facts import EncounterKind
from .findings import What
from .letter_texts import several
from .pieces import title_of
from .rules import Accept, Bound, Condition, Demand, Each, Evidence, Fit, Moment, Owing

#: A heading and the sentences under it.
Said = tuple[str, tuple[str, ...]]

_MOMENTS = {
    Moment.REGISTRATION: "registration",
    Moment.ADMISSION: "admission",
    Moment.DISCHARGE: "discharge",
    Moment.EMERGENCY_END: "the end of emergency care",
    Moment.SURGERY: "the first operation",
    Moment.PLANNED_SURGERY: "the first operation that was no emergency",
    Moment.START: "the beginning of the operation",
    Moment.END: "the end of the operation",
    Moment.NEXT_LEVEL: "the next level of care",
    Moment.ORDERED: "the order",
    Moment.AUTHORED: "its writing",
}
_EACH = {
    Each.ENCOUNTER: "",
    Each.OPERATION: "of each operation",
    Each.SESSION: "of each operation, or of several without a gap between them",
    Each.ORDER: "of each order",
    Each.CONSULTATION: "of each consultation that was asked for",
    Each.DOCUMENT: "of each document",
}
#: A condition where it holds, and where it is wanted not to.
_CONDITIONS = {
    "ended": ("the encounter has ended", "the encounter has not ended"),
    "died": ("the patient died", "the patient did not die"),
    "against-advice": ("the patient left against advice", "the patient did not leave against advice"),
    "transferred": ("the patient was transferred", "the patient was not transferred"),
    "emergency-care": ("emergency care was given", "no emergency care was given"),
    "diagnosed": ("the chart tells diagnoses", "the chart tells no diagnosis"),
    "operated": ("there was an operation", "there was no operation"),
    "anesthesia": ("anesthesia was given", "no anesthesia was given"),
    "general-anesthesia": ("general anesthesia was given", "no general anesthesia was given"),
    "tissue": ("tissue was removed", "no tissue was removed"),
    "emergency-operation": ("the operation was an emergency", "the operation was no emergency"),
    "verbal": ("the order was given by word of mouth or telephone", "the order was given in writing"),
    "moved-on": ("the patient was moved on afterwards", "the patient was not moved on afterwards"),
}
_KINDS = {EncounterKind.SAME_DAY_SURGERY: "same-day surgery"}
_EVIDENCE = {
    Evidence.FINAL_DIAGNOSIS: "One of the diagnoses is final.",
    Evidence.DISPOSITION: "The chart says where the patient went.",
    Evidence.AUTHENTICATION: "It is signed.",
}
_FITS = {
    Fit.OPERATED_IN_STAY: "The day of the operation that it tells lies in the stay.",
    Fit.SIDES_AGREE: "It names the side that consent and procedure name.",
    Fit.AUTHOR_MAY_SIGN: "Somebody signed it whose credentials allow it.",
}


def demand_in_words(demand: Demand) -> tuple[Said, ...]:
    """What a demand says, under the headings of a rule's page."""
    said: list[Said] = [("Asked of", (_asked_of(demand),))]
    if demand.when:
        said.append(("Where", tuple(_sentence(_condition(each)) for each in demand.when)))
    said.append(("Satisfied by", tuple(_satisfied(demand))))
    due = demand.due or (demand.accept[0].until if demand.accept else ())
    said.append(("Due", (_sentence(_earliest(due)) if due else "No day is set.",)))
    said.append(("Owed by", (_owed_by(demand.owed_by),)))
    return tuple(said)


def number_in_words(value: object, unit: str) -> str:
    """A rule's number, word or list: ``24 h``, ``yes``, ``MD, DO``."""
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{shown} {unit}".strip()


def _asked_of(demand: Demand) -> str:
    kinds = _kinds(demand.kinds)
    charts = "Every chart" if demand.kinds == frozenset(EncounterKind) else f"{_capital(kinds)} charts"
    each = _EACH[demand.each]
    if demand.pieces and demand.each is Each.DOCUMENT:
        each += f" that is one of these: {_any_of(demand.pieces)}"
    elif demand.pieces:
        each += f", in its {_any_of(demand.pieces)}"
    return f"{charts}{f', {each}' if each else ''}."


def _satisfied(demand: Demand) -> Iterable[str]:
    if demand.evidence is not None:
        yield _EVIDENCE[demand.evidence]
    if demand.fit is not None:
        yield _FITS[demand.fit]
        if demand.may_sign:
            yield f"These may: {', '.join(sorted(demand.may_sign))}."
            yield f"These alone may not: {', '.join(sorted(demand.may_not_sign))}."
    for each in demand.accept:
        yield _accepted(each, demand)
    if demand.own:
        yield "Each needs a document of its own."
    if demand.accept:
        word = "unanswered" if demand.missing is What.UNANSWERED else demand.missing.value
        yield f"Where nothing of it is there, it is {word}."


def _accepted(accept: Accept, demand: Demand) -> str:
    words = _capital(_any_of(accept.pieces))
    if accept.kinds != demand.kinds:
        words += f", for {_kinds(accept.kinds)}"
    if accept.by:
        words += f", by {_joined((each.words for each in accept.by), 'or')}"
    if accept.when:
        words += f", where {_joined((_condition(each) for each in accept.when), 'and')}"
    since = f"from {_bound(accept.since)}" if accept.since else ""
    until = f"until {_earliest(accept.until)}" if accept.until else ""
    words += (
        f", written {' '.join(filter(None, (since, until)))}." if since or until else ", whenever it was written."
    )
    if accept.only_in_time and (since or until):
        words += " Outside of this time it counts as nothing."
    elif until:
        words += " Written later, it is late."
        if accept.since and (accept.since.days < 0 or accept.since.time < timedelta(0)):
            words += " Written before, it is too old."
    return words


def _condition(condition: Condition) -> str:
    if condition.word == "short":
        return (
            f"the stay was {'' if condition.wanted else 'not '}shorter than {_span(timedelta(0), condition.time)}"
        )
    if condition.word == "has":
        since = f" from {_bound(condition.since)}" if condition.since else ""
        until = f" until {_bound(condition.until)}" if condition.until else ""
        there = "there is a" if condition.wanted else "there is no"
        return f"{there} {_small(title_of(condition.piece))} written{since}{until}"
    if condition.word == "says":
        asked = "yes" if condition.wanted else "no"
        stands = "yes" if condition.holds else "no"
        return f"the site says {asked} to “{condition.name.replace('_', ' ')}” (it says {stands})"
    return _CONDITIONS[condition.word][0 if condition.wanted else 1]


def _earliest(bounds: Iterable[Bound]) -> str:
    listed = [_bound(each) for each in bounds]
    return _joined(listed, "or") + (", whichever is first" if len(listed) > 1 else "")


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return ""
    moment = _MOMENTS[bound.moment]
    if not bound.days and not bound.time:
        return moment
    before = bound.days < 0 or bound.time < timedelta(0)
    return f"{_span(timedelta(days=abs(bound.days)), abs(bound.time))} {'before' if before else 'after'} {moment}"


def _span(days: timedelta, time: timedelta) -> str:
    """Days of the calendar, or time by the clock, in words."""
    if days:
        return several(days.days, "day")
    minutes = time // timedelta(minutes=1)
    return several(minutes // 60, "hour") if minutes % 60 == 0 else several(minutes, "minute")


def _owed_by(owing: tuple[Owing, ...]) -> str:
    words = [each.words for each in owing]
    return _sentence(words[0]) if len(words) == 1 else f"The first whom the chart names: {'; '.join(words)}."


def _kinds(kinds: Iterable[EncounterKind]) -> str:
    there = set(kinds)
    return _joined((_KINDS.get(each, each.value) for each in EncounterKind if each in there), "and")


def _any_of(pieces: Iterable[str]) -> str:
    return _joined((_small(title_of(each)) for each in sorted(pieces)), "or")


def _joined(words: Iterable[str], last: str) -> str:
    listed = list(words)
    return f" {last} ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else ""


def _small(title: str) -> str:
    return title[:1].lower() + title[1:]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _sentence(words: str) -> str:
    return f"{_capital(words)}."
