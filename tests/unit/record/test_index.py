"""Index rows: those the codec gives, for the current version; older ones say nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from charthouse.configuration import ConfigurationError
from charthouse.exchange.fhir import parameters
from charthouse.exchange.fhir.api import default_extractor, encounter_of, extract, patient_of
from charthouse.foundation.access.api import system_context
from charthouse.foundation.ids import hash64
from charthouse.record.actions.index_resources_anew import index_resources_anew
from charthouse.record.domain.index_rows import target_hash

SYSTEM = system_context("tests")
TABLES = ("token", "string", "date", "quantity", "reference")


def found(book: Any, public_id: str, version: int = 1) -> dict[str, int]:
    return {
        table: book.one(
            f"SELECT count(*) FROM record_index_{table} i JOIN record_resource r "
            "ON r.type = i.type AND r.id = i.resource WHERE r.public_id = %s AND i.version = %s",
            public_id,
            version,
        )
        for table in TABLES
    }


def given(resource: dict[str, Any]) -> dict[str, int]:
    rows = extract(resource, patient_of(resource), encounter_of(resource))
    return {
        "token": len(rows.tokens) + len(rows.uris),
        "string": len(rows.strings),
        "date": len(rows.dates),
        "quantity": len(rows.quantities) + len(rows.numbers),
        "reference": len(rows.references),
    }


def param(kind: str, code: str) -> int:
    number = next(each.id for each in default_extractor().parameters(kind)[code].answers if each.id)
    assert number
    return number


REPORT = {
    "resourceType": "DiagnosticReport", "id": "r1", "status": "final", "code": {"text": "Panel"},
    "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-02-03",
    "result": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}],
    "performer": [{"reference": "Practitioner/x"}],
}  # fmt: skip


def test_counts_are_the_codecs(book: Any, make: Any) -> None:
    patient = make.patient(
        birthDate="1961-04-17", gender="female",
        identifier=[{"system": "urn:mrn", "value": "77"}], telecom=[{"system": "phone", "value": "413-555-0142"}],
    )  # fmt: skip
    for resource in (patient, make.observation(), REPORT, make.document()):
        book.file(resource)
        counts = given(resource)
        assert found(book, resource["id"]) == counts
        assert sum(counts.values()) > 2


def test_values_are_found_by_their_hash_and_range(book: Any, make: Any) -> None:
    book.patient()
    row = book.file(make.observation())[0].row
    token = book.rows(
        "SELECT resource, at FROM record_index_token WHERE param = %s AND code = %s AND system = %s",
        param("Observation", "code"), hash64("718-7"), hash64("http://loinc.org"),
    )  # fmt: skip
    main = book.one("SELECT main_low FROM record_resource WHERE id = %s", row)
    assert token == [(row, main)]
    assert book.rows(
        "SELECT resource FROM record_index_quantity WHERE param = %s AND low <= 13.5 AND high >= 13.5",
        param("Observation", "value-quantity"),
    ) == [(row,)]  # fmt: skip
    book.file(REPORT)
    targets = book.rows(
        "SELECT target FROM record_index_reference WHERE param = %s ORDER BY target",
        param("DiagnosticReport", "result"),
    )
    assert targets == sorted((target_hash(f"Observation/{each}"),) for each in ("o1", "o2"))


def test_a_new_version_brings_its_own_rows_and_the_old_ones_count_no_more(book: Any, make: Any) -> None:
    book.patient()
    book.file(make.observation())
    book.file(make.observation(code={"coding": [{"system": "http://loinc.org", "code": "4544-3"}]}))
    current = book.rows(
        "SELECT i.code FROM record_index_token i JOIN record_resource r "
        "ON r.type = i.type AND r.id = i.resource AND r.version = i.version WHERE i.param = %s",
        param("Observation", "code"),
    )
    assert current == [(hash64("4544-3"),)]
    assert found(book, "o1", 1)["token"] > 0


def test_rows_of_earlier_versions_are_swept_and_no_others(book: Any, make: Any) -> None:
    from charthouse.record.actions.sweep_index import sweep_index

    book.patient()
    book.file(make.observation(), make.document(), make.observation("o2"))
    for turn in range(3):
        book.file(
            make.observation(valueQuantity={"value": 14 + turn, "unit": "g/dL"}), make.document(date="2026-02-04")
        )
    kept = {name: found(book, name, version) for name, version in (("o1", 4), ("d1", 2), ("o2", 1), ("p1", 1))}
    assert sum(sum(found(book, "o1", version).values()) for version in (1, 2, 3)) > 0
    assert sweep_index() > 0
    for name, versions in (("o1", (1, 2, 3)), ("d1", (1,))):
        assert all(sum(found(book, name, version).values()) == 0 for version in versions)
    assert kept == {
        name: found(book, name, version) for name, version in (("o1", 4), ("d1", 2), ("o2", 1), ("p1", 1))
    }
    assert sweep_index() == 0


def test_versions_that_were_never_current_have_no_rows(book: Any, make: Any) -> None:
    book.file(make.patient(), make.observation(status="preliminary"), make.observation(status="final"))
    assert sum(found(book, "o1", 1).values()) == 0
    assert sum(found(book, "o1", 2).values()) > 0


def test_an_unchanged_resource_gets_no_second_rows(book: Any, make: Any) -> None:
    book.patient()
    book.file(make.observation())
    before = found(book, "o1")
    book.file(make.observation())
    assert found(book, "o1") == before


def test_a_long_string_is_indexed_by_its_beginning(book: Any, make: Any) -> None:
    name = "Wolfeschlegelsteinhausen" * 40
    book.file(make.patient(name=[{"family": name}]))
    kept = {value for (value,) in book.rows("SELECT value FROM record_index_string")}
    assert kept
    assert all(len(value) <= 160 and name.lower().startswith(value) for value in kept)


@pytest.mark.parametrize("code", ["vital-signs", "laboratory"])
def test_coded_items_are_told_from_the_others(book: Any, make: Any, code: str) -> None:
    from charthouse.record.queries import Coded, of_patients

    row = book.patient()
    for number, category in enumerate(("vital-signs", "laboratory", None)):
        more = {"category": [{"coding": [{"code": category}]}]} if category else {}
        book.file(make.observation(f"o{number}", **more))
    # What once carried the code and does so no more is not among them.
    book.file(make.observation("o9", category=[{"coding": [{"code": code}]}]))
    book.file(make.observation("o9", category=[{"coding": [{"code": "survey"}]}]))
    wanted = Coded("Observation", "category", code)
    having = {
        each.public_id for each in of_patients(book.cursor, make.system, [row], ["Observation"], coded=wanted)
    }
    others = of_patients(book.cursor, make.system, [row], ["Observation"], not_coded=wanted)
    assert having == {"o0" if code == "vital-signs" else "o1"}
    assert having.isdisjoint(each.public_id for each in others)
    assert len(others) == 3


def everything(book: Any) -> dict[str, list[Any]]:
    return {table: book.rows(f"SELECT i FROM record_index_{table} i ORDER BY i::text") for table in TABLES}


def test_the_index_made_anew_is_the_same(book: Any, make: Any) -> None:
    book.file(
        make.patient(birthDate="1950-02-03"), make.observation(), make.observation("o2", status="preliminary")
    )
    undated = make.observation("o3")
    del undated["effectiveDateTime"]
    book.file(undated, make.document())
    before = everything(book)
    assert all(before[table] for table in ("token", "string", "date", "quantity"))
    assert index_resources_anew(SYSTEM) == 5
    assert everything(book) == before


def test_the_index_made_anew_leaves_out_what_a_later_version_took_back(book: Any, make: Any) -> None:
    book.file(make.patient(), make.observation())
    book.file(make.observation(status="amended"))
    assert found(book, "o1", 1)["token"]
    assert index_resources_anew(SYSTEM, ["Observation"]) == 1
    assert not any(found(book, "o1", 1).values())
    assert found(book, "o1", 2) == given(make.observation(status="amended"))


def test_parameters_are_switched_off_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: dict[str, Any] = {"search_off": ["_profile", "Observation.device"]}
    monkeypatch.setattr(parameters, "configuration", lambda: SimpleNamespace(extra=chosen))
    names = parameters.default_parameters.__wrapped__()
    assert not {"Patient._profile", "Observation.device"} & names and "Media.device" in names
    chosen["search_off"] = ["Observation.colour"]
    with pytest.raises(ConfigurationError, match="colour"):
        parameters.default_parameters.__wrapped__()
