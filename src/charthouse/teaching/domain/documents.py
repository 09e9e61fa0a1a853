"""What is written about a stay."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from random import Random

from .course import share
from .items import Stay
from .panels import read
from .population import Person
from .scribe import Scribe
from .staff import HOSPITAL_NAME, Practitioner

_SAYS: dict[str, str] = read("notes.yaml")
#: Who is at the bedside: of a child, of somebody younger, of somebody old.
_KIN = (("Mother", "Father", "Parent"), ("Partner", "Sister", "Mother"), ("Spouse", "Daughter", "Son"))
#: Companions that a history names, by the beginning of their code, and what else it can be negative for.
_CHRONIC = {
    "I10": "hypertension", "I11": "hypertension", "E11": "type 2 diabetes", "E78": "hyperlipidemia",
    "I48": "atrial fibrillation", "N18": "chronic kidney disease", "J44": "COPD", "K21": "reflux",
    "F20": "schizophrenia", "F31": "bipolar disorder", "F33": "recurrent depression", "F32": "depression",
    "F41": "anxiety", "E10": "type 1 diabetes", "G40": "epilepsy", "K70": "alcoholic cirrhosis", "J45": "asthma",
    "E03": "hypothyroidism", "I50": "heart failure", "I87": "venous insufficiency", "F10.2": "alcohol dependence",
    "M81": "osteoporosis", "E66": "obesity", "G47": "sleep apnea", "I25": "coronary disease", "F03": "dementia",
}  # fmt: skip
_ABSENT = {
    "E1": "diabetes", "I6": "stroke", "C": "cancer", "I25": "heart disease", "D6": "bleeding disorder",
    "G40": "seizures",
}  # fmt: skip
_FATHERS = ("coronary disease at 62", "prostate cancer at 71", "a stroke at 66", "lung cancer at 68", "gout")
_MOTHERS = ("type 2 diabetes", "breast cancer at 70", "hypertension", "osteoporosis")
_DRINKS = ("rare", "none", "socially", "holidays only", "a drink a week")
_HEART = ("I11", "I21", "I48", "I50")
_NEW = ("I48", "I25")
#: What coders add to a diagnosis and physicians leave out.
_CODERS = re.compile(r", (unspecified|initial encounter).*$")
_YOUNG_SMOKING = ("never smoked", "no tobacco", "vapes at times", "never smoked")
_SMOKING = ("never smoked", "quit smoking ten years ago", "no tobacco", "former smoker")
_WORSE = ("Worse since last evening, more oxygen and less urine.", "Family called in, goals of care discussed.")


class Notes:
    """The documents of one stay; each method answers the text of one."""

    def __init__(
        self, rng: Random, person: Person, stay: Stay, weight: int = 0, written: set[str] | None = None
    ) -> None:
        self.rng, self.person, self.stay = rng, person, stay
        age = person.age(stay.start.date())
        about = stay.diagnoses or [""]
        grown = {"F": "woman", "M": "man"} if age >= 18 else {"F": "girl", "M": "boy"}
        years = f"{age}-year-old" if age else "infant"
        she = person.sex == "F"
        side = stay.side or rng.choice(("right", "left"))
        facts = {
            "age": years,
            "Age": str(age) if stay.condition.hpi.count("[Age]-year-old") else years.capitalize(),
            "sex": grown[person.sex],
            "Kin": _KIN[min(2, age // 18 if age < 36 else 2 if age >= 60 else 1)][person.number % 3],
            "he": "she" if she else "he",
            "He": "She" if she else "He",
            "his": "her" if she else "his",
            "His": "Her" if she else "His",
            "him": "her" if she else "him",
            "himself": "herself" if she else "himself",
            "side": side,
            "Side": side.capitalize(),
            "otherside": "left" if side == "right" else "right",
            "Otherside": "Left" if side == "right" else "Right",
            "town": person.address[1],
            "work": _work(person, age),
            "gravida": str(_pregnancies(person, stay)),
            "Home": "Staying at the shelter"
            if any(each.startswith("Z59") for each in about)
            else f"Lives in {person.address[1]}",
            "babysex": "girl" if she else "boy",
            "weight": str(weight),
        }
        facts |= self._past()
        self.scribe = Scribe(rng, facts, written)

    def _past(self) -> dict[str, str]:
        """What was before: the same at every visit, and nothing that the diagnoses contradict."""
        number, codes = self.person.number, [each.partition("^")[0] for each in self.stay.diagnoses]
        # What somebody comes with for the first time is no history.
        old = [code for place, code in enumerate(codes) if place or not code.startswith(_NEW)]
        known = [words for begin, words in _CHRONIC.items() if any(code.startswith(begin) for code in old)]
        absent = [words for begin, words in _ABSENT.items() if not any(code.startswith(begin) for code in codes)]
        if any(code.startswith(_HEART) for code in codes):
            absent = [words for words in absent if words != "heart disease"]
        some = _SMOKING if self.stay.age >= 35 else _YOUNG_SMOKING
        smoking = some[number // 3 % len(some)]
        if any(code.startswith("F17") for code in codes):
            smoking = "a pack a day"
        elif any(code.startswith(("J44", "Z87.891")) for code in codes):
            smoking = "smoked for decades, quit"
        alcohol = _DRINKS[number % len(_DRINKS)] if self.stay.age >= 18 else "none"
        if any(code.startswith("F10.21") for code in codes):
            alcohol = "none since treatment"
        elif any(code.startswith("F10") for code in codes):
            alcohol = "daily, as above"
        past = ", ".join(dict.fromkeys(known))
        return {
            "Known": f"History of {past}"
            if past
            else self.rng.choice(("No chronic illness", "Healthy before this")),
            "alcohol": alcohol,
            "known_child": past or "healthy child",
            "absent": " or ".join(self.rng.sample(absent, 2)),
            "father": _FATHERS[number % len(_FATHERS)],
            "mother": _MOTHERS[number // 5 % len(_MOTHERS)],
            "smoking": smoking,
            "Smoking": smoking[:1].upper() + smoking[1:],
        }

    def denials(self, author: Practitioner) -> str:
        """What the patient does not have."""
        some = self.rng.sample(self.stay.condition.denies, min(3, len(self.stay.condition.denies)))
        words = self.rng.choice(("Denies {}.", "No {}.", "Negative for {}."))
        return words.format(", ".join(some[:-1]) + f" or {some[-1]}" if len(some) > 1 else some[0])

    def _assessment(self, at: datetime | None = None) -> str:
        """Not in anybody's hand: the diagnosis is written out. Before a birth its outcome is not known."""
        unborn = at is not None and self._unborn(at)
        codes = [each for each in self.stay.diagnoses[1:] if not (unborn and each.startswith("Z37"))]
        # How it came about stands in the history.
        others = [_CODERS.sub("", each.partition("^")[2]) for each in codes if each[0] not in "VWXY"]
        # Not what was said already in other words.
        others = [each for each in others if not each.lower().startswith(self.stay.words[:28].lower())]
        lines = [f"1. {self._opened()}"]
        lines += [f"{place}. {each}" for place, each in enumerate(others, 2)]
        return "\n".join(lines)

    def history(self, author: Practitioner, values: str, at: datetime) -> str:
        """History and physical."""
        say, mark = self.scribe, f"Seen at {at:%H:%M}."
        condition = self.stay.condition
        parts = [
            f"{say.heading('Chief complaint', 'CC', author)} {say.fact(condition.complaint, author)}",
            f"{say.heading('History of present illness', 'HPI', author)} "
            f"{say.paragraph(condition.hpi, author, 0, mark)} {self.denials(author)}",
        ]
        if self.stay.key != "newborn":
            child = self.stay.age < 16
            past, social = (
                (_SAYS["child_history"], _SAYS["child_social"]) if child else (_SAYS["history"], _SAYS["social"])
            )
            parts += [
                f"{say.heading('Past history', 'PMH', author)} {say.paragraph(past, author, 1, mark, False)}",
                f"{say.heading('Family history', 'FH', author)} "
                f"{say.paragraph(_SAYS['family'], author, 1, mark, False)}",
                f"{say.heading('Social history', 'SH', author)} {say.paragraph(social, author, 1, mark, False)}",
            ]
        parts += [
            f"{say.heading('Examination', 'PE', author)} {values} {say.paragraph(condition.exam, author, 0, mark)}",
            f"{say.heading('Assessment', 'A', author)}\n{self._assessment(at)}",
            f"{say.heading('Plan', 'P', author)} {say.paragraph(condition.plan, author, 0, mark)}",
            author.signed,
        ]
        return "\n".join(parts)

    def progress(self, author: Practitioner, values: str, at: datetime, day: int) -> str:
        """A day's note."""
        stay = self.stay
        say, condition, mark = self.scribe, stay.condition, f"({at:%m/%d} {at:%H:%M})"
        worse = stay.died and stay.end - at < timedelta(hours=48)
        cut = self._cut()
        operated = cut is not None and at > cut[1]
        if worse:
            course, found = [*_WORSE], condition.exam.strip().splitlines()
        elif cut is not None and not operated:
            course = [self.rng.choice(_SAYS["before"].strip().splitlines())]
            found = condition.exam.strip().splitlines()
        else:
            course = self._course(at)
            better = share(stay, at) > 0.35 or operated
            found = (condition.later if better and condition.later else condition.exam).strip().splitlines()
        head = f"Hospital day {day}" if author.style < 0.6 else f"HD#{day}"
        if cut is not None and operated:
            post = (at.date() - cut[1].date()).days
            head += f", postoperative day {post}" if author.style < 0.6 else f" POD#{post}"
        told = say.paragraph(course, author, 0, mark, instead=_SAYS["steady"])
        # How they slept is said once.
        slept = "lept" in told or "leeping" in told
        night = "\n".join(line for line in _SAYS["night"].splitlines() if not (slept and "Slept" in line))
        return "\n".join(
            [
                f"{head}. {told} {say.paragraph(night, author, 1, '', False)}",
                f"{values} {say.paragraph(found, author, 1, mark, instead=_SAYS['unchanged'])}",
                f"{say.heading('Assessment and plan', 'A/P', author)} {self._opened()}. "
                + say.paragraph(condition.plan, author, self.rng.randint(1, 2), mark, instead=_SAYS["as_before"]),
                author.signed,
            ]
        )

    def _unborn(self, at: datetime) -> bool:
        """Whether the mother has not yet delivered."""
        birth = self.person.delivers
        return self.stay.key in ("delivery", "cesarean") and birth is not None and at.replace(tzinfo=None) < birth

    def _cut(self) -> tuple[datetime, datetime] | None:
        """When there was an operation that is more than an endoscopy or a tap."""
        operation = self.stay.condition.operation
        return self.stay.operated if operation is not None and not operation.minor else None

    def _course(self, at: datetime) -> list[str]:
        """What the course says of a day: its lines run from the first day to the last."""
        stay = self.stay
        lines = stay.condition.course.strip().splitlines()
        begun = stay.admitted or stay.start
        done = (at - begun).total_seconds() / max(1.0, (stay.end - begun).total_seconds())
        place = min(len(lines) - 1, int(done * len(lines)))
        return lines[place : place + 1]

    def _opened(self) -> str:
        """The diagnosis at the beginning of a sentence."""
        return f"{self.stay.words[:1].upper()}{self.stay.words[1:]}"

    def nursing(self, author: Practitioner, values: str, at: datetime) -> str:
        """A shift's note."""
        stay = self.stay
        night = at.hour < 6
        pool = _SAYS["at_night"] if night else _SAYS["nursing"]
        if stay.key == "newborn":
            pool = _SAYS["nursery"]
        elif stay.condition.service == "PSY":
            pool = _SAYS["at_night_mind"] if night else _SAYS["nursing_mind"]
        elif stay.key in ("delivery", "cesarean"):
            pool = _SAYS["nursing_labor"] if self._unborn(at) else _SAYS["nursing_mother"]
        elif stay.age < 12:
            pool = _SAYS["nursing_child" if stay.age > 3 else "nursing_infant"]
        if (cut := self._cut()) is not None and at < cut[1] + timedelta(hours=20):
            # Nobody walks on a broken hip, or out of the operating room.
            pool = "\n".join(line for line in pool.splitlines() if "bathroom" not in line)
        words = self.scribe.paragraph(
            pool,
            author,
            self.rng.randint(2, 3),
            f"Noted {at:%H:%M}.",
            fixed=False,
        )
        return f"{at:%H%M} {words} {values}\n{author.signed}"

    def consult(self, author: Practitioner, asker: Practitioner, at: datetime) -> str:
        """A consultation."""
        say, condition, mark = self.scribe, self.stay.condition, f"Seen {at:%m/%d} {at:%H:%M}."
        return "\n".join(
            [
                f"Asked by Dr. {asker.family} on {at:%m/%d/%Y} to see this {say.say('[age] [sex]')} "
                f"for {self.stay.words}.",
                say.paragraph(condition.hpi, author, 2, mark) + " " + self.denials(author),
                say.paragraph(condition.exam, author, 1, mark),
                f"{say.heading('Recommendations', 'Recs', author)} "
                f"{say.paragraph(condition.plan, author, 2, mark)}",
                f"Thank you. {author.signed}",
            ]
        )

    def emergency(self, author: Practitioner, values: str, at: datetime) -> str:
        """The emergency department's record."""
        say, condition, mark = self.scribe, self.stay.condition, f"Seen at {at:%H:%M}."
        left = self.stay.disposition == "07" and not self.stay.becomes
        leaving = (
            f"Left against medical advice {self.stay.end:%m/%d %H:%M}; risks explained, capacity present."
            if left
            else say.paragraph(condition.course, author, 1, mark)
        )
        after = (
            "Admitted."
            if self.stay.becomes
            else f"Disposition: home {self.stay.end:%m/%d} at {self.stay.end:%H:%M}. {condition.aftercare}"
        )
        return "\n".join(
            [
                f"{say.heading('Complaint', 'CC', author)} {say.fact(condition.complaint, author)}. {values}",
                say.paragraph(condition.hpi, author, 2, mark) + " " + self.denials(author),
                f"{say.heading('Examination', 'PE', author)} {say.paragraph(condition.exam, author, 0, mark)}",
                f"{say.heading('Course', 'ED course', author)} "
                + ("Work-up begun, see results." if self.stay.becomes else leaving),
                f"{say.heading('Diagnosis', 'Dx', author)} {self.stay.words}",
                "" if left else after,
                author.signed,
            ]
        ).replace("\n\n", "\n")

    def operative(self, author: Practitioner, anesthetist: Practitioner) -> str:
        """The operative report, with what 42 CFR 482.51(b)(6) asks for."""
        stay, operation = self.stay, self.stay.condition.operation
        assert operation is not None and stay.operated is not None
        say = self.scribe
        begin, end = stay.operated
        blood = self.rng.randint(*operation.blood) // 5 * 5
        assistant = self.rng.choice(("none",) if operation.minor else ("none", "first assistant RNFA", "resident"))
        sedated = operation.anesthesia in ("moderate sedation", "local")
        by = "" if sedated else f" ({anesthetist.signed})"
        return "\n".join(
            [
                f"PREOPERATIVE DIAGNOSIS: {stay.words}",
                f"POSTOPERATIVE DIAGNOSIS: {self.rng.choice(('same', stay.words))}",
                f"PROCEDURE: {say.fact(operation.words)}",
                f"SURGEON: {author.signed}   ASSISTANT: {assistant}",
                f"ANESTHESIA: {say.fact(operation.anesthesia)}{by}",
                f"DATE: {begin:%m/%d/%Y}   IN {begin:%H:%M} OUT {end:%H:%M}",
                f"FINDINGS: {say.paragraph([operation.found], author, 0, f'Seen {begin:%m/%d/%Y}.')}",
                f"TECHNIQUE: {say.paragraph(operation.steps, author, 0, 'As above.')}",
                f"SPECIMEN: {say.fact(operation.specimen)}   EBL: {blood} mL   COMPLICATIONS: none",
                "CONDITION: stable to recovery.",
            ]
        )

    def before_anesthesia(self, author: Practitioner, at: datetime) -> str:
        """The evaluation within 48 hours before (42 CFR 482.52(b)(1))."""
        operation = self.stay.condition.operation
        assert operation is not None
        ills = len(self.stay.diagnoses) + (self.stay.age > 70)
        asa, mallampati = (
            self.rng.choice("112" if ills < 2 else "223" if ills < 4 else "3334"),
            self.rng.choice("11223"),
        )
        fasted = self.rng.choice(("since midnight", "8 h", "10 h"))
        before = self.rng.choice(
            ("No prior anesthesia problems", "PONV with a prior anesthetic", "First anesthetic")
        )
        return (
            f"PREANESTHESIA EVALUATION for {self.scribe.fact(operation.words)}\n"
            f"ASA {asa}, Mallampati {mallampati}, NPO {fasted}. {before}; no family history of malignant "
            "hyperthermia. "
            f"Plan {self.scribe.fact(operation.anesthesia)}, risks discussed {at:%m/%d %H:%M}.\n"
            f"{author.signed}"
        )

    def after_anesthesia(self, author: Practitioner, values: str) -> str:
        """The evaluation within 48 hours after (42 CFR 482.52(b)(3))."""
        calm = self.rng.choice(("awake and oriented", "drowsy, rouses to voice", "alert, talking"))
        sick = self.rng.choice(("no nausea", "mild nausea, treated", "no nausea or vomiting"))
        return (
            f"POSTANESTHESIA EVALUATION\n{values} {calm.capitalize()}, airway patent, {sick}, "
            f"pain {self.rng.randint(1, 5)}/10. No anesthetic complication.\n{author.signed}"
        )

    def consent(self, surgeon: Practitioner, at: datetime) -> str:
        """The signed consent."""
        operation = self.stay.condition.operation
        assert operation is not None
        who = f"{self.person.given} {self.person.family}"
        witness = "interpreter" if self.person.interpreter else self.rng.choice(("unit RN", "OR RN", "preop RN"))
        signer = who if self.person.age(at.date()) >= 18 else f"parent of {who}"
        return (
            f"{HOSPITAL_NAME.upper()}\nCONSENT TO {'PROCEDURE' if operation.minor else 'OPERATION'}\n"
            f"I consent to: {self.scribe.fact(operation.words)}, by Dr. {surgeon.family} and assistants.\n"
            "Risks, benefits and alternatives, no treatment among them, were explained in words I understand.\n"
            f"Signed: {signer}   {at:%m/%d/%Y %H:%M}   Witness: {witness}"
        )

    def against_advice(self, author: Practitioner, at: datetime) -> str:
        """What is signed by somebody who leaves against advice."""
        who = f"{self.person.given} {self.person.family}"
        return (
            f"{HOSPITAL_NAME.upper()}\nLEAVING AGAINST MEDICAL ADVICE\n"
            f"I leave of my own will, against the advice of Dr. {author.family}. What may come of it, and that I "
            "may come back at any time, was explained in words I understand.\n"
            f"Signed: {who}   {at:%m/%d/%Y %H:%M}   Witness: unit RN"
        )

    def pathology(self) -> list[str]:
        """The pathologist's report."""
        operation = self.stay.condition.operation
        assert operation is not None
        size = f"{self.rng.uniform(4, 11):.1f} x {self.rng.uniform(1.5, 4):.1f} cm"
        color = self.rng.choice(("tan-pink", "tan-gray", "hemorrhagic"))
        gross = f"Received in formalin, {size}, {color}."
        if "fluid" in operation.specimen:
            gross = f"{self.rng.randrange(30, 90, 10)} mL of yellow fluid, clear."
        elif operation.minor:
            gross = f"Received in formalin, {self.rng.choice(('0.3', '0.4', '0.5'))} cm in aggregate, tan-pink."
        return [
            f"SPECIMEN: {self.scribe.fact(operation.specimen)}",
            f"GROSS: {gross}",
            f"DIAGNOSIS: {self.scribe.fact(operation.pathology)}",
        ]

    def discharge(self, author: Practitioner, values: str) -> str:
        """The discharge summary: outcome, disposition, follow-up (42 CFR 482.24(c)(4)(vii))."""
        say, stay, condition = self.scribe, self.stay, self.stay.condition
        days = max(1, (stay.end.date() - stay.start.date()).days)
        outcome = {
            "20": f"Died {stay.end:%m/%d/%Y} at {stay.end:%H:%M}, family present. No autopsy requested.",
            "07": f"Left against medical advice {stay.end:%m/%d %H:%M}; risks explained, prescriptions given.",
            "03": f"To a skilled nursing facility {stay.end:%m/%d} {stay.end:%H:%M}. {condition.aftercare}",
            "06": f"Home with home health {stay.end:%m/%d} {stay.end:%H:%M}. {condition.aftercare}",
            "62": f"To inpatient rehabilitation {stay.end:%m/%d} {stay.end:%H:%M}. {condition.aftercare}",
        }.get(stay.disposition, f"Home at {stay.end:%H:%M} on {stay.end:%m/%d}. {condition.aftercare}")
        course = [*condition.course.strip().splitlines()]
        parts = [
            f"ADMITTED {stay.start:%m/%d/%Y}   DISCHARGED {stay.end:%m/%d/%Y}   ({days} d)",
            f"{say.heading('Diagnoses', 'Dx', author)}\n{self._assessment()}",
        ]
        operation = condition.operation
        if operation and stay.operated:
            parts.append(f"{say.heading('Procedures', 'Proc', author)} {say.fact(operation.words)} "
                         f"{stay.operated[0]:%m/%d/%Y}")  # fmt: skip
        parts += [
            f"{say.heading('Hospital course', 'Course', author)} "
            f"{say.paragraph(condition.hpi, author, 1)} {say.paragraph(course, author, min(3, len(course)))}",
        ]
        if stay.died:
            parts.append("Despite treatment the patient's condition declined; comfort measures at the end.")
        else:
            parts.append(f"{say.heading('At discharge', 'Exam', author)} {values}")
        parts += [f"{say.heading('Disposition', 'Dispo', author)} {outcome}", author.signed]
        return "\n".join(parts)

    def imaging(self) -> list[str]:
        """A study's report."""
        lines = self.scribe.paragraph(self.stay.condition.findings, _PLAIN, 0, "Comparison: none.")
        return [f"INDICATION: {self.scribe.fact(self.stay.condition.complaint)}.", f"FINDINGS: {lines}"]


