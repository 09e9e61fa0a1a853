"""What a made hospital is like, in numbers that can be set beside a real one's."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from statistics import mean, median

from .hospital import Told

Rows = list[tuple[str, str]]
#: What is published of hospitals in the United States, by the row it stands beside: figure and source;
#: ``unverified`` where it was not read in the source itself. HCUP is the Healthcare Cost and Utilization Project.
PUBLISHED = {
    "Deaths, of inpatient discharges": ("about 1.9%", "HCUP Statistical Brief 81, for 2007; unverified"),
    "Readmitted within 30 days, of live discharges": ("13.9%", "HCUP Statistical Brief 248, for 2016; unverified"),
    "Length of stay, all": ("mean 4.5 days", "HCUP Statistical Brief 180, for 2012"),
    "Newborns, of inpatient discharges": ("10%", "HCUP Statistical Brief 148, for 2010"),
    "Pneumonia, of inpatient discharges": ("2.8%", "HCUP Statistical Brief 148, for 2010"),
}
_AGES = ((0, 0), (1, 17), (18, 34), (35, 49), (50, 64), (65, 79), (80, 120))
_MOST = 20
#: ICD-10-CM.
_PNEUMONIA = ("J12", "J13", "J14", "J15", "J16", "J18")


class Figures:
    """Counted patient by patient, so that memory does not grow with their texts."""

    def __init__(self, anchor: datetime) -> None:
        self.anchor = anchor
        self.people = self.messages = self.discharges = self.deaths = self.again = self.index = self.left = 0
        self.ages: Counter[tuple[int, int]] = Counter()
        self.sexes: Counter[str] = Counter()
        self.lengths: dict[str, list[int]] = {"adults and children": [], "newborns": []}
        self.diagnoses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def count(self, told: Told) -> None:
        """Add one patient."""
        self.people += 1
        self.messages += len(told.messages)
        age = told.person.age(self.anchor.date())
        self.ages[next(band for band in _AGES if band[0] <= age <= band[1])] += 1
        self.sexes[told.person.sex] += 1
        last: datetime | None = None
        for stay in told.stays:
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
            ("Deaths, of inpatient discharges", share(self.deaths, self.discharges)),
            ("Readmitted within 30 days, of live discharges", share(self.again, self.index)),
            ("Left against advice, of inpatient discharges", share(self.left, self.discharges)),
        ]
        newborns = len(self.lengths["newborns"])
        pneumonia = sum(each for code, each in self.diagnoses.items() if code.startswith(_PNEUMONIA))
        general.append(("Newborns, of inpatient discharges", share(newborns, self.discharges)))
        general.append(("Pneumonia, of inpatient discharges", share(pneumonia, self.discharges)))
        everybody = [days for lengths in self.lengths.values() for days in lengths]
        for name, days in (("all", everybody), *self.lengths.items()):
            if days:
                general.append((f"Length of stay, {name}", f"mean {mean(days):.1f}, median {median(days):g} days"))
        ages = [
            ("under 1" if high == 0 else f"{low} and over" if high > 110 else f"{low} to {high}",
             share(self.ages[low, high], self.people))
            for low, high in _AGES
        ]  # fmt: skip
        sexes = [({"F": "female", "M": "male"}[sex], share(each, self.people)) for sex, each in self.sexes.items()]
        principal = [(code, share(each, self.discharges)) for code, each in self.diagnoses.most_common(_MOST)]
        return [
            ("The hospital", general), ("Age", ages), ("Sex", sorted(sexes)),
            ("Principal diagnosis of inpatients", principal),
        ]  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else f"{part:,}"
