"""Searches over REST, as R4 says it (https://hl7.org/fhir/R4/search.html)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import orjson
import pytest

from charthouse.foundation.access.api import Label, system_context
from charthouse.foundation.disclosure.api import disclosures_of
from tests.unit.fhir.rest import BASE, Api, Caller, json, let_in, said

pytestmark = [pytest.mark.database]

LOINC, MRN = "http://loinc.org", "urn:mrn"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
HIV = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
Json = dict[str, Any]

WARD: list[Json] = [
    {"resourceType": "Organization", "id": "org", "name": "Northfield"},
    {
        "resourceType": "Practitioner",
        "id": "dr",
        "name": [{"family": "Lind", "given": ["Åsa"]}],
        "identifier": [{"system": "urn:npi", "value": "7"}],
    },
    {
        "resourceType": "Patient",
        "id": "ida",
        "active": True,
        "gender": "female",
        "birthDate": "1952-03-09",
        "name": [{"family": "Müller", "given": ["Ida", "Ann"]}],
        "identifier": [
            {
                "type": {"coding": [{"system": V2, "code": "MR"}], "text": "Medical record number"},
                "system": MRN,
                "value": "a,1|$2",
            }
        ],
        "address": [{"line": ["1 Main St"], "city": "Quincy", "postalCode": "02169"}],
        "managingOrganization": {"reference": "Organization/org"},
        "generalPractitioner": [{"reference": "Practitioner/dr"}],
        "maritalStatus": {"text": "widowed"},
    },
    {
        "resourceType": "Patient",
        "id": "ben",
        "gender": "male",
        "name": [{"family": "Abara"}],
        "identifier": [{"type": {"coding": [{"system": V2, "code": "SS"}]}, "value": "a,1|$2"}],
        "link": [{"other": {"reference": "Patient/ida"}, "type": "seealso"}],
    },
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/ida"},
        "period": {"start": "2024-01-01", "end": "2024-01-05"},
        "participant": [{"individual": {"reference": "Practitioner/dr"}}],
    },
    {
        "resourceType": "Observation",
        "id": "weight",
        "meta": {"profile": ["http://example.org/p/weight"], "source": "urn:scale", "tag": [{"code": "t"}]},
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "29463-7", "display": "Body weight"}], "text": "Weight"},
        "subject": {"reference": "Patient/ida"},
        "encounter": {"reference": "Encounter/visit"},
        "performer": [{"reference": "Practitioner/dr"}],
        "effectiveDateTime": "2024-01-02T08:00:00Z",
        "valueQuantity": {"value": 72.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        "note": [{"text": "standing"}],
    },
    {
        "resourceType": "Observation",
        "id": "weight2",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "29463-7"}]},
        "subject": {"reference": "Patient/ida"},
        "effectiveDateTime": "2024-02-02",
        "valueQuantity": {"value": 71, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    },
    {
        "resourceType": "Observation",
        "id": "height",
        "status": "preliminary",
        "code": {"coding": [{"system": LOINC, "code": "8302-2", "display": "Body height"}]},
        "subject": {"reference": "Patient/ben"},
        "performer": [{"reference": "Patient/ida"}],
        "effectiveDateTime": "2024-01-03",
        "hasMember": [{"reference": "Observation/weight"}],
    },
    {
        "resourceType": "Condition",
        "id": "asthma",
        "code": {"coding": [{"system": "urn:sct", "code": "195967001"}]},
        "subject": {"reference": "Patient/ida"},
        "onsetDateTime": "2020",
    },
    {
        "resourceType": "Provenance",
        "id": "prov",
        "target": [{"reference": "Observation/weight"}],
        "recorded": "2024-01-02T08:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/dr"}}],
    },
    {
        "resourceType": "List",
        "id": "list",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": "Observation/weight2"}}],
    },
    {
        "resourceType": "ValueSet",
        "id": "vs",
        "status": "active",
        "url": "http://example.org/fhir/ValueSet/sizes",
        "compose": {"include": [{"system": LOINC, "concept": [{"code": "8302-2"}]}]},
    },
    {
        "resourceType": "ValueSet",
        "id": "vs2",
        "status": "active",
        "url": "http://example.org/fhir/ValueSet/lungs",
        "compose": {
            "include": [
                {"system": "urn:sct", "filter": [{"property": "concept", "op": "is-a", "value": "50043002"}]}
            ]
        },
    },
    {
        "resourceType": "CodeSystem",
        "id": "cs",
        "status": "active",
        "content": "fragment",
        "url": "urn:sct",
        "concept": [
            {"code": "50043002", "concept": [{"code": "195967001"}]},
            {"code": "other", "property": [{"code": "parent", "valueCode": "195967001"}]},
        ],
    },
]


class OnlyObservations(Caller):
    """A client whose scopes name Observation only."""

    def may(self, action: str, resource_type: str) -> bool:
        return resource_type == "Observation"


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Caller:
    who = Caller()
    let_in(monkeypatch, who)
    return who


@pytest.fixture
def api(db: None, caller: Caller) -> Api:
    return Api()


@pytest.fixture
def ward(api: Api) -> Api:
    """A ward's records, each under the id it brings."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in WARD
    ]
    done = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert done.status_code == 200, done.content
    return api


