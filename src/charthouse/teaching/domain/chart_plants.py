"""What a chart can lack, planted one kind of deficiency at a time, each with what only looks like one.

What the analysis is to find is written here by hand from the rules (42 CFR 482.22, .24, .51, .52 and the
hospital's own hours); no program that finds deficiencies is asked. What the hospital itself has not written yet at
its noon is told, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from random import Random

from .answers import Answer
from .items import Adt, Document, Item, Performed, Report, Request, Stay
from .planting import Lack, Planted, kind
from .population import Person
from .staff import HOSPITAL, Practitioner, staff

_HISTORY = "42 CFR 482.24(c)(4)(i): no more than 30 days before or 24 hours after admission, updated when older"
_OPERATION = "42 CFR 482.51(b)(6): immediately after surgery; this hospital's policy says 24 hours"
_NEXT = "RC.02.01.03: a note before the next level of care"
_EXCEPT = "42 CFR 482.51(b)(1) and (2): before surgery, except in emergencies"
_CONSENT = "42 CFR 482.51(b)(2): in the chart before surgery"
_ANESTHESIA = "42 CFR 482.52(b): within 48 hours before, and within 48 hours after"
_ORDER = "42 CFR 482.24(c)(2): authenticated promptly; this hospital's policy says 48 hours"
_CONSULT = "42 CFR 482.24(c)(4)(iii); this hospital's policy says 24 hours"
_SUMMARY = "42 CFR 482.24(c)(4)(vii): outcome, disposition, follow-up; a final note does for less than 48 hours"
_COMPLETE = "42 CFR 482.24(c)(4)(viii): final diagnosis, complete within 30 days after discharge"
_TISSUE = "42 CFR 482.27(d), 482.24(c)(4)(vi): tissue that was removed is reported on"
_EMERGENCY = "42 CFR 482.55, 482.24(c)(4)"
_ACCURATE = "42 CFR 482.24(b): accurately written"
_SIGNED = "42 CFR 482.24(c)(1): authenticated by who is responsible"
_POLICY = "the hospital's own policy"
#: The rules' own numbers, from their text and this hospital's policy; not read from a rule pack.
_DAYS, _HOURS, _ANESTHESIA_HOURS, _ORDER_HOURS, _SHORT = 30, 24, 48, 48, timedelta(hours=48)
_MINUTE = timedelta(minutes=1)
#: When the hospital's system tells of an operation, after its end.
_TOLD = timedelta(minutes=12)
#: UB-04 codes of those who go to another facility.
_ELSEWHERE = frozenset({"02", "03", "04", "05", "43", "61", "62", "63", "64", "65", "66", "69", "70"})
#: Root operations of ICD-10-PCS that take tissue out: excision, detachment, extraction, resection.
_TAKES_OUT = frozenset("B6DT")
_GENERAL = frozenset({"general endotracheal", "general, LMA"})
_LIGHT = frozenset(
    {
        "monitored anesthesia care",
        "monitored anesthesia care with local",
        "topical with monitored care",
        "moderate sedation",
        "local",
        "spinal",
    }
)


def exact(at: datetime, span: timedelta) -> datetime:
    """So much later by the clock, whatever the time of year does."""
    return (at.astimezone(UTC) + span).astimezone(at.tzinfo)


def inside_at(stay: Stay) -> datetime:
    """When the patient was admitted, or registered where nobody was."""
    return stay.admitted or stay.start


def housed(stay: Stay) -> bool:
    """Whether it was more than a visit: an inpatient or observed."""
    return stay.inpatient or stay.becomes == "O"


def takes_out(stay: Stay) -> bool:
    """Whether the operation took tissue out, by its code."""
    return bool(stay.operated) and stay.procedure[:1] == "0" and stay.procedure[2:3] in _TAKES_OUT


def lacks_brief_note(planted: Planted, stay: Stay) -> Lack | None:
    """That a note is missing, too, where the report is and the patient was moved on before anybody wrote."""
    moved = next_move(planted, stay)
    if moved is None or stay.operated is None:
        return None
    end = stay.operated[1]
    return None if _noted(planted, stay, end, moved) else Lack("brief-operative-note", "missing", stay.surgeon)


def _noted(planted: Planted, stay: Stay, end: datetime, moved: datetime) -> bool:
    """Whether the surgeon wrote a note of any kind between the operation and the move."""
    notes = (each for each in planted.items if isinstance(each, Document) and each.stay is stay)
    return any(
        each.kind.startswith(("PR", "BOP")) and each.by == stay.surgeon and end <= each.filed <= moved
        for each in notes
    )


def next_move(planted: Planted, stay: Stay) -> datetime | None:
    """When the patient was first moved after the operation, as the hospital tells it."""
    if stay.operated is None:
        return None
    end = stay.operated[1]
    moves = [at for at, _ in stay.moves if end < at <= planted.anchor]
    moves += [
        each.at
        for each in planted.items
        if isinstance(each, Adt) and each.stay is stay and each.event == "A02" and end < each.at
    ]
    return min(moves, default=None)


def not_yet(someone: Person, stays: Sequence[Stay], later: Sequence[Item], anchor: datetime) -> list[Answer]:
    """What is owed at the hospital's noon because it is written ``later``: of those who are in bed, and of those
    who went home in these days."""
    found = []
    for item in later:
        stay = item.stay
        if stay is None or stay.start > anchor:
            continue
        if (lacks := _owed_now(item, stay, anchor)) is not None:
            what = item.title.lower() if isinstance(item, Document) else "pathology report"
            found.append(
                Answer(
                    "not_yet",
                    someone.mrn,
                    f"The {what} is not there yet.",
                    _COMPLETE,
                    visit=stay.number,
                    deficiency=lacks.deficiency,
                    what=lacks.what,
                    owed_by=lacks.npi,
                )
            )
    return found


def _owed_now(item: Item, stay: Stay, anchor: datetime) -> Lack | None:
    told = stay.operated is not None and stay.operated[1] + _TOLD <= anchor
    if isinstance(item, Report):
        due = item.section == "SP" and told and takes_out(stay)
        return Lack("pathology-report", "missing", stay.surgeon) if due else None
    if not isinstance(item, Document):
        return None
    code = item.kind.partition("^")[0]
    if code == "ED":
        return Lack("emergency-record", "missing", stay.attending(stay.start))
    if code == "HP":
        due = told if not housed(stay) else inside_at(stay) <= anchor
        return Lack("history-and-physical", "missing", stay.attending(inside_at(stay))) if due else None
    if code == "OP" and told:
        return Lack("operative-report", "missing", stay.surgeon)
    if code == "ANPOST" and told:
        return Lack("post-anesthesia-evaluation", "missing", stay.anesthetist)
    if code == "DS" and stay.end <= anchor:
        return Lack("discharge-summary", "missing", stay.attending(stay.end))
    if code == "AMA" and stay.end <= anchor:
        return Lack("against-advice", "missing", stay.attending(stay.end))
    return None


# Helpers of the planters


def _fallen(planted: Planted, rng: Random, rate: float) -> Iterator[tuple[Stay, Random]]:
    """The stays on which chance falls and that are over, each with chances of its own."""
    for stay in planted.stays:
        own = Random(rng.random())  # noqa: S311
        if rng.random() < rate and stay.end + timedelta(days=4) < planted.anchor:
            yield stay, own


def _of(planted: Planted, stay: Stay, *codes: str) -> list[Document]:
    """The free documents of a stay of these kinds."""
    return [each for each in planted.documents(*codes) if each.stay is stay and planted.free(each)]


def _one(planted: Planted, stay: Stay, *codes: str) -> Document | None:
    found = _of(planted, stay, *codes)
    return found[0] if len(found) == 1 else None


def _moved_after(planted: Planted, stay: Stay) -> bool:
    return next_move(planted, stay) is not None


def _file(document: Document, at: datetime, written: datetime | None = None) -> None:
    """Write a document at another time, signed as it is filed."""
    document.at, document.filed, document.signed = written or at, at, at


def _retitled(document: Document, code: str, title: str) -> None:
    document.kind, document.title = f"{code}^{title}^L", title


# Before the operation, and at admission


@kind("chart_no_update", 0.06, "an older history and physical that nobody updated")
def _no_update(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "HP")
        if document is None or stay.condition.way not in ("elective", "outpatient") or not stay.operated:
            continue
        at = exact(stay.start, -timedelta(days=own.randrange(2, _DAYS - 1)))
        _file(document, stay.start + 3 * _MINUTE, at)
        planted.touch(document)
        planted.answer(
            "chart_no_update",
            f"The history of {at:%Y-%m-%d} was not updated at admission.",
            _HISTORY,
            visit=stay.number,
            lacks=Lack("interval-update", "missing", stay.attending(inside_at(stay))),
        )


@kind("chart_history_limit", 0.08, "a history and physical at the limit of its time, or just beyond it")
def _history_limit(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "HP")
        if document is None:
            continue
        begun, right = inside_at(stay), own.random() < 0.5
        who = stay.attending(begun)
        if stay.condition.way in ("elective", "outpatient") and stay.operated:
            if right:
                at = datetime.combine(stay.start.date() - timedelta(days=_DAYS), time(0, 1), stay.start.tzinfo)
                planted.items.append(_update(document, stay))
            else:
                day = stay.start.date() - timedelta(days=_DAYS + 1)
                at = datetime.combine(day, time(23, 59), stay.start.tzinfo)
            _file(document, stay.start + 3 * _MINUTE, at)
            words = f"The history is {_DAYS + (not right)} days older than the admission"
            words += ", and was updated." if right else "."
            lacks = Lack("history-and-physical", "" if right else "unfit", None if right else who)
        elif housed(stay) and not stay.operated:
            at = exact(begun, timedelta(hours=_HOURS) + (timedelta(0) if right else _MINUTE))
            if at + timedelta(hours=1) > stay.end:
                continue
            _file(document, at + 5 * _MINUTE, at)
            words = f"The history was written {_HOURS} hours{'' if right else ' and a minute'} after admission."
            lacks = Lack("history-and-physical", "" if right else "late", None if right else who)
        else:
            continue
        planted.answer("chart_history_limit", words, _HISTORY, document, right=right, lacks=lacks)


def _update(document: Document, stay: Stay) -> Document:
    at = stay.start + 6 * _MINUTE
    return replace(
        document,
        at=at,
        filed=at + 2 * _MINUTE,
        signed=at + 2 * _MINUTE,
        number=f"{document.number}U",
        kind="HPU^Update of the history and physical^L",
        title="Update of the history and physical",
        text=f"History reviewed, patient examined, no changes.\n{document.by.signed}",
    )


@kind(
    "chart_outpatient_assessment", 0.3, "an outpatient assessment in place of the history, where it may be or not"
)
def _assessment(planted: Planted, rng: Random, rate: float) -> None:
    for stay, _ in _fallen(planted, rng, rate):
        document, operation = _one(planted, stay, "HP"), stay.condition.operation
        if document is None or operation is None or not stay.operated or stay.condition.way != "outpatient":
            continue
        light = operation.anesthesia in _LIGHT
        if not light and operation.anesthesia not in _GENERAL:
            continue
        _retitled(document, "OPA", "Outpatient assessment")
        planted.touch(document)
        if light:
            planted.answer(
                "chart_outpatient_assessment",
                "An outpatient assessment stands in place of the history, where there is no general anesthesia.",
                _HISTORY,
                document,
                right=True,
                lacks=Lack("history-and-physical"),
            )
            continue
        planted.answer(
            "chart_outpatient_assessment",
            "Before general anesthesia an outpatient assessment does not stand in place of the history.",
            _HISTORY,
            visit=stay.number,
            lacks=Lack("history-and-physical", "missing", stay.attending(inside_at(stay))),
        )


@kind("chart_consent", 0.06, "a consent that is missing, or was signed after the operation began")
def _consent(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "CONS")
        if document is None or stay.operated is None:
            continue
        chosen = own.choice(("missing", "late", ""))
        if chosen == "missing":
            planted.remove(document)
            planted.answer(
                "chart_consent",
                "There is no consent to the operation.",
                _CONSENT,
                visit=stay.number,
                lacks=Lack("consent", "missing", stay.surgeon),
            )
            continue
        begin = stay.operated[0]
        _file(document, begin + (own.randrange(1, 40) * _MINUTE if chosen else timedelta(0)))
        words = "The consent was signed after the operation began." if chosen else "The consent was just in time."
        planted.answer(
            "chart_consent",
            words,
            _CONSENT,
            document,
            right=not chosen,
            lacks=Lack("consent", chosen, stay.surgeon if chosen else None),
        )


@kind("chart_urgent_surgery", 0.2, "a history and physical after an operation that could wait, or could not")
def _urgent_surgery(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document, consent = _one(planted, stay, "HP"), _one(planted, stay, "CONS")
        if document is None or consent is None or not stay.operated:
            continue
        if stay.condition.way != "ed" or not housed(stay):
            continue
        limit = exact(inside_at(stay), timedelta(hours=_HOURS))
        after = stay.operated[1] + own.randrange(20, 90) * _MINUTE
        who = stay.attending(inside_at(stay))
        chosen = own.choice(("emergency", "planned", "late"))
        at = max(after, limit) + _MINUTE if chosen == "late" else after
        if at + timedelta(hours=1) > stay.end or (chosen != "late" and after > limit):
            continue
        stay.emergency = chosen != "planned"
        _file(document, at + 4 * _MINUTE, at)
        right = chosen == "emergency"
        words = {
            "emergency": "The history was written after an operation that could not wait, and in a day.",
            "planned": "The history was written after the operation.",
            "late": "The operation could not wait; the history was written later than a day after admission.",
        }[chosen]
        planted.answer(
            "chart_urgent_surgery",
            words,
            _EXCEPT,
            document,
            right=right,
            lacks=Lack("history-and-physical", "" if right else "late", None if right else who),
        )
        if stay.emergency:
            planted.remove(consent)
            planted.answer(
                "chart_urgent_surgery",
                "Nobody could consent before an operation that could not wait.",
                _EXCEPT,
                right=True,
                visit=stay.number,
                lacks=Lack("consent"),
            )


@kind("chart_anesthesia", 0.08, "an evaluation by anesthesia that is missing, or at the limit of its time")
def _anesthesia(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        if stay.operated is None or stay.anesthetist is None:
            continue
        begin, end = stay.operated
        before, after = _one(planted, stay, "ANPRE"), _one(planted, stay, "ANPOST")
        side = own.choice(("before", "after"))
        document = before if side == "before" else after
        if document is None:
            continue
        name = "pre-anesthesia-evaluation" if side == "before" else "post-anesthesia-evaluation"
        chosen = own.choice(("missing", "limit", "beyond"))
        limit = timedelta(hours=_ANESTHESIA_HOURS) + (_MINUTE if chosen == "beyond" else timedelta(0))
        at = exact(begin, -limit) if side == "before" else exact(end, limit)
        if chosen == "missing" or not stay.start < at < stay.end - timedelta(hours=1):
            planted.remove(document)
            planted.answer(
                "chart_anesthesia",
                f"There is no evaluation {side} anesthesia.",
                _ANESTHESIA,
                visit=stay.number,
                lacks=Lack(name, "missing", stay.anesthetist),
            )
            continue
        _file(document, at + 2 * _MINUTE, at)
        right = chosen == "limit"
        what = "" if right else "unfit" if side == "before" else "late"
        words = (
            f"The evaluation was {_ANESTHESIA_HOURS} hours{'' if right else ' and a minute'} {side} the operation."
        )
        planted.answer(
            "chart_anesthesia",
            words,
            _ANESTHESIA,
            document,
            right=right,
            lacks=Lack(name, what, None if right else stay.anesthetist),
        )


# The operation


@kind("chart_late_report", 0.06, "an operative report at the limit of its time, or beyond it")
def _late_report(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "OP")
        if document is None or stay.operated is None or _moved_after(planted, stay):
            continue
        right = own.random() < 0.4
        beyond = timedelta(0) if right else own.choice((_MINUTE, timedelta(hours=own.randrange(1, 40))))
        _file(document, exact(stay.operated[1], timedelta(hours=_HOURS) + beyond))
        words = "exactly 24 hours" if right else "more than 24 hours"
        planted.answer(
            "chart_late_report",
            f"The operative report was dictated {words} after the operation.",
            _OPERATION,
            document,
            right=right,
            lacks=Lack("operative-report", "" if right else "late", None if right else stay.surgeon),
        )


@kind("chart_next_level", 0.06, "no note before the patient was moved on, while the report was not there")
def _next_level(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "OP")
        if document is None or stay.operated is None or _moved_after(planted, stay):
            continue
        end = stay.operated[1]
        if _noted(planted, stay, end, end + 20 * _MINUTE):
            continue
        recovery = f"PACU^{stay.number[-4:]}^A^{HOSPITAL}"
        planted.items += [
            Adt(end + 20 * _MINUTE, stay, "A02", bed_before=stay.bed(end), place=recovery),
            Adt(end + 35 * _MINUTE, stay, "A02", bed_before=recovery, place=stay.bed(end)),
        ]
        _file(document, end + timedelta(hours=own.randrange(2, 20)))
        right = own.random() < 0.5
        if right:
            at = end + 13 * _MINUTE
            planted.items.append(
                replace(
                    document,
                    at=at,
                    filed=at,
                    signed=at,
                    number=f"{document.number}B",
                    kind="BOP^Brief operative note^L",
                    title="Brief operative note",
                    text=f"As planned, no complications. Full report dictated.\n{document.by.signed}",
                )
            )
        planted.touch(document)
        words = "A note was" if right else "Neither note nor report was"
        planted.answer(
            "chart_next_level",
            f"{words} there when the patient was moved to recovery.",
            _NEXT,
            right=right,
            visit=stay.number,
            lacks=Lack("brief-operative-note", "" if right else "missing", None if right else stay.surgeon),
        )


@kind("chart_two_surgeons", 0.08, "two surgeons, of whom each owes a report")
def _two_surgeons(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document, operation = _one(planted, stay, "OP"), stay.condition.operation
        if document is None or stay.operated is None or operation is None or operation.minor:
            continue
        if _moved_after(planted, stay):
            continue
        begin, end = stay.operated
        team = [each for each in staff(planted.hospital.seed)["SUR"] if each not in (stay.surgeon, document.by)]
        second = own.choice(team)
        done = Performed(
            "0JQ80ZZ^Repair Abdomen Subcutaneous Tissue and Fascia, Open Approach",
            begin + 5 * _MINUTE,
            end,
            second,
            stay.anesthetist,
        )
        planted.items.append(Adt(end + timedelta(minutes=14), stay, "A08", procedures=(done,)))
        right = own.random() < 0.5
        if right:
            at = end + timedelta(minutes=own.randrange(20, 90))
            planted.items.append(
                replace(
                    document,
                    at=at,
                    filed=at + 5 * _MINUTE,
                    signed=at + 5 * _MINUTE,
                    number=f"{document.number}S",
                    by=second,
                    text=f"PROCEDURE: repair of the fascia\nSURGEON: {second.signed}\n"
                    f"DATE: {begin:%m/%d/%Y}\nTECHNIQUE: closed in layers.",
                )
            )
        planted.touch(document)
        words = "both reports are there" if right else f"the report of Dr. {second.family} is not there"
        planted.answer(
            "chart_two_surgeons",
            f"Two surgeons operated, and {words}.",
            _OPERATION,
            right=right,
            visit=stay.number,
            lacks=Lack("operative-report", "" if right else "missing", None if right else second),
        )


@kind("chart_cancelled_case", 0.02, "an operation that was taken back: nothing is owed for it (a near miss)")
def _cancelled(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        if stay.operated or stay.procedure or not stay.inpatient:
            continue
        told = inside_at(stay) + timedelta(hours=9)
        if told + timedelta(hours=3) > stay.end:
            continue
        surgeon = own.choice(staff(planted.hospital.seed)["SUR"])
        begin = told - timedelta(hours=2)
        done = Performed(
            "0DJD8ZZ^Inspection of Lower Intestinal Tract, Via Natural or Artificial Opening Endoscopic",
            begin,
            begin + timedelta(minutes=30),
            surgeon,
        )
        planted.items += [
            Adt(told, stay, "A08", procedures=(done,)),
            Adt(told + timedelta(hours=2), stay, "A08", procedures=(replace(done, taken_back=True),)),
        ]
        planted.answer(
            "chart_cancelled_case",
            "The case was cancelled: no report and no consent is owed.",
            _OPERATION,
            right=True,
            visit=stay.number,
            lacks=Lack("operative-report"),
        )


@kind("chart_pathology", 0.1, "tissue that was removed and not reported on")
def _pathology(planted: Planted, rng: Random, rate: float) -> None:
    for stay, _ in _fallen(planted, rng, rate):
        report = next(
            (
                each
                for each in planted.first
                if isinstance(each, Report) and each.stay is stay and each.section == "SP"
            ),
            None,
        )
        if report is None or not takes_out(stay) or not planted.free(report):
            continue
        planted.remove(report)
        planted.answer(
            "chart_pathology",
            "There is no pathology report of what was removed.",
            _TISSUE,
            visit=stay.number,
            lacks=Lack("pathology-report", "missing", stay.surgeon),
        )


@kind("chart_operation_date", 0.05, "an operative report of a day on which the patient was not there")
def _operation_date(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "OP")
        if document is None or stay.operated is None:
            continue
        day = stay.start - timedelta(days=own.randrange(2, 30))
        told = f"DATE: {stay.operated[0]:%m/%d/%Y}"
        if told not in document.text:
            continue
        document.text = document.text.replace(told, f"DATE: {day:%m/%d/%Y}")
        planted.answer(
            "chart_operation_date",
            f"The report tells of an operation on {day:%Y-%m-%d}, before the stay.",
            _ACCURATE,
            document,
            lacks=Lack("operation-date", "unfit", document.by),
        )


# Orders and consultations


@kind("chart_verbal_order", 0.05, "a verbal order that nobody signed, or at the limit of its time")
def _verbal(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        at = inside_at(stay) + timedelta(minutes=own.randrange(20, 50))
        if at >= stay.end:
            continue
        by, number = stay.attending(at), f"W{stay.number}800"
        order = Request(at, stay, number, "SITTER^Sitter at the bedside^L", by, mode="VE^Verbal^HL70483")
        planted.items.append(order)
        chosen = own.choice(("unsigned", "late", ""))
        if chosen != "unsigned":
            beyond = own.choice((_MINUTE, timedelta(hours=own.randrange(1, 40)))) if chosen else timedelta(0)
            signed = exact(at, timedelta(hours=_ORDER_HOURS) + beyond)
            planted.items.append(replace(order, at=signed, ordered=at, verified=by))
        words = {"unsigned": "was never signed", "late": "was signed late", "": "was signed after exactly 48 hours"}
        planted.answer(
            "chart_verbal_order",
            f"The verbal order of {at:%Y-%m-%d %H:%M} {words[chosen]}.",
            _ORDER,
            right=not chosen,
            visit=stay.number,
            lacks=Lack("verbal-order", chosen, by if chosen else None),
        )


@kind("chart_consultation", 0.05, "a consultation that was asked for and not answered, or at the limit of its time")
def _consultation(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        at = inside_at(stay) + timedelta(hours=2, minutes=own.randrange(60))
        other = [each for each in planted.documents("CN") if each.stay is stay]
        if other or not stay.inpatient or at + timedelta(hours=2) > stay.end:
            continue
        service = "INF" if stay.condition.service != "INF" else "MED"
        asked = own.choice(staff(planted.hospital.seed)[service])
        planted.items.append(
            Request(at, stay, f"C{stay.number}810", "11488-4^Consultation^LN", stay.attending(at), asked=asked)
        )
        chosen = own.choice(("unanswered", "late", ""))
        number = ""
        if chosen != "unanswered":
            beyond = own.choice((_MINUTE, timedelta(hours=own.randrange(1, 30)))) if chosen else timedelta(0)
            answered = exact(at, timedelta(hours=_HOURS) + beyond)
            number = f"D{stay.number}811"
            text = f"Seen and examined. Continue as ordered, will follow.\n{asked.signed}"
            planted.items.append(
                Document(answered, stay, number, "CN^Consultation", "Consultation", asked, text, answered, answered)
            )
        words = {"unanswered": "was never answered", "late": "was answered late", "": "was answered in 24 hours"}
        planted.answer(
            "chart_consultation",
            f"The consultation asked of Dr. {asked.family} {words[chosen]}.",
            _CONSULT,
            right=not chosen,
            visit=stay.number,
            lacks=Lack("consultation", chosen, asked if chosen else None),
        )


# At the end


@kind("chart_other_summary", 0.1, "another paper in place of the discharge summary, where it may stand or not")
def _other_summary(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "DS")
        if document is None:
            continue
        away = stay.disposition in _ELSEWHERE
        code, title = own.choice(
            (("FPN", "Final progress note"), ("DTH", "Death summary"), ("TS", "Transfer summary"))
        )
        short = stay.end - inside_at(stay) < _SHORT
        right = {"FPN": short and not stay.died and not away, "DTH": stay.died, "TS": away}[code]
        _retitled(document, code, title)
        planted.touch(document)
        stands = "stands" if right else "does not stand"
        owes = None if right else stay.attending(stay.end)
        planted.answer(
            "chart_other_summary",
            f"A {title.lower()} {stands} in place of the discharge summary.",
            _SUMMARY,
            right=right,
            visit=stay.number,
            lacks=Lack("discharge-summary", "" if right else "missing", owes),
        )


@kind("chart_summary_limit", 0.04, "a discharge summary on the last day of its time, or on the day after")
def _summary_limit(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "DS")
        if document is None:
            continue
        right = own.random() < 0.5
        day = stay.end.date() + timedelta(days=_DAYS + (not right))
        at = datetime.combine(day, time(23, 59) if right else time(0, 1), stay.end.tzinfo)
        if at >= planted.anchor:
            continue
        _file(document, at)
        planted.answer(
            "chart_summary_limit",
            f"The summary came on day {_DAYS + (not right)} after discharge.",
            _COMPLETE,
            document,
            right=right,
            lacks=Lack("discharge-summary", "" if right else "late", None if right else stay.attending(stay.end)),
        )


@kind("chart_against_advice", 0.4, "somebody who left against advice, without a statement of it")
def _against_advice(planted: Planted, rng: Random, rate: float) -> None:
    for stay, _ in _fallen(planted, rng, rate):
        document = _one(planted, stay, "AMA")
        if document is None or not (housed(stay) or stay.kind == "E"):
            continue
        planted.remove(document)
        planted.answer(
            "chart_against_advice",
            "There is no statement of leaving against advice.",
            _POLICY,
            visit=stay.number,
            lacks=Lack("against-advice", "missing", stay.attending(stay.end)),
        )


@kind("chart_final_diagnosis", 0.04, "a stay that ended without a final diagnosis")
def _final_diagnosis(planted: Planted, rng: Random, rate: float) -> None:
    for stay, _ in _fallen(planted, rng, rate):
        told = [each for each in planted.first if isinstance(each, Adt) and each.stay is stay and each.diagnoses]
        last = [each for each in told if each.event == "A03"]
        if not (housed(stay) or stay.kind == "E" or stay.operated):
            continue
        if not last or len(last) == len(told) or not all(planted.free(each) for each in last):
            continue
        for each in last:
            each.diagnoses = False
            planted.touch(each)
        planted.answer(
            "chart_final_diagnosis",
            "There is a working diagnosis and no final one.",
            _COMPLETE,
            visit=stay.number,
            lacks=Lack("final-diagnosis", "missing", stay.attending(stay.end)),
        )


@kind("chart_emergency", 0.04, "an emergency visit without its record, or without a disposition")
def _emergency(planted: Planted, rng: Random, rate: float) -> None:
    for stay, own in _fallen(planted, rng, rate):
        document = _one(planted, stay, "ED")
        if document is None:
            continue
        who = stay.attending(stay.start)
        if not stay.becomes and stay.disposition == "01" and own.random() < 0.5:
            planted.unsaid.add(stay.number)
            planted.touch(document)
            planted.answer(
                "chart_emergency",
                "Nobody wrote where the patient went.",
                _EMERGENCY,
                visit=stay.number,
                lacks=Lack("emergency-disposition", "missing", who),
            )
            continue
        planted.remove(document)
        planted.answer(
            "chart_emergency",
            "There is no emergency department record.",
            _EMERGENCY,
            visit=stay.number,
            lacks=Lack("emergency-record", "missing", who),
        )


# Signatures and corrections


@kind("chart_authorship", 0.02, "a document signed by somebody who may not")
def _authorship(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, own in planted.struck(rng, rate, "HP", "DS"):
        if stay.end + timedelta(days=4) > planted.anchor:
            continue
        nurse: Practitioner = own.choice(staff(planted.hospital.seed)["NUR"])
        document.text = document.text.replace(document.by.signed, nurse.signed)
        document.by = nurse
        planted.answer(
            "chart_authorship",
            f"The {document.title.lower()} is written and signed by a nurse.",
            _SIGNED,
            document,
            lacks=Lack("authorship", "unfit", stay.attending(stay.end)),
        )


@kind("chart_amended", 0.02, "a document that was changed after it was signed: signed again, or not")
def _amended(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, own in planted.struck(rng, rate, "HP", "DS", "PR"):
        filed = document.filed + timedelta(hours=own.randrange(20, 90))
        if not housed(stay) or document.filed > stay.end + timedelta(days=12) or filed >= planted.anchor:
            continue
        right = own.random() < 0.5
        text = f"{document.text}\nChanged {filed:%m/%d/%Y}: one word."
        planted.items.append(
            replace(document, event="T08", filed=filed, signed=filed if right else None, text=text)
        )
        again = "signed again" if right else "not signed again"
        planted.answer(
            "chart_amended",
            f"The {document.title.lower()} was changed after it was signed, and {again}.",
            _SIGNED,
            document,
            right=right,
            lacks=Lack("authentication", "" if right else "unsigned", None if right else document.by),
        )


@kind("chart_retracted", 0.02, "a document that its sender took back, so that it is missing")
def _retracted(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, own in planted.struck(rng, rate, "HP", "DS"):
        filed = document.filed + timedelta(hours=own.randrange(1, 40))
        if not (housed(stay) or stay.operated) or stay.end + timedelta(days=12) > planted.anchor:
            continue
        if filed >= planted.anchor:
            continue
        planted.items.append(replace(document, event="T11", filed=filed))
        summary = document.kind.startswith("DS")
        who = stay.attending(stay.end if summary else inside_at(stay))
        planted.touch(document)
        planted.answer(
            "chart_retracted",
            f"The {document.title.lower()} was taken back by its sender.",
            _ACCURATE,
            visit=stay.number,
            lacks=Lack("discharge-summary" if summary else "history-and-physical", "missing", who),
        )
