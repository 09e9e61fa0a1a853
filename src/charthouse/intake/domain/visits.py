"""What happens to a visit: messages about one visit, in any order, made into one FHIR Encounter.

An Encounter keeps four histories, each a line of values that follow one another without gap or overlap: its
status, class, service, and where the patient is. A message puts a value on a line at the time the event happened.
A message that comes in order ends what was current and becomes current itself. A late one (entered before what was
last applied) finds its place in the history and never changes what is current; of elements without a history it
fills only what is missing. Cancelling takes the cancelled value off its line, so that the one before is current
again. A cancellation that comes before what it cancels is remembered and met with it.

FHIR R4 gives status, class and location their histories. Participants carry their period. The history of services
is an extension (``SERVICE_HISTORY``), and what the rules need to know beside that is another (``VISIT_STATE``):
``lastEvent``, since when the current status, class and service hold, when a message in order last spoke of each
line, and unmet cancellations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from charthouse.exchange.hl7v2.api import (
    SERVICE_HISTORY,
    Effect,
    Participant,
    Place,
    VisitChange,
    moment,
)

__all__ = ["SERVICE_HISTORY", "VISIT_STATE", "VisitResult", "apply_visit"]

Json = dict[str, Any]

VISIT_STATE: Final = "urn:charthouse:fhir:StructureDefinition:encounter-visit-state"
"""Extension of Encounter, with ``lastEvent``, ``statusSince``, ``classSince``, ``serviceSince``, ``statusSeen``,
``classSeen``, ``serviceSeen``, ``placeSeen`` (dateTime) and any number of ``cancelled`` (``transfer``,
``discharge`` or ``leave``: a cancellation whose event has not come yet)."""

_TEMPORARY = {
    "url": "http://hl7.org/fhir/StructureDefinition/subject-locationClassification",
    "valueCodeableConcept": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/subject-location", "code": "temporary"}]
    },
}
_UNKNOWN_CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}
_PLANNED_END = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedEndDate"
_EARLIEST = datetime.min.replace(tzinfo=UTC)

_BEGINS = frozenset({Effect.ADMIT, Effect.REGISTER})
_MOVES = frozenset(
    {
        Effect.ADMIT,
        Effect.REGISTER,
        Effect.TRANSFER,
        Effect.CLASS,
        Effect.UPDATE,
        Effect.DISCHARGE,
        Effect.LEAVE,
        Effect.RETURN,
    }
)
_TELLS_CLASS = _MOVES | {Effect.PREADMIT, Effect.PEND_ADMIT, Effect.PEND_TRANSFER, Effect.PEND_DISCHARGE}
_ENDED = frozenset({"finished", "cancelled", "entered-in-error"})


@dataclass(frozen=True, slots=True)
class VisitResult:
    """The Encounter after a change, and what was strange about it."""

    resource: Json
    warnings: list[str]


@dataclass(slots=True)
class _Entry:
    """One value on a line, from ``start`` (None: nobody knows since when)."""

    start: str | None
    value: Any

    @property
    def begins(self) -> datetime:
        return _instant(self.start)


def _instant(text: str | None) -> datetime:
    return (moment(text) if text else None) or _EARLIEST


class _Line:
    """Values that follow one another. ``same`` tells whether two values are one.

    ``seen`` is when a message in order last spoke of this line: up to then the current value is confirmed.
    """

    def __init__(self, entries: list[_Entry], same: Callable[[Any, Any], bool], seen: str | None = None) -> None:
        self.entries = entries
        self.seen = seen
        self._same = same

    @property
    def current(self) -> Any:
        return self.entries[-1].value if self.entries else None

    def set(self, at: str | None, value: Any) -> None:
        """Make ``value`` current from ``at``, or from where the current one began if that is later."""
        self.see(at)
        if self.entries:
            last = self.entries[-1]
            if self._same(last.value, value):
                last.value = value
                return
            if _instant(at) < last.begins:
                at = last.start
        self.entries.append(_Entry(at, value))

    def see(self, at: str | None) -> None:
        """Note that a message in order spoke of this line."""
        if _instant(at) > _instant(self.seen):
            self.seen = at

    def insert(self, at: str | None, value: Any) -> bool:
        """Put ``value`` into the history at ``at``.

        False, and nothing done, where it would become current although the current value was confirmed later.
        """
        when = _instant(at)
        place = sum(1 for entry in self.entries if entry.begins <= when)
        if place == len(self.entries) and self.entries:
            if not self._same(self.entries[-1].value, value):
                if when < _instant(self.seen):
                    return False
                self.entries.append(_Entry(at, value))
            return True
        if place and self._same(self.entries[place - 1].value, value):
            return True
        if place < len(self.entries) and self._same(self.entries[place].value, value):
            self.entries[place].start = at
            return True
        self.entries.insert(place, _Entry(at, value))
        return True

    def put(self, at: str | None, value: Any, *, late: bool) -> bool:
        """``insert`` for a late message, ``set`` for one in order."""
        if late and self.entries:
            return self.insert(at, value)
        self.set(at, value)
        return True

    def undo(self, at: str | None) -> Any:
        """Take the current value off at ``at``; the one before is current again."""
        self.see(at)
        return self.entries.pop().value

    def spans(self, end: str | None = None) -> Iterator[tuple[Any, Json]]:
        """Every value with its period; ``end`` closes the last."""
        for number, entry in enumerate(self.entries):
            until = self.entries[number + 1].start if number + 1 < len(self.entries) else end
            if until is not None and _instant(until) < entry.begins:
                until = entry.start
            yield entry.value, _period(entry.start, until)


def _period(start: str | None, end: str | None) -> Json:
    return {name: text for name, text in (("start", start), ("end", end)) if text}


def _same_code(one: Json, other: Json) -> bool:
    return one.get("code") == other.get("code") and one.get("system") == other.get("system")


def _same_place(one: Json, other: Json) -> bool:
    return bool(one["location"].get("reference") == other["location"].get("reference"))


def _same_service(one: Json, other: Json) -> bool:
    def words(service: Json) -> object:
        codings = service.get("coding") or []
        return [(c.get("system"), c.get("code")) for c in codings] or service.get("text")

    return words(one) == words(other)


@dataclass(slots=True)
class _Visit:
    """An Encounter taken apart into its lines, to be changed and put together again."""

    resource: Json
    status: _Line
    class_: _Line
    service: _Line
    places: _Line
    temporary: _Line
    reserved: list[Json]
    participants: list[Json]
    last_event: str | None
    cancelled: list[str]
    warnings: list[str] = field(default_factory=list)


def apply_visit(current: Json | None, change: VisitChange) -> VisitResult:
    """The Encounter after ``change``. ``current`` is the Encounter as stored, None where the visit is new.

    Nothing given is changed. Periods never overlap on a line and never run backwards.
    """
    visit = _open(current, change)
    recorded = change.recorded or change.at
    late = bool(visit.last_event and recorded and _instant(recorded) < _instant(visit.last_event))
    at = change.at or change.recorded or visit.last_event
    new = current is None
    if change.effect is Effect.MENTION and not new:
        _fill(visit, change)
        return VisitResult(_close(visit, change), visit.warnings)
    if late:
        visit.warnings.append("The message is older than what was last applied; it went into the history.")
    _set_status(visit, change, at, late=late, new=new)
    _set_class(visit, change, at, late=late)
    _set_service(visit, change, at, late=late)
    _set_place(visit, change, at, late=late)
    _set_participants(visit, change, at, late=late)
    _set_elements(visit, change, late=late)
    _set_period(visit, change, at, late=late)
    if not late and recorded:
        visit.last_event = recorded
    return VisitResult(_close(visit, change), visit.warnings)


# Taking apart and putting together


def _open(current: Json | None, change: VisitChange) -> _Visit:
    resource: Json = dict(current) if current else {"resourceType": "Encounter", "id": change.id}
    state = _state(resource)
    history = resource.pop("statusHistory", [])
    status = _Line(
        [_Entry(e["period"].get("start"), e["status"]) for e in history],
        lambda a, b: bool(a == b),
        state.get("statusSeen"),
    )
    if current:
        status.entries.append(_Entry(state.get("statusSince"), resource["status"]))
    classes = resource.pop("classHistory", [])
    class_ = _Line(
        [_Entry(e["period"].get("start"), e["class"]) for e in classes], _same_code, state.get("classSeen")
    )
    if current and resource.get("class") and not _same_code(resource["class"], _UNKNOWN_CLASS):
        class_.entries.append(_Entry(state.get("classSince"), resource["class"]))
    services = [e for e in resource.get("extension", []) if e.get("url") == SERVICE_HISTORY]
    service = _Line([_service_entry(e) for e in services], _same_service, state.get("serviceSeen"))
    if resource.get("serviceType"):
        service.entries.append(_Entry(state.get("serviceSince"), resource["serviceType"]))
    places: list[_Entry] = []
    temporary: list[_Entry] = []
    reserved: list[Json] = []
    for entry in resource.pop("location", []):
        if entry.get("status") in ("planned", "reserved"):
            reserved.append(entry)
            continue
        line = temporary if _TEMPORARY in entry.get("extension", []) else places
        line.append(_Entry((entry.get("period") or {}).get("start"), entry))
    resource["extension"] = [
        e for e in resource.get("extension", []) if e.get("url") not in (SERVICE_HISTORY, VISIT_STATE)
    ]
    visit = _Visit(
        resource=resource,
        status=status,
        class_=class_,
        service=service,
        places=_Line(places, _same_place, state.get("placeSeen")),
        temporary=_Line(temporary, _same_place),
        reserved=reserved,
        participants=[dict(entry) for entry in resource.pop("participant", [])],
        last_event=state.get("lastEvent"),
        cancelled=list(state.get("cancelled", [])),
    )
    if end := _discharged(visit):
        # What ended with the visit goes on when the visit does: see _close.
        visit.participants = [_going_on(entry, end) for entry in visit.participants]
    return visit


def _going_on(entry: Json, end: str) -> Json:
    period = entry.get("period") or {}
    if "start" not in period or period.get("end") != end:
        return entry
    return {**entry, "period": {"start": period["start"]}}


def _ended_by(entry: Json, end: str) -> Json:
    """A participant, whose part is over when the visit is."""
    period = entry.get("period") or {}
    start, until = period.get("start"), period.get("end")
    if start is None or _instant(start) > _instant(end) or (until and _instant(until) <= _instant(end)):
        return entry
    return {**entry, "period": {"start": start, "end": end}}


def _state(resource: Json) -> Json:
    state: Json = {}
    for extension in resource.get("extension", []):
        if extension.get("url") == VISIT_STATE:
            for part in extension.get("extension", []):
                if part["url"] == "cancelled":
                    state.setdefault("cancelled", []).append(part["valueCode"])
                else:
                    state[part["url"]] = part["valueDateTime"]
    return state


def _service_entry(extension: Json) -> _Entry:
    parts = {part["url"]: part for part in extension.get("extension", [])}
    period = parts.get("period", {}).get("valuePeriod", {})
    return _Entry(period.get("start"), parts["service"]["valueCodeableConcept"])


def _close(visit: _Visit, change: VisitChange) -> Json:
    resource = visit.resource
    resource.setdefault("subject", {"reference": change.patient})
    resource["status"] = visit.status.current or "unknown"
    history = [{"status": value, "period": period} for value, period in list(visit.status.spans())[:-1]]
    _put(resource, "statusHistory", history)
    resource["class"] = visit.class_.current or dict(_UNKNOWN_CLASS)
    classes = [{"class": value, "period": period} for value, period in list(visit.class_.spans())[:-1]]
    _put(resource, "classHistory", classes)
    if visit.service.current:
        resource["serviceType"] = visit.service.current
    end = _discharged(visit)
    _put(resource, "participant", [_ended_by(entry, end) if end else entry for entry in visit.participants])
    _put(resource, "location", list(_locations(visit)))
    extensions = resource.pop("extension", []) + [
        {
            "url": SERVICE_HISTORY,
            "extension": [
                {"url": "service", "valueCodeableConcept": value},
                *([{"url": "period", "valuePeriod": period}] if period else []),
            ],
        }
        for value, period in list(visit.service.spans())[:-1]
    ]
    state = _write_state(visit)
    if state:
        extensions.append({"url": VISIT_STATE, "extension": state})
    _put(resource, "extension", extensions)
    return resource


def _locations(visit: _Visit) -> Iterator[Json]:
    ended = visit.status.current in _ENDED
    end = _end_of(visit) if ended else None
    for line in (visit.places, visit.temporary):
        spans = list(line.spans(end))
        for number, (value, period) in enumerate(spans):
            over = ended or number + 1 < len(spans)
            entry = {"location": value["location"], "status": "completed" if over else "active"}
            if value.get("extension"):
                entry["extension"] = value["extension"]
            if period:
                entry["period"] = period
            yield entry
    yield from visit.reserved


def _end_of(visit: _Visit) -> str | None:
    """When an ended visit ended: its discharge, or when it was cancelled."""
    return _discharged(visit) or visit.status.entries[-1].start


def _discharged(visit: _Visit) -> str | None:
    """When a finished visit ended, where that is known."""
    if visit.status.current != "finished":
        return None
    return (visit.resource.get("period") or {}).get("end")


def _write_state(visit: _Visit) -> list[Json]:
    parts: list[Json] = []
    for name, text in (
        ("lastEvent", visit.last_event),
        ("statusSince", visit.status.entries[-1].start if visit.status.entries else None),
        ("classSince", visit.class_.entries[-1].start if visit.class_.entries else None),
        ("serviceSince", visit.service.entries[-1].start if visit.service.entries else None),
        ("statusSeen", visit.status.seen),
        ("classSeen", visit.class_.seen),
        ("serviceSeen", visit.service.seen),
        ("placeSeen", visit.places.seen),
    ):
        if text:
            parts.append({"url": name, "valueDateTime": text})
    parts += [{"url": "cancelled", "valueCode": what} for what in visit.cancelled]
    return parts


def _put(resource: Json, name: str, value: list[Json]) -> None:
    if value:
        resource[name] = value
    else:
        resource.pop(name, None)


# Status


def _set_status(visit: _Visit, change: VisitChange, at: str | None, *, late: bool, new: bool) -> None:
    status, effect = visit.status, change.effect
    match effect:
        case Effect.ADMIT:
            status.put(at, "in-progress", late=late)
        case Effect.REGISTER:
            begun = "planned" if change.status == "planned" else "in-progress"
            if begun == "in-progress" or status.current in (None, "unknown", "cancelled"):
                status.put(at, begun, late=late)
        case Effect.PREADMIT | Effect.PEND_ADMIT:
            if late or status.current in (None, "unknown", "planned", "cancelled"):
                status.put(at, "planned", late=late)
        case Effect.DISCHARGE:
            if _was_cancelled(visit, "discharge", late):
                return
            status.put(change.discharged or at, "finished", late=late)
        case Effect.LEAVE:
            if not _was_cancelled(visit, "leave", late):
                status.put(at, "onleave", late=late)
        case Effect.RETURN:
            if late or status.current == "onleave":
                status.put(at, "in-progress", late=late)
        case Effect.CANCEL_ADMIT:
            status.put(at, "cancelled", late=late)
        case Effect.CANCEL_PEND_ADMIT:
            if status.current in (None, "planned"):
                status.put(at, "cancelled", late=late)
        case Effect.CANCEL_DISCHARGE:
            _cancel_discharge(visit, at, late=late)
        case Effect.CANCEL_LEAVE:
            if status.current == "onleave" and len(status.entries) > 1:
                status.undo(at)
            elif status.current == "onleave":
                status.set(at, "in-progress")
            else:
                _remember(visit, "leave")
        case Effect.CANCEL_RETURN:
            before = status.entries[-2].value if len(status.entries) > 1 else None
            if status.current == "in-progress" and before == "onleave":
                status.undo(at)
            else:
                status.set(at, "onleave")
    _default_status(visit, change, at, late=late, new=new)


def _default_status(visit: _Visit, change: VisitChange, at: str | None, *, late: bool, new: bool) -> None:
    """A status for visits whose beginning was never seen, and the discharge that an update tells of."""
    status, effect = visit.status, change.effect
    if effect in (Effect.TRANSFER, Effect.CLASS, Effect.TRACK):
        planned = effect is Effect.CLASS and (change.class_ or {}).get("code") == "PRENC"
        if status.current in (None, "unknown", "planned") and not planned and not late:
            status.set(at, "in-progress")
    if status.current in (None, "unknown") and not late:
        status.set(
            change.admitted or at, change.status or ("unknown" if effect is Effect.MENTION else "in-progress")
        )
    tells = effect in (Effect.ADMIT, Effect.REGISTER, Effect.UPDATE) or (new and effect is Effect.MENTION)
    if tells and change.discharged and status.current not in _ENDED and not late:
        status.set(change.discharged, "finished")


def _cancel_discharge(visit: _Visit, at: str | None, *, late: bool) -> None:
    status = visit.status
    if status.current != "finished":
        if late:
            return
        _remember(visit, "discharge")
        return
    if late:
        return
    status.undo(at)
    if not status.entries:
        status.set(at, "in-progress")
    period = dict(visit.resource.get("period") or {})
    period.pop("end", None)
    visit.resource["period"] = period
    if not period:
        del visit.resource["period"]
    stay = dict(visit.resource.get("hospitalization") or {})
    stay.pop("dischargeDisposition", None)
    stay.pop("destination", None)
    visit.resource["hospitalization"] = stay
    if not stay:
        del visit.resource["hospitalization"]


def _remember(visit: _Visit, what: str) -> None:
    if what not in visit.cancelled:
        visit.cancelled.append(what)
    visit.warnings.append(f"There is no {what} to cancel yet; the cancellation is kept for when it arrives.")


def _was_cancelled(visit: _Visit, what: str, late: bool) -> bool:
    """Whether this event was cancelled before it arrived. A new event, entered later, is another one."""
    if what not in visit.cancelled:
        return False
    visit.cancelled.remove(what)
    if not late:
        return False
    visit.warnings.append(f"The {what} had been cancelled before its message came; it was not applied.")
    return True


# Class, service, place


def _set_class(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    if change.class_ is None:
        return
    if change.effect in _TELLS_CLASS or not visit.class_.entries:
        visit.class_.put(at, change.class_, late=late)


def _set_service(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    if change.service is None:
        return
    if change.effect in _TELLS_CLASS or not visit.service.entries:
        visit.service.put(at, change.service, late=late)


def _entry(place: Place, *, temporary: bool = False) -> Json:
    reference: Json = {"reference": place.reference}
    if place.display:
        reference["display"] = place.display
    return {"location": reference, "extension": [_TEMPORARY]} if temporary else {"location": reference}


def _set_place(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    places, effect = visit.places, change.effect
    match effect:
        case Effect.CANCEL_TRANSFER:
            _cancel_transfer(visit, change, at, late=late)
        case Effect.PREADMIT | Effect.PEND_ADMIT:
            if change.location and not late:
                _reserve(visit, change.location, "planned")
        case Effect.PEND_TRANSFER:
            wanted = change.pending_location or change.location
            if wanted and not late:
                _reserve(visit, wanted, "reserved")
        case Effect.CANCEL_PEND_TRANSFER | Effect.CANCEL_PEND_ADMIT | Effect.CANCEL_ADMIT:
            if not late:
                visit.reserved.clear()
        case Effect.CANCEL_PEND_DISCHARGE:
            visit.resource["extension"] = [
                e for e in visit.resource.get("extension", []) if e.get("url") != _PLANNED_END
            ]
        case Effect.TRACK:
            if change.location and not change.temporary_location and change.trigger == "A10":
                places.put(at, _entry(change.location), late=late)
        case Effect.MENTION:
            if change.location and not places.entries:
                places.set(at, _entry(change.location))
        case _ if effect in _MOVES:
            _move(visit, change, at, late=late)
    if change.temporary_location and (effect in _MOVES or effect is Effect.TRACK):
        visit.temporary.put(at, _entry(change.temporary_location, temporary=True), late=late)
    if change.pending_location and effect is Effect.UPDATE and not late:
        _reserve(visit, change.pending_location, "reserved")


def _move(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    places, effect = visit.places, change.effect
    if change.location is None:
        return
    if effect is Effect.TRANSFER:
        if _was_cancelled(visit, "transfer", late):
            return
        prior = change.prior_location
        if prior and not places.entries and prior.reference != change.location.reference:
            start = change.admitted or (visit.resource.get("period") or {}).get("start")
            places.set(start if _instant(start) <= _instant(at) else None, _entry(prior))
    if effect is Effect.DISCHARGE:
        at = change.discharged or at
        if not places.entries:
            at = change.admitted or (visit.resource.get("period") or {}).get("start") or at
    elif not places.entries and effect not in (Effect.TRANSFER, Effect.ADMIT, Effect.REGISTER):
        at = change.admitted or at
    if visit.status.current in _ENDED and effect is Effect.UPDATE and places.entries:
        return  # an update after the end repeats where the patient last was; nobody moves any more
    if not places.put(at, _entry(change.location), late=late):
        visit.warnings.append("A late message names another place than the present one; the present one stays.")
    if effect in (Effect.TRANSFER, Effect.ADMIT) and not late:
        visit.reserved = []


def _cancel_transfer(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    places = visit.places
    if late:
        return
    if len(places.entries) < 2:
        _remember(visit, "transfer")
        return
    cancelled = places.undo(at)
    if change.location is None:
        return
    now = _entry(change.location)
    if not _same_place(now, places.current) and not _same_place(now, cancelled):
        visit.warnings.append("After the cancelled transfer the message names a third place; it is taken as true.")
        places.set(at, now)


def _reserve(visit: _Visit, place: Place, status: str) -> None:
    entry = _entry(place)
    entry["status"] = status
    visit.reserved = [entry]


# Participants


def _set_participants(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    """People whose role the message speaks of: those not named any more have ended, those new begin."""
    for role in sorted(change.roles):
        named = [one for one in change.participants if one.code == role]
        held = [entry for entry in visit.participants if _role(entry) == role]
        if late:
            _insert_people(visit, role, named, held, at)
            continue
        wanted = {one.reference for one in named}
        for entry in held:
            period = dict(entry.get("period") or {})
            if "end" not in period and _who(entry) not in wanted:
                _end(entry, period, at)
        open_now = {_who(entry) for entry in held if "end" not in (entry.get("period") or {})}
        for one in named:
            if one.reference not in open_now:
                visit.participants.append(_person(one, one.start or at))


def _end(entry: Json, period: Json, at: str | None) -> None:
    start = period.get("start")
    if at is None:
        return
    period["end"] = at if _instant(at) >= _instant(start) else start
    entry["period"] = period


def _insert_people(visit: _Visit, role: str, named: list[Participant], held: list[Json], at: str | None) -> None:
    """A late message's people, up to when the next of their role began. Without a next, nothing is certain."""
    known = {_who(entry) for entry in held}
    starts = [(entry.get("period") or {}).get("start") for entry in held]
    after = sorted((s for s in starts if s and _instant(s) > _instant(at)), key=_instant)
    for one in named:
        if one.reference in known or (held and not after):
            continue
        person = _person(one, one.start or at)
        if after:
            _end(person, dict(person.get("period") or {}), after[0])
        visit.participants.append(person)


