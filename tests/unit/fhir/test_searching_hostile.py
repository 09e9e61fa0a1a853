"""Whatever is asked, a search is answered or refused in words: never a fault of the server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import default_extractor
from tests.unit.fhir.rest import Api, Caller, json, let_in
from tests.unit.fhir.test_searching import WARD

pytestmark = [pytest.mark.database]

KINDS = ("Patient", "Observation", "Encounter", "ValueSet", "Bundle", "Location", "Group", "Basic", "Provenance")
CODES = sorted({code for kind in KINDS for code in default_extractor().parameters(kind)})
MODIFIERS = [
    "",
    "",
    "",
    ":exact",
    ":contains",
    ":missing",
    ":not",
    ":text",
    ":in",
    ":not-in",
    ":above",
    ":below",
    ":of-type",
    ":identifier",
    ":Patient",
    ":iterate",
    ":",
    ":nothing",
    ".name",
    ":Patient.name",
    "._id",
    ".",
    "..",
    ".patient.name",
]
CONTROLS = [
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_include:iterate",
    "_revinclude",
    "_type",
    "_cursor",
    "_list",
    "_filter",
    "_content",
    "_text",
    "_has:Observation:patient:code",
    "_has:Observation:patient:_has:Provenance:target:agent",
    "_has:",
    "_has:X:y:z",
    "_contained",
    "_query",
    "\x00",
]
VALUES = [
    "",
    " ",
    ",",
    "|",
    "$",
    "\\",
    "\\,",
    "a|b|c|d",
    "|a",
    "a|",
    "1",
    "-1",
    "1e999",
    "1e300|u|c",
    "ne5",
    "gt",
    "0",
    "9999999999",
    "2024",
    "2024-13",
    "ap9999-12-31",
    "lt0001-01-01",
    "0000",
    "2024-01-01T25:00Z",
    "true",
    "false",
    "Patient/1",
    "Patient/",
    "/",
    "http://a/Patient/1",
    "urn:uuid:1",
    "#a",
    "Patient/1/_history/2",
    "*",
    "é\u0301",
    "\x00",
    "\ud83d\ude00",
    "x" * 3000,
    "%",
    "'",
    "{}",
    "%s",
    "-date",
    "date,-_id",
    "Patient:organization",
    "Observation:*",
    "Patient:organization:Organization",
    "i-.x.1.1",
    "m-.n.1.1",
    "f-.x.1.1",
    "W10",
    "bnVsbA",
    "{}",
    "code$gt5",
    "8302-2$gt5",
    "a$b$c",
    '"one two"',
    "-no",
    "wor*",
    "ida",
    "29463-7",
    "count",
    "accurate",
]


@pytest.fixture
def ward(db: None, monkeypatch: pytest.MonkeyPatch) -> Api:
    who = Caller()
    let_in(monkeypatch, who)
    api = Api()
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in WARD
    ]
    assert api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).status_code == 200
    return api


def test_no_search_is_a_fault(ward: Api) -> None:
    names = st.one_of(
        st.builds(str.__add__, st.sampled_from(CODES), st.sampled_from(MODIFIERS)), st.sampled_from(CONTROLS)
    )
    pairs = st.lists(st.tuples(names, st.one_of(st.sampled_from(VALUES), st.text(max_size=8))), max_size=3)
    places = st.sampled_from(
        [
            *(f"/{kind}" for kind in KINDS),
            "",
            "/Patient/ida/Observation",
            "/Patient/ida/*",
            "/Patient/ida/$everything",
            "/Observation/$lastn",
        ]
    )
    statuses: dict[int, int] = {}

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(places, pairs, st.booleans())
    def ask(place: str, query: list[tuple[str, str]], strict: bool) -> None:
        headers: dict[str, Any] = {"prefer": "handling=strict"} if strict else {}
        response = ward.get(f"{place}?{urlencode(query, errors='surrogatepass')}", **headers)
        assert response.status_code in (200, 400), response.content
        told = json(response)
        assert told["resourceType"] == ("Bundle" if response.status_code == 200 else "OperationOutcome")
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1

    ask()
    assert min(statuses[200], statuses[400]) > 20


@pytest.mark.parametrize("place", ["/Patient", "/Patient/ida", "", "/metadata", "/Patient/$everything"])
def test_too_many_parameters_are_refused_in_words(ward: Api, place: str) -> None:
    query = "&".join(f"_id={number}" for number in range(1_001))
    response = ward.get(f"{place}?{query}&_pretty=true")
    told = json(response)
    assert response.status_code == 400 and told["resourceType"] == "OperationOutcome"
    assert "1,000" in told["issue"][0]["diagnostics"] and b"\n  " in response.content