def found(api: Api, path: str, mode: str = "match", **headers: str) -> list[str]:
    """The ids of a search's matches, in order."""
    bundle = searched(api, path, **headers)
    return [e["resource"]["id"] for e in bundle.get("entry", ()) if e["search"]["mode"] == mode]


def searched(api: Api, path: str, **headers: str) -> Any:
    response = api.get(path.removeprefix(BASE), **headers)
    assert response.status_code == 200, response.content
    return json(response)


def link(bundle: Json, relation: str) -> str | None:
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


SEARCHES = [
    # tokens
    ("Patient?gender=female", "ida"),
    ("Patient?gender=http://hl7.org/fhir/administrative-gender|female", "ida"),
    ("Patient?gender=http://elsewhere|female", ""),
    ("Patient?gender:not=male", "ida"),
    ("Patient?active=http://hl7.org/fhir/special-values|true", "ida"),
    ("Patient?identifier=urn:mrn|a\\,1\\|\\$2", "ida"),
    ("Patient?identifier=|a\\,1\\|\\$2", "ben"),
    ("Patient?identifier=urn:mrn|", "ida"),
    (f"Patient?identifier:of-type={V2}|MR|a\\,1\\|\\$2", "ida"),
    (f"Patient?identifier:of-type={V2}|XX|a\\,1\\|\\$2", ""),
    ("Patient?identifier:text=medical", "ida"),
    ("Observation?code:text=body w", "weight"),
    ("Observation?code:text=weight", "weight"),
    ("Observation?code:in=http://example.org/fhir/ValueSet/sizes", "height"),
    ("Observation?code:in=ValueSet/vs", "height"),
    ("Observation?code:not-in=http://example.org/fhir/ValueSet/sizes", "weight weight2"),
    ("Condition?code:in=http://example.org/fhir/ValueSet/lungs", "asthma"),
    ("Condition?code:below=urn:sct|50043002", "asthma"),
    ("Condition?code:above=urn:sct|other", "asthma"),
    ("Condition?code:below=urn:sct|other", ""),
    # strings
    ("Patient?name=muller", "ida"),
    ("Patient?name=ANN", "ida"),
    ("Patient?family:exact=Müller", "ida"),
    ("Patient?family:exact=müller", ""),
    ("Patient?family:contains=LLE", "ida"),
    ("Patient?address=quin", "ida"),
    ("Patient?address-city=Quincy&address-postalcode=02169", "ida"),
    ("Patient?name=ida,abara", "ida ben"),
    ("Patient?name=ida&name=abara", ""),
    # dates
    ("Observation?date=2024-01-02", "weight"),
    ("Observation?date=2024-01", "weight height"),
    ("Observation?date=gt2024-01-02", "weight2 height"),
    ("Observation?date=ge2024-01-02&date=lt2024-01-03", "weight"),
    ("Observation?date=ap2024-01-02T08:00:00Z", "weight weight2 height"),
    ("Encounter?date=2024-01", "visit"),
    ("Encounter?date=2024-01-03", ""),
    ("Encounter?date=sa2023", "visit"),
    ("Patient?birthdate=1952-03", "ida"),
    ("Patient?birthdate:missing=true", "ben"),
    # quantities
    ("Observation?value-quantity=72.5||kg", "weight"),
    ("Observation?value-quantity=72.50|http://unitsofmeasure.org|kg", "weight"),
    ("Observation?value-quantity=72", ""),
    ("Observation?value-quantity=gt71", "weight"),
    ("Observation?value-quantity=ap70", "weight weight2"),
    ("Observation?code-value-quantity=29463-7$lt72", "weight2"),
    # references
    ("Observation?patient=ida", "weight weight2"),
    (f"Observation?subject={BASE}/Patient/ida", "weight weight2"),
    ("Observation?subject:Patient=ben", "height"),
    ("Observation?performer=Practitioner/dr", "weight"),
    ("Observation?patient=Patient/nobody", ""),
    # chains
    ("Observation?patient.family=müller", "weight weight2"),
    ("Observation?subject:Patient.general-practitioner:Practitioner.name=lind", "weight weight2"),
    ("Observation?performer:Practitioner.identifier=7", "weight"),
    ("Patient?_has:Observation:patient:code=8302-2", "ben"),
    ("Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/dr", "ida"),
    ("Patient?organization.name=north", "ida"),
    # of every resource
    ("Observation?_id=weight,height", "weight height"),
    ("Observation?_profile=http://example.org/p/weight", "weight"),
    ("Observation?_profile:below=http://example.org/p", "weight"),
    ("Observation?_source=urn:scale", "weight"),
    ("Observation?_tag=t", "weight"),
    ("Observation?_list=list", "weight2"),
    ("Observation?_lastUpdated=gt2020", "weight weight2 height"),
    ("Observation?_lastUpdated=lt2020", ""),
    # URIs
    ("ValueSet?url=http://example.org/fhir/ValueSet/sizes", "vs"),
    ("ValueSet?url:below=http://example.org/fhir", "vs vs2"),
    ("ValueSet?url:above=http://example.org/fhir/ValueSet/sizes/v1", "vs"),
    # compartments
    ("Patient/ida/Observation", "weight weight2 height"),
    ("Patient/ida/Observation?code=8302-2", "height"),
    ("Encounter/visit/Observation", "weight"),
    ("Practitioner/dr/Observation", "weight"),
    ("Patient/ida/*?_type=Condition,Encounter", "asthma visit"),
    # several types
    ("?_type=Observation,Condition&_lastUpdated=gt2020", "weight weight2 height asthma"),
    ("?_type=Patient,Practitioner&_id=dr", "dr"),
]