def _person(one: Participant, start: str | None) -> Json:
    individual: Json = {"reference": one.reference}
    if one.display:
        individual["display"] = one.display
    entry: Json = {"type": [one.role], "individual": individual}
    end = one.end if one.end and _instant(one.end) >= _instant(start) else None
    period = _period(start, end)
    if period:
        entry["period"] = period
    return entry


def _role(entry: Json) -> str:
    kind = (entry.get("type") or [{}])[0]
    codings = kind.get("coding") or [{}]
    return str(codings[0].get("code") or kind.get("text") or "")


def _who(entry: Json) -> str:
    return str((entry.get("individual") or {}).get("reference", ""))


# Elements without a history


def _set_elements(visit: _Visit, change: VisitChange, *, late: bool) -> None:
    resource = visit.resource
    for name in change.cleared if not late else ():
        outer, _, inner = name.partition(".")
        if inner and isinstance(resource.get(outer), dict):
            resource[outer] = {key: value for key, value in resource[outer].items() if key != inner}
            if not resource[outer]:
                del resource[outer]
        elif not inner:
            resource.pop(outer, None)
    elements = change.elements
    if change.effect is Effect.CANCEL_DISCHARGE and "hospitalization" in elements:
        stay = {
            key: value
            for key, value in elements["hospitalization"].items()
            if key not in ("dischargeDisposition", "destination")
        }
        elements = {**elements, "hospitalization": stay} if stay else _without(elements, "hospitalization")
    for name, value in elements.items():
        resource[name] = _joined(name, resource.get(name), value, late=late)