def _pregnancies(person: Person, stay: Stay) -> int:
    """The mother's, said alike in her chart and in the newborn's. A repeat cesarean is no first."""
    mother = person.mother or person.number
    again = person.cesarean if stay.key == "newborn" else stay.key == "cesarean"
    return mother % 2 + (2 if again else 1)


def _work(person: Person, age: int) -> str:
    if person.employer:
        return f"works at {person.employer}"
    return "in school" if age < 19 else "retired" if age > 61 else "not working at present"


_PLAIN = Practitioner(0, "", "", "", "", 0.5, 0.0, frozenset())


def office_note(rng: Random, scribe: Scribe, author: Practitioner, reason: str, values: str, at: datetime) -> str:
    """The clinic's note."""
    return (
        f"{reason}. {scribe.paragraph(_SAYS['well'], author, 2, f'Seen {at:%m/%d/%Y}.', False)}\n{values} "
        f"{rng.choice(('Exam unremarkable.', 'Heart regular, lungs clear.', 'No edema, lungs clear.'))}\n"
        f"Plan: {rng.choice(('continue medications', 'labs today', 'return in six months', 'return in a year'))}.\n"
        f"{author.signed}"
    )


def shown(values: dict[str, float | str]) -> str:
    """Vital signs as they stand in a note."""
    parts = []
    if "T" in values:
        parts.append(f"T {values['T']}")
    if "HR" in values:
        parts.append(f"HR {values['HR']}")
    if "SBP" in values:
        parts.append(f"BP {values['SBP']}/{values.get('DBP', '')}")
    if "RR" in values:
        parts.append(f"RR {values['RR']}")
    if "SAT" in values:
        parts.append(f"SpO2 {values['SAT']}%")
    return ", ".join(parts) + "." if parts else ""