def test_what_r4s_parameters_find(ward: Api) -> None:
    wrong = []
    for asked, wanted in SEARCHES:
        path, _, query = asked.partition("?")
        encoded = "&".join(
            f"{name}={quote(value, safe=':/|$,')}" for name, value in parse_qsl(query, keep_blank_values=True)
        )
        ids = found(ward, f"/{path}?{encoded}" if path else f"?{encoded}", prefer="handling=strict")
        if sorted(ids) != sorted(wanted.split()):
            wrong.append((asked, ids))
    assert not wrong


@pytest.mark.parametrize(
    "asked",
    [
        "Patient?birthdate=soon",
        "Patient?_filter=name eq ida",
        "Patient?_query=everybody",
        "Location?near=1|2",
        "Observation?code:in=http://nowhere",
        "Observation?code:below=8302-2",
        "Observation?patient:below=x",
        "Observation?_sort=code-value-quantity",
        "Patient?_cursor=nonsense",
        "Patient?_count=many",
        "Observation?_list=$current-problems",
        "Patient?phonetic=ida",
        "?_type=Patient,Observation&gender=male",
        "?_type=Nothing",
        "Patient/ida/Organization",
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(ward: Api, asked: str) -> None:
    response = ward.get(f"/{asked}" if not asked.startswith("?") else asked)
    assert response.status_code == 400
    assert said(response).endswith(".")


def test_what_is_not_known_is_passed_over_unless_strict(ward: Api) -> None:
    bundle = searched(ward, "/Patient?colour=red&gender=female&_include=Patient:nothing")
    outcome = bundle["entry"][-1]
    assert [e["resource"]["id"] for e in bundle["entry"][:-1]] == ["ida"] and bundle["total"] == 1
    assert outcome["search"] == {"mode": "outcome"}
    told = " ".join(issue["diagnostics"] for issue in outcome["resource"]["issue"])
    assert "colour" in told and "_include" in told
    assert link(bundle, "self") == f"{BASE}/Patient?gender=female"
    for asked in ("colour=red", "_include=Patient:nothing", "_summary=most"):
        assert ward.get(f"/Patient?{asked}", prefer="handling=strict").status_code == 400


def test_a_form_asks_what_a_query_does(ward: Api) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    response = ward.ask("POST", "/Observation/_search?status=final", b"date=ge2024-02", **form)
    assert [e["resource"]["id"] for e in json(response)["entry"]] == ["weight2"]
    assert ward.ask("POST", "/_search", b"_type=Condition", **form).status_code == 200
    response = ward.ask("POST", "/Patient/ida/Observation/_search", b"code=8302-2", **form)
    assert [e["resource"]["id"] for e in json(response)["entry"]] == ["height"]
    assert ward.ask("POST", "/Observation/_search", b"{}").status_code == 415


def test_numbers_stay_as_they_were_written(ward: Api) -> None:
    for shape in ("", "&_summary=true", "&_elements=value", "&_summary=data"):
        assert b"72.5" in ward.get(f"/Observation?_id=weight{shape}").content
    body = WARD[5] | {"id": "exact"}
    raw = orjson.dumps(body).replace(b"72.5", b"72.500")
    assert ward.put("/Observation/exact", raw).status_code == 201
    for shape in ("", "&_summary=true", "&_elements=value", "&_summary=data"):
        assert b"72.500" in ward.get(f"/Observation?_id=exact{shape}").content


def test_summaries_and_elements_are_marked_and_keep_what_must_be_there(ward: Api) -> None:
    [whole] = searched(ward, "/Observation?_id=weight")["entry"]
    assert "note" in whole["resource"] and "versionId" in whole["resource"]["meta"]
    [cut] = searched(ward, "/Observation?_id=weight&_summary=true")["entry"]
    assert "note" not in cut["resource"] and "valueQuantity" in cut["resource"]
    assert {"code": "t"} in cut["resource"]["meta"]["tag"]
    assert "SUBSETTED" in [tag["code"] for tag in cut["resource"]["meta"]["tag"]]
    [few] = searched(ward, "/Observation?_id=weight&_elements=issued,note")["entry"]
    assert set(few["resource"]) == {"resourceType", "id", "meta", "status", "code", "note"}
    counted = searched(ward, "/Observation?_summary=count")
    assert counted["total"] == 3 and "entry" not in counted
    assert searched(ward, "/Observation?_count=0")["total"] == 3


def test_pages_go_on_and_show_each_once(ward: Api) -> None:
    for query in ("", "?_sort=_id", "?_sort=-date", "?status:not=x", "?patient=ida,ben&_sort=value-quantity"):
        ids: list[str] = []
        url: str | None = f"{BASE}/Observation{query}{'&' if query else '?'}_count=1"
        while url is not None:
            bundle = searched(ward, url)
            ids += [e["resource"]["id"] for e in bundle.get("entry", ())]
            url = link(bundle, "next")
        assert sorted(ids) == ["height", "weight", "weight2"], query
    assert searched(ward, "/Observation?_count=1&_total=accurate")["total"] == 3
    assert "total" not in searched(ward, "/Observation?_count=1")


ORDERS = [
    ("Patient?_sort=gender", "ida ben"),
    ("Patient?_sort=-gender", "ben ida"),
    ("Patient?_sort=language,-gender", "ben ida"),  # no code of it anywhere
    ("Patient?_sort=general-practitioner", "ida ben"),  # without a value last
    ("Patient?_sort=-general-practitioner", "ida ben"),
    ("Patient?_sort=organization,gender", "ida ben"),
    ("Observation?_sort=status,-date", "weight2 weight height"),
    ("Observation?_sort=-status,date", "height weight weight2"),
    ("Observation?_sort=code,date", "weight weight2 height"),
    ("Observation?_sort=-code,-date", "height weight2 weight"),
    ("Observation?_sort=patient,date", "height weight weight2"),
    ("Observation?_sort=-subject,-date", "weight2 weight height"),
    ("Observation?_sort=performer", "height weight weight2"),  # Patient/ida, Practitioner/dr, nobody
    ("Observation?_sort=-performer", "weight height weight2"),
    ("Observation?_sort=encounter", "weight weight2 height"),
    ("Observation?_sort=value-quantity,code", "weight2 weight height"),
    ("Observation?status=final&_sort=-code,_id", "weight weight2"),
    ("Observation?code=29463-7,8302-2&_sort=patient,-date", "height weight2 weight"),
    ("ValueSet?_sort=-url", "vs vs2"),
]


@pytest.mark.parametrize("few", [0, 200])
def test_an_order_by_codes_and_references_is_paged(ward: Api, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("charthouse.record.searching.compiling._SOME", few)
    wrong = []
    for query, order in ORDERS:
        ids: list[str] = []
        url: str | None = f"{BASE}/{query}&_count=1"
        while url is not None and len(ids) < 9:
            bundle = searched(ward, url)
            ids += [e["resource"]["id"] for e in bundle.get("entry", ())]
            url = link(bundle, "next")
        if ids != order.split() or found(ward, f"/{query}") != ids:
            wrong.append((query, ids))
    assert not wrong


def test_more_different_codes_than_are_held_in_an_order_are_refused(
    ward: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charthouse.record.searching.wording.MOST_WORDED", 1)
    response = ward.get("/Observation?_sort=code")
    assert response.status_code == 400 and "different values" in said(response)
    assert found(ward, "/Observation?_sort=date&code=8302-2") == ["height"]


def test_several_types_are_paged_in_one_order(ward: Api) -> None:
    for sort in ("", "&_sort=_id", "&_sort=-_lastUpdated"):
        ids: list[str] = []
        url: str | None = f"{BASE}?_type=Observation,Condition,Patient&_count=2{sort}"
        while url is not None:
            bundle = searched(ward, url)
            assert len(bundle["entry"]) <= 2
            ids += [e["resource"]["id"] for e in bundle["entry"]]
            url = link(bundle, "next")
        assert sorted(ids) == ["asthma", "ben", "height", "ida", "weight", "weight2"]
        if sort == "&_sort=_id":
            assert ids == sorted(ids)


INCLUDES = [
    ("Observation?_id=weight&_include=Observation:subject", "ida"),
    ("Observation?_id=weight&_include=Observation:subject:Group", ""),
    ("Observation?_id=weight&_include=Observation:patient&_include:iterate=Patient:organization", "ida org"),
    ("Observation?_id=weight&_include=Observation:patient&_include=Patient:organization", "ida"),
    ("Observation?_id=weight&_include=*", "ida dr visit"),
    ("Observation?_id=weight&_include=Observation:*", "ida dr visit"),
    ("Observation?_id=weight&_revinclude=Provenance:target", "prov"),
    ("Patient?_id=ida&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
     "weight weight2 prov"),
    ("Patient?_id=ida&_revinclude=Encounter:subject", "visit"),
    ("Patient?_id=ida&_revinclude=Observation:*", "weight weight2 height"),
    ("Patient?_id=ida&_revinclude=*", "weight weight2 height asthma visit ben"),
    ("Encounter?_id=visit&_revinclude=*:*", "weight"),
    ("Observation?_id=height&_include:iterate=Observation:has-member&_include:iterate=Observation:encounter",
     "weight visit"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "wanted"), INCLUDES)
def test_what_is_brought_along(ward: Api, asked: str, wanted: str) -> None:
    assert sorted(found(ward, f"/{asked}", "include")) == sorted(wanted.split())


def test_what_may_not_be_seen_is_not_there(ward: Api, caller: Caller) -> None:
    hidden = WARD[5] | {"id": "hidden", "meta": HIV}
    assert ward.put("/Observation/hidden", hidden).status_code == 201
    assert "hidden" in found(ward, "/Observation")
    caller.clearance = Label.NONE
    caller.__post_init__()
    assert "hidden" not in found(ward, "/Observation")
    assert searched(ward, "/Observation?_summary=count")["total"] == 3
    assert "hidden" not in found(ward, "/Patient?_id=ida&_revinclude=Observation:patient", "include")
    assert "hidden" not in found(ward, "/Patient/ida/$everything")


def test_scopes_hold_for_what_is_brought_along_and_passed_over(ward: Api, caller: Caller) -> None:
    caller.__class__ = OnlyObservations
    assert found(ward, "/Observation?patient=ida&_include=Observation:patient", "include") == []
    assert found(ward, "/Observation?patient.family=müller") == []
    assert found(ward, "/Observation?_has:Provenance:target:agent=Practitioner/dr") == []
    assert found(ward, "?_lastUpdated=gt2020&_type=Observation,Patient&_sort=_id") == [
        "height",
        "weight",
        "weight2",
    ]
    assert ward.get("/Patient").status_code == 403


def test_every_resource_that_leaves_is_a_disclosure(ward: Api) -> None:
    begin, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    before = len(disclosures_of(system_context("test"), ["ida"], begin, end))
    found(ward, "/Observation?patient=ida&_include=Observation:patient")
    lines = disclosures_of(system_context("test"), ["ida"], begin, end)
    assert len(lines) == before + 1


def test_everything_is_the_compartment_and_what_it_refers_to(ward: Api) -> None:
    bundle = searched(ward, "/Patient/ida/$everything")
    ids = [e["resource"]["id"] for e in bundle["entry"]]
    assert ids[0] == "ida" and len(ids) == len(set(ids))
    assert {"weight", "weight2", "height", "asthma", "visit", "dr", "org"} <= set(ids)
    dated = found(ward, "/Patient/ida/$everything?start=2024-01-01&end=2024-01-31&_type=Observation")
    assert sorted(dated) == ["height", "weight"]
    ids, url = [], f"{BASE}/Patient/ida/$everything?_count=2"
    while url:
        bundle = searched(ward, url)
        ids += [e["resource"]["id"] for e in bundle["entry"] if e["search"]["mode"] == "match"]
        url = link(bundle, "next") or ""
    assert len(ids) == len(set(ids)) and {"weight", "weight2", "height", "asthma", "visit"} <= set(ids)
    encounter = [e["resource"]["id"] for e in searched(ward, "/Encounter/visit/$everything")["entry"]]
    assert {"visit", "weight", "ida", "dr"} <= set(encounter)
    assert ward.get("/Patient/nobody/$everything").status_code == 404
    assert ward.get("/Observation/weight/$everything").status_code == 404
    asked = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Encounter"}]}
    posted = [e["resource"]["id"] for e in json(ward.post("/Patient/ida/$everything", asked))["entry"]]
    assert posted == found(ward, "/Patient/ida/$everything?_type=Encounter")
    assert ward.get("/Patient/ida/$everything?colour=red").status_code == 400


def test_everything_of_all_patients(ward: Api) -> None:
    ids, url = [], f"{BASE}/Patient/$everything?_count=2"
    while url:
        bundle = searched(ward, url)
        ids += [e["resource"]["id"] for e in bundle["entry"] if e["search"]["mode"] == "match"]
        url = link(bundle, "next") or ""
    assert len(ids) == len(set(ids)) and {"ida", "weight", "weight2", "height", "asthma", "visit"} <= set(ids)
    assert not {"dr", "org"} & set(ids)
    assert found(ward, "/Patient/$everything?_type=Encounter") == ["visit"]
    assert found(ward, "/Patient/$everything?_type=Organization") == []


def test_the_newest_of_each_code(ward: Api) -> None:
    assert found(ward, "/Observation/$lastn?patient=ida&code=29463-7") == ["weight2"]
    assert found(ward, "/Observation/$lastn?patient=ida&code=29463-7&max=2") == ["weight2", "weight"]
    assert ward.get("/Observation/$lastn?code=29463-7").status_code == 400


def test_who_a_patient_may_be(ward: Api) -> None:
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": {k: v for k, v in WARD[2].items() if k != "id"}},
            {"name": "count", "valueInteger": 3},
        ],
    }
    bundle = json(ward.post("/Patient/$match", asked))
    assert [e["resource"]["id"] for e in bundle["entry"]] == ["ida"]
    told = bundle["entry"][0]["search"]
    assert told["score"] > 0.9 and told["extension"][0]["valueCode"] in ("certain", "probable")
    nobody = {"resourceType": "Patient", "name": [{"family": "Zzyzx"}], "birthDate": "1900-01-01"}
    assert "entry" not in json(ward.post("/Patient/$match", nobody))
    assert ward.post("/Patient/$match", {"resourceType": "Parameters"}).status_code == 400


def test_links_lead_to_this_server(ward: Api) -> None:
    bundle = searched(ward, "/Patient?name=ida,abara&_count=1")
    assert urlsplit(link(bundle, "next") or "").path == "/fhir/Patient"
    assert dict(parse_qsl(urlsplit(link(bundle, "self") or "").query)) == {"name": "ida,abara", "_count": "1"}