def _without(elements: Json, name: str) -> Json:
    return {key: value for key, value in elements.items() if key != name}


def _joined(name: str, held: Any, said: Any, *, late: bool) -> Any:
    if held is None or held == []:
        return said
    match name:
        case "identifier":
            known = {(one.get("system"), one.get("value")) for one in held}
            return held + [one for one in said if (one.get("system"), one.get("value")) not in known]
        case "account":
            return held + [one for one in said if one not in held]
        case "diagnosis":
            spoken = {one["condition"]["reference"] for one in said}
            if late:
                known = {one["condition"]["reference"] for one in held}
                return held + [one for one in said if one["condition"]["reference"] not in known]
            return [one for one in held if one["condition"]["reference"] not in spoken] + said
        case "extension":
            if late:
                urls = {one["url"] for one in held}
                return held + [one for one in said if one["url"] not in urls]
            urls = {one["url"] for one in said}
            return [one for one in held if one["url"] not in urls] + said
        case "hospitalization":
            return {**said, **held} if late else {**held, **said}
        case "meta":
            labels = held.get("security", [])
            return {**held, "security": labels + [one for one in said.get("security", []) if one not in labels]}
    return held if late else said


def _set_period(visit: _Visit, change: VisitChange, at: str | None, *, late: bool) -> None:
    resource = visit.resource
    period = dict(resource.get("period") or {})
    start = change.admitted
    if start is None and change.effect in _BEGINS and visit.status.current != "planned":
        start = at
    if start and (not late or "start" not in period):
        period["start"] = start
    if visit.status.current == "finished":
        if change.effect is Effect.DISCHARGE and not late:
            period["end"] = change.discharged or at or period.get("end")
        elif change.discharged and ("end" not in period or not late):
            period["end"] = change.discharged
        if period.get("end") is None:
            period.pop("end", None)
    if "end" in period and _instant(period["end"]) < _instant(period.get("start")):
        visit.warnings.append("The discharge is before the admission; the visit ends where it began.")
        period["end"] = period["start"]
    if period:
        resource["period"] = period
    else:
        resource.pop("period", None)


def _fill(visit: _Visit, change: VisitChange) -> None:
    """A message that only mentions the visit: gaps are filled, nothing moves."""
    at = change.recorded or change.at
    if change.class_ and not visit.class_.entries:
        visit.class_.set(at, change.class_)
    if change.service and not visit.service.entries:
        visit.service.set(at, change.service)
    if change.location and not visit.places.entries:
        visit.places.set(at, _entry(change.location))
    for role in sorted(change.roles):
        if not any(_role(entry) == role for entry in visit.participants):
            visit.participants += [_person(one, one.start) for one in change.participants if one.code == role]
    _set_elements(visit, change, late=True)
    period = visit.resource.get("period") or {}
    if (
        change.admitted
        and "start" not in period
        and _instant(change.admitted) <= _instant(period.get("end", "9999"))
    ):
        visit.resource["period"] = {**period, "start": change.admitted}
