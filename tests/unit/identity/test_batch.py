"""Whole files: which column holds what, how rows are read, and that many pairs are weighed as one is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.identity.batch.beside import worth_comparing
from charthouse.identity.batch.between import pairs_between
from charthouse.identity.batch.blocking import Blocks, _order
from charthouse.identity.batch.clustering import group, rivals
from charthouse.identity.batch.columns import ColumnError, field_of, recognize
from charthouse.identity.batch.evaluation import evaluate, load
from charthouse.identity.batch.files import FileError, read_rows
from charthouse.identity.batch.judging import Judged, judge_pairs
from charthouse.identity.batch.metrics import b_cubed, pairs_of_clusters, whole_clusters
from charthouse.identity.batch.rows import BirthReader, RowReader
from charthouse.identity.batch.table import Table
from charthouse.identity.batch.twice import written_twice
from charthouse.identity.batch.weighing import Weigher
from charthouse.identity.bench.population import COLUMNS, Noise, copy, people
from charthouse.identity.domain.comparators import address_level, birth_level, given_level
from charthouse.identity.domain.decision import Thresholds
from charthouse.identity.domain.keys import keys_of
from charthouse.identity.domain.model import Beside, TermFrequency, default_model
from charthouse.identity.domain.names import Name
from charthouse.identity.domain.scorer import weigh
from charthouse.identity.domain.traits import Traits, traits_of

MODEL = default_model()
TODAY = date(2026, 11, 1)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("given_name", "given"), ("FirstName", "given"), ("PATIENT_FIRST_NAME", "given"), ("fname", "given"),
        ("Surname", "family"), ("last name", "family"), ("LNAME", "family"), ("middle_initial", "middle"),
        ("dob", "birth"), ("Date of Birth", "birth"), ("birth_dt", "birth"), ("yob", "birth_year"),
        ("Gender", "sex"), ("soc_sec_id", "ssn"), ("SSN", "ssn"), ("street_number", "number"),
        ("address_1", "street"), ("address_2", "street"), ("StreetName", "street"), ("suburb", "city"),
        ("zipcode", "postal"), ("ZIP5", "postal"), ("postcode", "postal"), ("home_phone", "phone"),
        ("emailAddress", "email"), ("mothers_maiden_name", "mother"), ("mrn", "mrn"), ("fname_c1", "given"),
        ("Straße", "street"), ("Prénom", "given"), ("Año de nacimiento", "birth_year"), ("imię", "given"),
        ("apellido_paterno", "family"), ("apellido_materno", "mother"), ("data_di_nascita", "birth"),
        ("POSTAL_CD", "postal"), ("PHONE_NBR", "phone"), ("MOTHERS_MAIDEN_NM", "mother"), ("pincode", "postal"),
        ("name_sufx_cd", "suffix"), ("full_phone_num", "phone"), ("postcode_fake", "postal"), ("фамилия", "family"),
        ("FRST_NM", "given"), ("LST_NM", "family"), ("BRTH_DT", "birth"), ("ADDR_LN_1", "street"), ("ssn4", "ssn"),

        ("Teléfono móvil", "phone"), ("Contact Tel", "phone"), ("NIF", "ssn"),
        ("Дата рождения", "birth"), ("性别", "sex"), ("doğum tarihi", "birth"), ("COMUNE", "city"),
    ],
)  # fmt: skip
def test_usual_names_of_columns_are_recognized(header: str, field: str) -> None:
    assert field_of(header) == field


def test_what_a_person_says_of_columns_goes_before_their_names() -> None:
    found = recognize(["name", "x7", "dob"], said={"family": ["x7"], "birth": []})
    assert found.of == {"family": (1,), "given": (0,)}
    assert found.unused == ("dob",)


def _rows(*columns: list[str]) -> list[list[str]]:
    return [list(row) for row in zip(*columns, strict=True)]


def test_what_no_name_tells_is_told_by_the_values() -> None:
    many = 40
    rows = _rows(
        [str(70_000 + number) for number in range(many)],
        [("Mary", "James", "Linda", "Robert")[number % 4] for number in range(many)],
        [("Smith", "Johnson", "Garcia", "Miller", "Davis")[number % 5] for number in range(many)],
        [f"{1 + number % 12}/{1 + number % 28}/{1940 + 2 * (number % 35)}" for number in range(many)],
        [f"2024-0{1 + number % 9}-11" for number in range(many)],
        [f"({201 + number}) 555-01{number:02}" for number in range(many)],
        [f"2{number:02}-41-67{number:02}" for number in range(many)],
        ["MF"[number % 2] for number in range(many)],
        [f"m{number}@mail.example" for number in range(many)],
    )
    header = ["c1", "c2", "c3", "c4", "admitted", "c6", "c7", "c8", "c9"]
    found = recognize(header, sample=rows)
    assert found.of == {
        "given": (1,), "family": (2,), "birth": (3,), "phone": (5,), "ssn": (6,), "sex": (7,), "email": (8,),
    }  # fmt: skip
    assert found.unused == ("c1", "admitted")
    assert "birth" not in recognize(["c2", "admit_date"], sample=[[row[1], row[3]] for row in rows]).of


def test_a_whole_name_is_told_by_its_given_name_however_rare_the_family() -> None:
    names = [
        f"{family}{number}, {given}" for number in "abcdef" for family in ("Ostberg", "KALDEN") for given in _GIVEN
    ]
    rows = _rows([name.replace("a,", "a, ") for name in names], ["12 Elm St"] * len(names))
    assert recognize(["patient", "c2"], sample=rows).of["name"] == (0,)


_GIVEN = ("Mary K", "James", "Linda", "Robert")


def test_a_name_that_means_two_things_is_settled_by_what_stands_beside_it() -> None:
    found = recognize(["Nr", "Vorname", "Strasse", "Hausnr"])
    assert found.of["number"] == (3,) and found.unused == ("Nr",)
    found = recognize(["first", "BirthYear", "BirthMonth", "BirthDay"])
    assert (found.of["birth_day"], "birth" in found.of) == ((3,), False)
    assert recognize(["first", "st"], sample=[["Ida", "MA"], ["Per", "TX"]]).of["state"] == (1,)
    assert recognize(["first", "st"], sample=[["Ida", "12 Elm Street"], ["Per", "9 Oak"]]).of["street"] == (1,)


@pytest.mark.parametrize(
    ("written", "read"),
    [(("H", "M", "H"), ["M", "F", "M"]), (("M", "F", "M"), ["M", "F", "M"]), (("M", "K", "M"), ["M", "F", "M"])],
)
def test_the_letters_of_the_sex_are_those_of_the_column(written: tuple[str, ...], read: list[str]) -> None:
    rows = [["Ida", value] for value in written]
    reader = RowReader(recognize(["first", "sexo"]), rows, TODAY)
    assert [reader.traits(row).sex for row in rows] == read


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("char1es", "charles", "similar"), ("r0bert", "robert", "similar"), ("chi716", "chi717", "different"),
        ("chi716", "chi716", "same"),
    ],
)  # fmt: skip
def test_a_name_misread_by_a_machine_is_alike_and_a_numbered_one_is_not(one: str, other: str, level: str) -> None:
    assert (
        given_level(Name(given=one), Name(given=other)) == given_level(Name(given=other), Name(given=one)) == level
    )


@pytest.mark.parametrize(
    ("header", "said", "words"),
    [
        (["x", "y"], {}, "No column could be recognized"),
        (["given"], {"family": ["last"]}, "There is no column 'last'. The file has given."),
        (["given"], {"colour": ["given"]}, "'colour' is no field"),
        (["a1", "b2"], {"family": ["a1", "b2"]}, "family can have one column, not 2"),
    ],
)
def test_columns_that_cannot_be_are_named(header: list[str], said: dict[str, list[str]], words: str) -> None:
    with pytest.raises(ColumnError, match=words):
        recognize(header, said=said)


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "file.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"a,b\n1,2\n3,4,5\n", r"line 3: 3 values, but the header names 2 columns"),
        (b"a,a\n1,2\n", "names a more than once"),
        (b"a,b\n1,\x00\n", "neither text nor Parquet"),
        (b'a,b\n"1,2\n', "line"),
        (b"PAR1 but not really", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(FileError, match=words):
        list(read_rows(_written(tmp_path, content)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"missing\.csv cannot be read: No such file"):
        read_rows(tmp_path / "missing.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_usual_dialects_are_read(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = delimiter.join(("given", "family")) + "\r\n" + delimiter.join(("Zoë", "NULL")) + "\r\n\r\n"
    rows = read_rows(_written(tmp_path, text.encode(encoding)))
    assert rows.header == ("given", "family")
    assert list(rows) == [["Zoë", ""]]


def test_parquet_is_read_with_numbers_dates_and_gaps(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "file.parquet"
    duckdb.execute(
        "COPY (SELECT 'Ann' AS given, DATE '1961-04-17' AS dob, 1060.0::DOUBLE AS zip, NULL AS phone)"
        f" TO '{path}' (FORMAT parquet)"
    )
    rows = read_rows(path)
    assert list(rows) == [["Ann", "1961-04-17", "1060", ""]]


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        (["13/04/1961", "01/02/1970"], "03/04/1961", "1961-04-03"),
        (["04/13/1961", "01/02/1970"], "03/04/1961", "1961-03-04"),
        (["19610413"], "19610304", "1961-03-04"),
        (["13041961", "28121990"], "03041961", "1961-04-03"),
        (["1961-04-13"], "1961-04-13T00:00:00", "1961-04-13"),
        (["4/13/61"], "4/3/61", "1961-04-03"),
        (["19610413"], "19610413.0", "1961-04-13"),
        (["13 Apr 1961"], "3 Apr 1961", "1961-04-03"),
        (["19610413"], "19611304", "?19611304"),
        (["19610413"], "196104133", "?196104133"),
        (["04/13/1961"], "04/13/961", "?09610413"),
        (["19610413"], "unborn", ""),
        (["19000101"], "19000101", ""),
    ],
)
def test_a_column_of_dates_says_itself_how_it_is_written(column: list[str], value: str, read: str) -> None:
    assert BirthReader(column, TODAY).read(value) == read


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("?19611304", "1961-04-13", "exchanged"),
        ("?196104133", "1961-04-13", "one digit"),
        ("?1961041", "1961-04-13", "one digit"),
        ("?19611304", "1975-12-30", "different"),
        ("1961", "1962-04-13", "one part"),
        ("1961-04-13", "1961-05-13", "one digit"),
        ("1961-04-13", "1961-11-13", "one part"),
        ("1961-04-13", "1916-04-13", "one digit"),
        ("1961-01-01", "1961-04-13", "year"),
        ("1961-01-01", "1962-04-13", "different"),
    ],
)
def test_dates_with_slips(one: str, other: str, level: str) -> None:
    assert birth_level(one, other) == birth_level(other, one) == level


def _traits(header: list[str], row: list[str]) -> Traits:
    return RowReader(recognize(header), [row], TODAY).traits(row)


def test_a_row_is_read_as_the_front_door_reads_it() -> None:
    header = [
        "first",
        "last",
        "dob",
        "sex",
        "ssn",
        "street_number",
        "address_1",
        "suburb",
        "state",
        "postcode",
        "tel",
    ]
    row = ["Zoë Ann", "O'Brien Jr", "1961-04-17", "2", "219-41-6788", "12", "Alder Street", "Dapto",
           "New South Wales",           "2530.0", "413-555-0142"]  # fmt: skip
    read = _traits(header, row)
    patient = {
        "name": [{"family": "O'Brien", "given": ["Zoë", "Ann"], "suffix": ["Jr"]}],
        "birthDate": "1961-04-17",
        "gender": "female",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "219416788"}],
        "address": [{"line": ["12 Alder St"], "city": "Dapto", "state": "nsw", "postalCode": "2530"}],
        "telecom": [{"system": "phone", "value": "4135550142"}],
    }
    assert read == traits_of(patient)


def test_a_whole_address_and_a_whole_name_in_one_column() -> None:
    read = _traits(["name", "address"], ["Lind, Johanna K", "12 Alder St, Northampton, MA 01060"])
    assert (read.names[0].family, read.names[0].given, read.names[0].middle) == ("lind", "johanna", ("k",))
    address = read.addresses[0]
    assert (address.number, address.street, address.city, address.state, address.postal) == (
        "12", "alder st", "northampton", "ma", "01060",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("whole_name", "middle"),
    [
        ("Sir Thomas Edward Lind", ("edward",)),
        ("Lind, Thomas", ()),
        ("Thomas Lind", ()),
        ("Edward Thomas", ()),
        ("", ()),
    ],
)
def test_a_whole_name_beside_its_parts_tells_the_middle_name(whole_name: str, middle: tuple[str, ...]) -> None:
    read = _traits(["full_name", "first_name", "surname"], [whole_name, "Thomas", "Lind"])
    assert [(name.given, name.family, name.middle) for name in read.names] == [("thomas", "lind", middle)]


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        (("", "sw1a 1aa"), ("", "SW1A 2AB"), "city"),
        (("", "SW1A 1AA"), ("", "SW2A 1AA"), "different"),
        (("", "01060"), ("", "01062"), "city"),
        (("Northampton", "01060"), ("Amherst", "01062"), "different"),
        (("", "01060"), ("", "01160"), "different"),
    ],
)
def test_postal_codes_of_one_district_are_of_one_town(
    one: tuple[str, str], other: tuple[str, str], level: str
) -> None:
    a, b = (_traits(["first", "city", "postcode"], ["Ann", *place]).addresses for place in (one, other))
    assert address_level(a, b) == address_level(b, a) == level


def test_an_age_stands_for_the_year_of_birth() -> None:
    assert _traits(["given", "dob", "age", "year"], ["Ann", "", "52", "2020"]).birth == "1968"


def test_numbers_that_lost_their_zeros_get_them_back() -> None:
    rows = [["Ann", f"{number:05}", "219416788"] for number in range(10001, 10040)] + [
        ["Bo", "1060", "19416788"]
    ] * 3
    reader = RowReader(recognize(["given", "zip", "ssn"]), rows, TODAY)
    read = reader.traits(rows[-1])
    assert read.addresses[0].postal == "01060"
    assert read.ssn == "019416788"


def _population(many: int) -> list[Traits]:
    random, noise = Random(3), Noise().times(3)
    originals = list(people(many, 11))
    rows = [*originals, *(copy(random, row, noise) for row in originals)]
    reader = RowReader(recognize(list(COLUMNS)), [[getattr(row, name) for name in COLUMNS] for row in rows], TODAY)
    return [reader.traits([getattr(row, name) for name in COLUMNS]) for row in rows]


def _tabled(traits: list[Traits]) -> Table:
    table = Table()
    for each in traits:
        table.add(each)
    table.close()
    return table


def test_many_pairs_weigh_what_each_weighs() -> None:
    traits = _population(150)
    table = _tabled(traits)
    left, right = (side.astype(np.int32) for side in np.triu_indices(len(traits), 1))
    kept = (left % 7 == 0) | (right - left == 150)
    left, right = left[kept], right[kept]
    weighed = Weigher(table, MODEL).weigh(left, right)
    sieved = Weigher(table, MODEL).weigh(left, right, 0.0)
    found = {(int(a), int(b)) for a, b in zip(sieved.left, sieved.right, strict=True)}
    for place, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        scalar = weigh(traits[a], traits[b], MODEL)
        assert weighed.weight[place] == pytest.approx(scalar.weight)
        assert weighed.weighing(place, table).levels == scalar.levels
        assert ((a, b) in found) or scalar.weight < 0


_NAMES = st.sampled_from(
    [
        "John", "Jon", "Johnny", "J", "Smith", "Smyth", "Smith Jones", "Maria", "Mary Ann", "Mar Ia",
        "Garcia Lopez", "William", "Bill", "Lisa", "Betty", "Donna", "Tina", "Chi716", "Chi717", "Al",
        "Alexander", "Hayden", "Jayden",
    ]
)  # fmt: skip
_BIRTHS = st.sampled_from(
    [
        "1961-04-07", "1961-07-04", "1961-04", "1961", "1971-04-07", "1961-01-01", "1961-04-17", "1991-12-30",
        "1962-04-07", "",
    ]
)  # fmt: skip
_STREETS = st.sampled_from(
    [["12 Alder St"], ["12 Aldre Street Apt 2"], ["21 Alder St"], ["St Alder"], ["9 Elm Rd"], []]
)
_NUMBERS = st.sampled_from(["413-555-0142", "555-0142", "413-555-0143", "617-555-0142", "617-555-9999"])
_MAILS = st.sampled_from(["ida.berg@mail.example", "ida.berk@mail.example", "ida.berg@post.example", "x@a.example"])
_SYSTEMS = st.sampled_from(["urn:north", "urn:south", "http://hl7.org/fhir/sid/us-ssn"])
_VALUES = st.sampled_from(["123456789", "123456798", "023416789", "912345678", "922345678", "6789", "555116789"])
_KINDS = st.sampled_from(["MR", "SN"])
_PATIENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.lists(
                st.fixed_dictionaries({"family": _NAMES, "given": st.lists(_NAMES, min_size=1, max_size=3)}),
                max_size=2,
            ),
            "birthDate": _BIRTHS,
            "gender": st.sampled_from(["male", "female", ""]),
            "identifier": st.lists(
                st.fixed_dictionaries(
                    {
                        "system": _SYSTEMS,
                        "value": _VALUES,
                        "type": st.fixed_dictionaries(
                            {"coding": st.tuples(st.fixed_dictionaries({"code": _KINDS}))}
                        ),
                    }
                ).map(lambda each: {**each, "type": {"coding": list(each["type"]["coding"])}}),
                max_size=2,
            ),
            "telecom": st.lists(
                st.one_of(
                    st.fixed_dictionaries({"value": _NUMBERS}),
                    st.fixed_dictionaries({"system": st.just("email"), "value": _MAILS}),
                ),
                max_size=2,
            ),
            "address": st.lists(
                st.fixed_dictionaries(
                    {
                        "line": _STREETS,
                        "city": st.sampled_from(["Northampton", "Northamton", "Boston", ""]),
                        "postalCode": st.sampled_from(["01060", "01062", "01160", "90210", ""]),
                    }
                ),
                max_size=2,
            ),
            "extension": st.sampled_from(["Lund", "Lundh", "Ida Lund", "Berg", ""]).map(
                lambda mother: [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                        "valueString": mother,
                    }
                ]
            ),
        }
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(_PATIENTS)
def test_sieves_never_answer_otherwise_than_the_comparators(patients: list[dict[str, Any]]) -> None:
    traits = [traits_of(patient) for patient in patients]
    left, right = (side.astype(np.int32) for side in np.triu_indices(len(traits), 1))
    table = _tabled(traits)
    weighed = Weigher(table, MODEL).weigh(left, right)
    least = Weigher(table, MODEL).weigh(left, right, 0.0)
    kept = {
        (a, b): bits for a, b, bits in zip(least.left.tolist(), least.right.tolist(), least.weight, strict=True)
    }
    for place, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        scalar = weigh(traits[a], traits[b], MODEL)
        assert weighed.weight[place] == pytest.approx(scalar.weight)
        assert weighed.weighing(place, table).levels == scalar.levels
        assert kept.get((a, b), weighed.weight[place]) == weighed.weight[place]
        assert (a, b) in kept or scalar.weight < 0


_LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=14)


@given(_LABELS)
def test_rates_are_those_of_counting_every_pair(rows: list[tuple[int, int, int]]) -> None:
    cluster, truth, source = ([row[place] for row in rows] for place in range(3))
    pairs = [(a, b) for a in range(len(rows)) for b in range(a)]
    for across in (None, source):
        counted = [(a, b) for a, b in pairs if across is None or across[a] != across[b]]
        found = {pair for pair in counted if cluster[pair[0]] == cluster[pair[1]]}
        there = {pair for pair in counted if truth[pair[0]] == truth[pair[1]]}
        rate = pairs_of_clusters(cluster, truth, across)
        assert (rate.right, rate.found, rate.there) == (len(found & there), len(found), len(there))
    rate = whole_clusters(cluster, truth)
    wholes = [
        {frozenset(row for row in range(len(rows)) if labels[row] == label) for label in set(labels)}
        for labels in (cluster, truth)
    ]
    found_wholes, true_wholes = ({group for group in side if len(group) > 1} for side in wholes)
    assert (rate.right, rate.found, rate.there) == (
        len(found_wholes & true_wholes), len(found_wholes), len(true_wholes),
    )  # fmt: skip
    precision, recall, _ = b_cubed(cluster, truth)
    shares = []
    for row in range(len(rows)):
        mine = {other for other in range(len(rows)) if cluster[other] == cluster[row]}
        persons = {other for other in range(len(rows)) if truth[other] == truth[row]}
        shares.append((len(mine & persons) / len(mine), len(mine & persons) / len(persons)))
    assert precision == pytest.approx(sum(share[0] for share in shares) / len(rows))
    assert recall == pytest.approx(sum(share[1] for share in shares) / len(rows))


def _ints(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


def test_pairs_are_all_that_share_a_key_few_have() -> None:
    traits = _population(400)
    blocks, wanted = Blocks(wide=False), set()
    by_key: dict[int, list[int]] = {}
    for row, each in enumerate(traits):
        blocks.add(row, each)
        keys = keys_of(each)
        for key in keys.stored | keys.asked:
            by_key.setdefault(key, []).append(row)
    for rows in by_key.values():
        wanted.update((a, b) for place, a in enumerate(rows) for b in rows[place + 1 :])
    left, right = blocks.pairs(len(traits))
    assert len(left) == len(wanted)
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == wanted


def test_keys_with_one_front_are_told_apart() -> None:
    keys = np.array([5 << 40, (5 << 40) | 1, 5 << 40, (5 << 40) | 1, -7, -7, 9], dtype=np.int64)
    assert sorted(_order(keys).tolist()) == list(range(len(keys)))
    ordered = keys[_order(keys)].tolist()
    assert [ordered.count(key) for key in dict.fromkeys(ordered)] == [len(list(run)) for _, run in groupby(ordered)]


def test_a_file_whose_rows_are_all_one_person_can_be_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("truth,first,last,dob\n1,Ida,Berg,1950-02-03\n1,Ida,Berg,1950-02-03\n")
    assert evaluate(load(path, "truth"), Thresholds(0.0, -6.0, 0.5, 0, conflict=1.0))["rows"] == 2


def _judged(table: Table, left: Any, right: Any) -> Judged:
    return judge_pairs(table, MODEL, left, right, Thresholds(10.0, 0.0, 5.0, 3))


def test_groups_that_may_be_one_are_compared_whole() -> None:
    one = {"name": [{"family": "Lind", "given": ["Johanna"]}], "birthDate": "1961-04-17", "gender": "female"}
    table = _tabled([traits_of(one)] * 4 + [traits_of({**one, "birthDate": "1950-11-30"})])
    # Keys brought 0 and 1, 2 and 3, and of the two groups 1 and 2 together; and 0 with a stranger.
    left, right = _ints(0, 0, 1, 2), _ints(1, 4, 2, 3)
    found = pairs_between(_ints(0, 0, 2, 2, 4), _judged(table, left, right), left, right, None)
    assert set(zip(*(side.tolist() for side in found), strict=True)) == {(0, 2), (0, 3), (1, 3)}
    source = _ints(0, 1, 0, 1, 1)
    found = pairs_between(_ints(0, 0, 2, 2, 4), _judged(table, left, right), left, right, source)
    assert set(zip(*(side.tolist() for side in found), strict=True)) == {(0, 3)}


def test_a_chain_of_links_is_no_person() -> None:
    # 0-1-2-3-4-5, each linked to the next alone.
    left, right = _ints(0, 1, 2, 3, 4), _ints(1, 2, 3, 4, 5)
    groups = group(6, left, right, np.array([9.0, 8, 7, 6, 5]), [True] * 5, [False] * 5)
    assert max(np.bincount(groups.of)) < 6
    assert groups.left_out


def test_no_group_holds_two_that_are_in_conflict() -> None:
    left, right = _ints(0, 1, 0), _ints(1, 2, 2)
    groups = group(3, left, right, np.array([20.0, 19, 18]), [True, True, False], [False, False, True])
    assert groups.of[0] == groups.of[1] != groups.of[2]


def test_one_record_a_source_and_the_best_must_lead() -> None:
    source = _ints(0, 1, 1)
    left, right = _ints(0, 0), _ints(1, 2)
    clear = group(3, left, right, np.array([20.0, 12]), [True, True], [False, False], source, margin=5)
    assert clear.of[0] == clear.of[1] != clear.of[2]
    close = group(3, left, right, np.array([20.0, 19]), [True, True], [False, False], source, margin=5)
    assert len(set(close.of.tolist())) == 3


def test_a_record_that_stands_twice_in_its_source_has_no_rival_in_itself() -> None:
    # Row 0 of one source; 1 and 2 of the other are one record written twice, 3 is somebody less like.
    source, twice = _ints(0, 1, 1, 1), _ints(0, 1, 1, 3)
    left, right = _ints(0, 0, 0), _ints(1, 2, 3)
    never = [False] * 3
    clear = group(4, left, right, np.array([20.0, 19.9, 12]), [True] * 3, never, source, margin=5, twice=twice)
    assert clear.of[0] == clear.of[1] == clear.of[2] != clear.of[3]
    close = group(4, left, right, np.array([20.0, 19.9, 18]), [True] * 3, never, source, margin=5, twice=twice)
    assert close.of[0] != close.of[1] == close.of[2]


def test_only_what_is_evidently_one_record_stands_twice() -> None:
    traits = [
        traits_of({"name": [{"family": family, "given": [given]}], "birthDate": birth, "gender": "male"})
        for family, given, birth in [
            ("Brumbelow", "Kevin", "1972-11-23"), ("Brumbelow", "Kevin", "1972-11-23"),
            ("Brumbelow", "Kevin", "1972-11-24"), ("Brumbelow", "Karl", "1972-11-23"),
            ("Brumbelow", "Kevin", "1972"), ("Brumbelow", "Kevin", "1972"), ("Brumbelow", "Kevin", "1972-11-23"),
        ]
    ]  # fmt: skip
    table = _tabled(traits)
    source = _ints(0, 0, 0, 0, 0, 0, 1)
    limits = Thresholds(same=-1.0, perhaps=-6.0, margin=0.5, evidence=0, conflict=1.0, twice=10.0)
    assert written_twice(table, MODEL, source, limits).tolist() == [0, 0, 2, 3, 4, 5, 6]
    never = replace(limits, twice=1_000.0)
    assert written_twice(table, MODEL, source, never).tolist() == list(range(7))


def test_what_speaks_of_the_person_beside_the_traits_is_found_and_numbers_are_not() -> None:
    random = Random(5)
    header = ["city", "county", "race", "birth_place", "household_id", "row", "title", "note"]
    towns = {f"town {number}": f"county {number // 5}" for number in range(30)}
    places = [f"place {letter}{other}" for letter in "abcdefghij" for other in "klmnopqrst"]
    rows = []
    for number in range(4_000):
        town = random.choice(list(towns))
        rows.append(
            [
                town,
                towns[town],
                random.choice("WWWBA"),
                random.choice(places),
                str(number // 3),
                str(number),
                "x",
                "" if number % 40 else "late",
            ]
        )
    found = worth_comparing(header, header[1:], rows, {"city": (0,)})
    assert [header[place] for place in found] == ["race", "birth_place"]


def test_a_column_beside_weighs_what_it_was_learnt_to() -> None:
    table = Table(1)
    for each, place in zip(_population(2), ("york", "yorc", "leeds", ""), strict=True):
        table.add(each, [place])
    table.close()
    told = Beside(
        {"same": 3.0, "similar": 1.0, "different": -2.0},
        {"same": 0.5, "similar": 0.2, "different": -1.0},
        TermFrequency({"york": 1.5}, 0.25),
    )
    left, right = _ints(0, 0, 0, 0, 1), _ints(0, 1, 2, 3, 1)
    plain = Weigher(table, MODEL).weigh(left, right)
    weighed = Weigher(table, replace(MODEL, beside=(told,))).weigh(left, right)
    assert (weighed.weight - plain.weight).round(6).tolist() == [4.5, 1.0, -2.0, 0.0, 3.25]
    assert weighed.beside.tolist() == [0.5, 0.2, -1.0, 0.0, 0.5]
    assert plain.beside.tolist() == [0.0] * 5
    assert weighed.weighing(2, table).beside == -1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-9, 9)), max_size=12))
def test_the_best_rival_is_that_of_looking_at_all(pairs: list[tuple[int, int, int]]) -> None:
    seen = {(min(a, b), max(a, b)): float(bits) for a, b, bits in pairs if a != b}
    source = _ints(0, 1, 0, 1, 2, 2)
    left, right = _ints(*(pair[0] for pair in seen)), _ints(*(pair[1] for pair in seen))
    found = rivals(left, right, np.array(list(seen.values())), source)
    for place, (a, b) in enumerate(seen):
        others = [
            bits
            for (c, d), bits in seen.items()
            if (c, d) != (a, b)
            and any(
                row in (c, d) and source[(c if row == d else d)] == source[partner]
                for row, partner in ((a, b), (b, a))
            )
        ]
        assert found[place] == max(others, default=-np.inf)
