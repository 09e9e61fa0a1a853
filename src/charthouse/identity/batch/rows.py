"""A row of somebody's file as traits: what the columns hold, read as the front door would read it.

How dates are written, and how long numbers are, is found out from the column as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from charthouse.identity.domain.addresses import Address, read_address
from charthouse.identity.domain.dates import MALFORMED, read_birth, typed_dates
from charthouse.identity.domain.names import Name, read_name
from charthouse.identity.domain.numbers import read_email, read_phone, read_ssn
from charthouse.identity.domain.text import fold
from charthouse.identity.domain.traits import Identifier, Traits, identifier_folded

from .columns import Columns

_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_TIME = re.compile(r"[T ]\d{1,2}:\d\d.*$")
_THREE = re.compile(r"^(\d{1,4})[-/. ]+(\d{1,2})[-/. ]+(\d{1,4})$")
_POSTAL = re.compile(
    r"\b(\d{5}(?:-\d{4})?|[a-z]\d[a-z] ?\d[a-z]\d|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}|\d{4})\s*$", re.IGNORECASE
)
_STATE_AT_END = re.compile(r"[\s,]([a-z]{2,3})\.?\s*$", re.IGNORECASE)
_SEX = {
    "m": "M", "male": "M", "man": "M", "boy": "M", "1": "M", "maennlich": "M", "mannlich": "M", "masculin": "M",
    "h": "M", "homme": "M", "hombre": "M", "masculino": "M",
    "f": "F", "female": "F", "woman": "F", "girl": "F", "2": "F", "w": "F", "weiblich": "F", "feminin": "F",
    "femme": "F", "mujer": "F", "femenino": "F", "k": "F", "kobieta": "F", "mezczyzna": "M", "v": "F", "vrouw": "F",
    "herr": "M", "frau": "F",
    "erkek": "M", "kadin": "F", "kvinna": "F", "muz": "M", "zena": "F",
    "mr": "M", "mrs": "F", "ms": "F", "miss": "F", "maschio": "M", "femmina": "F",
    "u": "", "9": "", "x": "O", "o": "O", "other": "O",
}  # fmt: skip
_STATES = dict(
    pair.split("=")
    for pair in [
        "alabama=al",
        "alaska=ak",
        "arizona=az",
        "arkansas=ar",
        "california=ca",
        "colorado=co",
        "connecticut=ct",
        "delaware=de",
        "florida=fl",
        "georgia=ga",
        "hawaii=hi",
        "idaho=id",
        "illinois=il",
        "indiana=in",
        "iowa=ia",
        "kansas=ks",
        "kentucky=ky",
        "louisiana=la",
        "maine=me",
        "maryland=md",
        "massachusetts=ma",
        "michigan=mi",
        "minnesota=mn",
        "mississippi=ms",
        "missouri=mo",
        "montana=mt",
        "nebraska=ne",
        "nevada=nv",
        "new hampshire=nh",
        "new jersey=nj",
        "new mexico=nm",
        "new york=ny",
        "north carolina=nc",
        "north dakota=nd",
        "ohio=oh",
        "oklahoma=ok",
        "oregon=or",
        "pennsylvania=pa",
        "rhode island=ri",
        "south carolina=sc",
        "south dakota=sd",
        "tennessee=tn",
        "texas=tx",
        "utah=ut",
        "vermont=vt",
        "virginia=va",
        "washington=wa",
        "west virginia=wv",
        "wisconsin=wi",
        "wyoming=wy",
        "district of columbia=dc",
        "new south wales=nsw",
        "victoria=vic",
        "queensland=qld",
        "south australia=sa",
        "tasmania=tas",
        "northern territory=nt",
        "australian capital territory=act",
        "ontario=on",
        "quebec=qc",
        "british columbia=bc",
        "alberta=ab",
        "manitoba=mb",
        "saskatchewan=sk",
        "nova scotia=ns",
        "new brunswick=nb",
    ]
)
#: The system of record numbers that came in a column without an assigner.
RECORD_NUMBER = "urn:charthouse:column:record-number"


def whole(value: str) -> str:
    """A number as it was before a tool kept it as a float: 2600.0 is 2600."""
    match = _WHOLE.match(value)
    return match[1] if match else value


class RowReader:
    """Makes traits of rows. ``sample`` are rows of the file by which the habits of its columns are found out."""

    def __init__(self, columns: Columns, sample: Iterable[Sequence[str]], today: date) -> None:
        self._columns = columns
        rows = list(sample)
        self._births = BirthReader(self._values(rows, "birth"), today)
        self._ssn = _Padded(self._values(rows, "ssn"), least=7)
        self._postal = _Padded(self._values(rows, "postal"), least=5)
        self._today = today
        self._given = columns.first("given")
        self._family = columns.first("family")
        letters = {fold(value) for value in self._values(rows, "sex")}
        # Hombre and mujer are written H and M.
        self._sex_letters = {**_SEX, "m": "F"} if {"h", "m"} <= letters and "f" not in letters else _SEX
        self._alone = {field: columns.first(field) for field in columns.of}

    def _values(self, rows: Sequence[Sequence[str]], field: str) -> list[str]:
        place = self._columns.first(field)
        return [row[place] for row in rows if row[place]] if place is not None else []

    def _of(self, row: Sequence[str], field: str) -> str:
        place = self._alone.get(field)
        return row[place] if place is not None else ""

    def _all(self, row: Sequence[str], field: str) -> list[str]:
        return [row[place] for place in self._columns.of.get(field, ()) if row[place]]

    def traits(self, row: Sequence[str]) -> Traits:
        """The traits of a row whose values are text, empty where unknown."""
        names, order = self._names(row)
        address = self._address(row)
        given_order = whole(self._of(row, "order"))
        return Traits(
            names=names,
            birth=self._birth(row),
            sex=self._sex(row),
            ssn=self._national_number(row),
            identifiers=tuple(
                Identifier(RECORD_NUMBER, value, folded, "MR")
                for value in map(whole, self._all(row, "mrn"))
                if len(folded := identifier_folded(value)) >= 2 and len(set(folded)) > 1
            ),
            phones=_read(self._all(row, "phone"), lambda value: read_phone(whole(value))),
            emails=_read(self._all(row, "email"), read_email),
            addresses=(address,) if address else (),
            mother=tuple(fold(self._of(row, "mother")).split()),
            multiple=True if order else None,
            order=order or (int(given_order) if given_order.isdecimal() else 0),
        )

    def _names(self, row: Sequence[str]) -> tuple[tuple[Name, ...], int]:
        given, family = self._of(row, "given"), self._of(row, "family")
        middle, suffix = self._of(row, "middle"), self._of(row, "suffix")
        if given and family and not middle:
            middle = _between(given, family, self._of(row, "name"))
        if given or family:
            human = {"family": family, "given": [part for part in (given, middle) if part], "suffix": [suffix]}
        elif text := self._of(row, "name"):
            human = {"text": text, "suffix": [suffix]}
        else:
            return (), 0
        reading = read_name(human)
        names = [reading.name] if reading.name.given or reading.name.family else []
        for former in self._all(row, "maiden"):
            other = read_name({**human, "family": former}).name
            if other.family and other not in names:
                names.append(other)
        return tuple(names), reading.order

    def _birth(self, row: Sequence[str]) -> str:
        if birth := self._births.read(self._of(row, "birth")):
            return birth
        year, month, day = (whole(self._of(row, f"birth_{part}")) for part in ("year", "month", "day"))
        if year:
            return _from_parts(year, month, day)
        age, written = whole(self._of(row, "age")), whole(self._of(row, "year"))
        if age.isdecimal() and int(age) <= 120:
            then = int(written) if written.isdecimal() and len(written) == 4 else self._today.year
            return str(then - int(age))
        return ""

    def _sex(self, row: Sequence[str]) -> str:
        value = fold(whole(self._of(row, "sex")))
        return self._sex_letters.get(value, value[:1].upper()) if value else ""

    def _national_number(self, row: Sequence[str]) -> str:
        value = self._ssn.of(whole(self._of(row, "ssn")))
        if not value:
            return ""
        if self._ssn.usual in {4, 9}:
            if (number := read_ssn(value)) is not None:
                return number
            folded = identifier_folded(value)
            # A digit lost or added is a slip of the pen, not a placeholder.
            return folded if len(folded) in {8, 10} and len(set(folded)) > 2 else ""
        folded = identifier_folded(value)
        return folded if len(folded) >= 5 and len(set(folded)) > 1 else ""

    def _address(self, row: Sequence[str]) -> Address | None:
        lines = self._all(row, "street")
        city, state = self._of(row, "city"), self._of(row, "state")
        postal = self._postal.of(whole(self._of(row, "postal")))
        number, unit = whole(self._of(row, "number")), self._of(row, "unit")
        if text := self._of(row, "address"):
            line, found = _take_apart(text, {"city": city, "state": state, "postal": postal})
            lines, city, state, postal = [line], found["city"], found["state"], found["postal"]
        if not (lines or city or postal or state):
            return None
        if number and lines:
            lines = [f"{number} {lines[0]}", *lines[1:]]
        folded_state = fold(state)
        address = read_address(
            {
                "line": lines,
                "city": city,
                "state": _STATES.get(folded_state, folded_state),
                "postalCode": postal,
            }
        )
        if address is not None and unit and not address.unit:
            address = Address(
                address.number,
                address.street,
                fold(unit).split(" ")[-1],
                address.city,
                address.state,
                address.postal,
            )
        return address


def _read(values: Iterable[str], reader: Callable[[str], str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for value in values if (found := reader(value))))


def _between(given: str, family: str, whole_name: str) -> str:
    """What stands in a whole name between the given and the family name."""
    words, first, last = fold(whole_name).split(), fold(given).split(), fold(family).split()
    if not (words and first and last and first[-1] in words and last[0] in words):
        return ""
    begin, end = words.index(first[-1]) + 1, len(words) - words[::-1].index(last[0]) - 1
    return " ".join(words[begin:end])


def _take_apart(text: str, known: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The line of a whole address, and city, state and postal code where no column of their own says them."""
    found = dict(known)
    if any(known.values()):
        return text, found
    rest = text.strip().rstrip(",.")
    if "," in rest and (match := _POSTAL.search(rest)):
        found["postal"], rest = match[1], rest[: match.start()].rstrip(" ,")
    if "," in rest and (match := _STATE_AT_END.search(rest)):
        found["state"], rest = match[1], rest[: match.start()].rstrip(" ,")
    line, comma, city = rest.rpartition(",")
    if comma:
        found["city"], rest = city.strip(), line
    return rest, found


