"""What a made hospital is like, in numbers that can be set beside a real one's."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time, timedelta
from statistics import mean, median

from .hospital import Told

Rows = list[tuple[str, str]]
#: What is published of hospitals in the United States, by the row it stands beside: figure and source;
#: ``unverified`` where it was not read in the source itself. HCUP is the Healthcare Cost and Utilization Project.
_BY_DIAGNOSIS = "HCUP Facts and Figures 2009, exhibit 2.2"
_BY_AGE = "HCUP Facts and Figures 2007, exhibit 1.5 (its chart's text)"
PUBLISHED = {
    "Deaths, of discharges without newborns": ("2.0%", "NCHS Data Brief 118, for 2010: 715,000 of 35.1 million"),
    "Readmitted within 30 days, of live discharges": (
        "13.9%", "HCUP Statistical Brief 248, for 2016; unverified: read as others quote it",
    ),
    "Length of stay, all": ("mean 4.5 days", "HCUP Statistical Brief 180, for 2012"),
    "Length of stay, of those who died": ("mean 7.9 days", "NCHS Data Brief 118, for 2010"),
    "Newborns": ("10.5%", _BY_DIAGNOSIS),
    "Pneumonia": ("3.0%", _BY_DIAGNOSIS),
    "Heart failure": ("2.6%", _BY_DIAGNOSIS),
    "Osteoarthritis": ("2.3%", _BY_DIAGNOSIS),
    "Mood disorders": ("2.2%", _BY_DIAGNOSIS),
    "Sepsis": ("2.1%", f"{_BY_DIAGNOSIS}; by 2018 the first of all but births (HCUP Statistical Brief 277)"),
    "Irregular heart rhythms": ("2.0%", _BY_DIAGNOSIS),
    "COPD": ("1.9%", _BY_DIAGNOSIS),
    "Discharged under 1": ("13%", _BY_AGE),
    "Discharged from 1 to 17": ("4%", _BY_AGE),
    "Discharged from 18 to 44": ("26%", _BY_AGE),
    "Discharged from 45 to 64": ("23%", _BY_AGE),
    "Discharged from 65 to 84": ("26%", _BY_AGE),
    "Discharged at 85 and over": ("7%", _BY_AGE),
    "People under 1": ("1%", _BY_AGE),
    "People from 1 to 17": ("23%", _BY_AGE),
    "People from 18 to 44": ("38%", _BY_AGE),
    "People from 45 to 64": ("25%", _BY_AGE),
    "People from 65 to 84": ("11%", _BY_AGE),
    "People at 85 and over": ("2%", _BY_AGE),
}  # fmt: skip
#: The bands of the publication.
_AGES = ((0, 0), (1, 17), (18, 44), (45, 64), (65, 84), (85, 120))
_MOST = 20
#: Principal diagnoses that are counted together, by the beginning of their ICD-10-CM codes.
_GROUPS = {
    "Newborns": ("Z38",),
    "Pneumonia": ("J12", "J13", "J14", "J15", "J16", "J18"),
    "Heart failure": ("I50", "I11.0"),
    "Osteoarthritis": ("M15", "M16", "M17", "M18", "M19"),
    "Mood disorders": ("F30", "F31", "F32", "F33", "F34"),
    "Sepsis": ("A40", "A41"),
    "Irregular heart rhythms": ("I47", "I48", "I49"),
    "COPD": ("J43", "J44"),
}


class Figures:
    """Counted patient by patient, so that memory does not grow with their texts."""

    def __init__(self, anchor: datetime) -> None:
        self.anchor = anchor
        self.people = self.messages = self.discharges = self.deaths = self.again = self.index = self.left = 0
        self.midnight = datetime.combine(anchor.date(), time(), anchor.tzinfo)
        self.present = self.newborns = 0
        self.ages: Counter[tuple[int, int]] = Counter()
        self.discharged: Counter[tuple[int, int]] = Counter()
        self.last_days: list[int] = []
        self.sexes: Counter[str] = Counter()
        self.lengths: dict[str, list[int]] = {"adults and children": [], "newborns": []}
        self.diagnoses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def count(self, told: Told) -> None:
        """Add one patient."""
        self.people += 1
        self.messages += len(told.messages)
        age = told.person.age(self.anchor.date())
        self.ages[_band(age)] += 1
        self.sexes[told.person.sex] += 1
        last: datetime | None = None
        for stay in told.stays:
            self.present += stay.inpatient and (stay.admitted or stay.start) <= self.midnight < stay.end
            if stay.end > self.anchor:
                continue
            newborn = stay.key == "newborn"
            kind = "newborn" if newborn else "inpatient" if stay.inpatient else stay.condition.way
            self.kinds[kind] += 1
            if not stay.inpatient:
                continue
            days = max(1, (stay.end.date() - stay.start.date()).days)
            self.lengths["newborns" if newborn else "adults and children"].append(days)
            self.diagnoses[stay.diagnoses[0].replace("^", " ", 1)] += 1
            self.discharges += 1
            self.discharged[_band(stay.age)] += 1
            self.newborns += newborn
            if stay.died:
                self.last_days.append(days)
            self.left += stay.disposition == "07"
            self.deaths += stay.died
            if newborn:
                continue
            if last is not None and stay.start - last <= timedelta(days=30):
                self.again += 1
            last = None
            if not stay.died:
                self.index += 1
                last = stay.end

    def tables(self) -> list[tuple[str, Rows]]:
        """Titles and rows. Lengths of stay count the days between, one where there is none."""
        share = _share
        general: Rows = [
            ("People", f"{self.people:,}"),
            ("Messages", f"{self.messages:,}"),
            *((f"Visits, {kind}", f"{number:,}") for kind, number in sorted(self.kinds.items())),
            ("In a bed at the last midnight", f"{self.present:,}"),
            ("Deaths, of discharges without newborns", share(self.deaths, self.discharges - self.newborns)),
            ("Readmitted within 30 days, of live discharges", share(self.again, self.index)),
            ("Left against advice, of inpatient discharges", share(self.left, self.discharges)),
        ]
        everybody = [days for lengths in self.lengths.values() for days in lengths]
        for name, days in (("all", everybody), *self.lengths.items(), ("of those who died", self.last_days)):
            if days:
                general.append((f"Length of stay, {name}", f"mean {mean(days):.1f}, median {median(days):g} days"))
        ages = _ages("People", self.ages, self.people) + _ages("Discharged", self.discharged, self.discharges)
        groups = [
            (
                name,
                share(
                    sum(each for code, each in self.diagnoses.items() if code.startswith(codes)), self.discharges
                ),
            )
            for name, codes in _GROUPS.items()
        ]
        sexes = [({"F": "female", "M": "male"}[sex], share(each, self.people)) for sex, each in self.sexes.items()]
        principal = [(code, share(each, self.discharges)) for code, each in self.diagnoses.most_common(_MOST)]
        return [
            ("The hospital", general), ("Age", ages), ("Sex", sorted(sexes)),
            ("Principal diagnosis, in groups", groups), ("Principal diagnosis of inpatients", principal),
        ]  # fmt: skip


def _band(age: int) -> tuple[int, int]:
    return next(band for band in _AGES if band[0] <= age <= band[1])


def _ages(who: str, counted: Counter[tuple[int, int]], whole: int) -> Rows:
    rows = []
    for low, high in _AGES:
        band = "under 1" if high == 0 else f"at {low} and over" if high > 110 else f"from {low} to {high}"
        rows.append((f"{who} {band}", _share(counted[low, high], whole)))
    return rows


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else f"{part:,}"