class _Padded:
    """Numbers that lost leading zeros on their way through a spreadsheet. ``usual`` is their usual length."""

    def __init__(self, values: Sequence[str], least: int) -> None:
        lengths = Counter(len(number) for value in values if (number := _digits(whole(value))))
        total = sum(lengths.values())
        self.usual = lengths.most_common(1)[0][0] if lengths else 0
        short = lengths[self.usual - 1] + lengths[self.usual - 2]
        self._pads = self.usual >= least and short >= 0.03 * total

    def of(self, value: str) -> str:
        if self._pads and value.isdecimal() and self.usual - 2 <= len(value) < self.usual:
            return value.zfill(self.usual)
        return value


def _digits(value: str) -> str:
    bare = value.replace("-", "").replace(" ", "")
    return bare if bare.isdecimal() else ""


class BirthReader:
    """Dates as one column writes them: which of day and month comes first is what most of its dates say."""

    def __init__(self, values: Sequence[str], today: date) -> None:
        self._today = today
        self._known: dict[str, str] = {}
        first = second = dotted = last = 0
        year_first = year_last = 0
        for value in map(_bare, values):
            match = _THREE.match(value)
            if match and len(match[1]) <= 2:
                last += 1
                first += int(match[1]) > 12
                second += int(match[2]) > 12
                dotted += "." in value
            elif match:
                last -= 1
            elif len(value) == 8 and value.isdecimal():
                year_first += _is_date(value[:4], value[4:6], value[6:], today)
                year_last += _is_date(value[4:], value[:2], value[2:4], today) or _is_date(
                    value[4:], value[2:4], value[:2], today
                )
                if _is_date(value[4:], value[2:4], value[:2], today):
                    first += int(value[:2]) > 12
                second += int(value[2:4]) > 12
        self._day_first = first > second or (first == second and dotted > 0)
        self._year_first = year_first >= year_last
        self._ends_with_year = last > 0 or year_last > year_first

    def read(self, value: str) -> str:
        """YYYY, YYYY-MM or YYYY-MM-DD; digits after MALFORMED where the value was meant to be a date and is none;
        empty for a placeholder or what was never meant so."""
        if not value:
            return ""
        found = self._known.get(value)
        if found is None:
            if len(self._known) > 200_000:
                self._known.clear()
            found = self._known[value] = self._read(_bare(value))
        return found

    def _read(self, value: str) -> str:
        parts = self._parts(value)
        if parts is None:
            typed = typed_dates(value, self._today)
            return read_birth(typed[0].value) if typed else self._malformed(value)
        year, month, day = parts
        if len(year) == 2:
            then = self._today.year // 100 * 100 + int(year)
            year = str(then if then <= self._today.year else then - 100)
        if _is_date(year, month, day, self._today):
            return read_birth(f"{year}-{int(month):02}-{int(day):02}")
        return _malformed(f"{year.zfill(4)}{month.zfill(2)}{day.zfill(2)}")

    def _malformed(self, value: str) -> str:
        """What was meant to be a date, its digits with the year first where the column ends with the year."""
        found = _malformed(value)
        if not found or not self._ends_with_year or len(found) < 8:
            return found
        number = found[1:]
        one, other, year = number[:2], number[2:4], number[4:]
        return f"{MALFORMED}{year}{other}{one}" if self._day_first else f"{MALFORMED}{year}{one}{other}"

    def _parts(self, value: str) -> tuple[str, str, str] | None:
        match = _THREE.match(value)
        if match:
            one, two, three = match.groups()
            if len(one) >= 3:
                return one, two, three
            month, day = (two, one) if self._day_first else (one, two)
            return three, month, day
        if len(value) == 8 and value.isdecimal():
            if self._year_first:
                return value[:4], value[4:6], value[6:]
            month, day = (value[2:4], value[:2]) if self._day_first else (value[:2], value[2:4])
            return value[4:], month, day
        return None


def _bare(value: str) -> str:
    return _TIME.sub("", whole(value)).strip()


def _is_date(year: str, month: str, day: str, today: date) -> bool:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return False
    return found.year >= 1850 and found <= today


def _malformed(value: str) -> str:
    numbers = "".join(character for character in value if character.isascii() and character.isdigit())
    return f"{MALFORMED}{numbers}" if 6 <= len(numbers) <= 10 and len(set(numbers)) > 1 else ""


def _from_parts(year: str, month: str, day: str) -> str:
    if not (year.isdecimal() and len(year) == 4):
        return ""
    if month.isdecimal() and 1 <= int(month) <= 12:
        if day.isdecimal() and 1 <= int(day) <= 31:
            value = f"{year}-{int(month):02}-{int(day):02}"
            if read_birth(f"{year}-{int(month):02}") and not _is_date(year, month, day, date.max):
                return f"{MALFORMED}{int(year):04}{int(month):02}{int(day):02}"
            return read_birth(value)
        return read_birth(f"{year}-{int(month):02}")
    return read_birth(year)
