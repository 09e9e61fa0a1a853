"""What R4's own pages ask of a server, asked from outside and by the wire: each interaction with its statuses and
headers (https://hl7.org/fhir/R4/http.html, search.html, bundle.html), and what the public conformance suites and
other servers' integration tests go through: reads and searches as US Core has them, SMART's discovery,
    bulk exports.

Each row is a request and what must come back; a test goes through a table and names every row that fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import requests

from charthouse.fhir.actions.run_export import run_export
from charthouse.fhir.api import NewClient, add_token
from charthouse.foundation.access.api import system_context
from tests.support.served import serving

CTX = system_context("test")
JSON = "application/fhir+json"
PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
Json = dict[str, Any]
Check = Callable[[Any], bool]

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def coded(code: str, system: str = "") -> Json:
    return {"coding": [{**({"system": system} if system else {}), "code": code}]}


IDA = {"reference": "Patient/ida"}
WARD: list[Json] = [
    {
        "resourceType": "Patient", "id": "ida", "active": True, "gender": "female", "birthDate": "1952-03-09",
        "name": [{"family": "Marsh", "given": ["Ida"]}], "identifier": [{"system": "urn:mrn", "value": "1"}],
        "address": [{"city": "Quincy", "postalCode": "02169"}],
    },
    {"resourceType": "Patient", "id": "ben", "gender": "male", "name": [{"family": "Abara"}],
     "identifier": [{"system": "urn:comma,", "value": "a|b$"}]},
    {"resourceType": "Organization", "id": "org", "name": "Northfield"},
    {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Lind"}]},
    {
        "resourceType": "Encounter", "id": "visit", "status": "finished", "subject": IDA, "class": {"code": "AMB"},
        "period": {"start": "2024-01-01", "end": "2024-01-05"}, "type": [coded("185349003",
            "http://snomed.info/sct")],
    },
    {
        "resourceType": "Condition", "id": "asthma", "subject": IDA, "code": coded("195967001"),
        "category": [coded("problem-list-item")], "clinicalStatus": coded("active", CLINICAL),
        "onsetDateTime": "2020-02",
    },
    *(
        {
            "resourceType": "Observation", "id": f"lab{day}", "status": "final",
            "category": [coded("laboratory", CATEGORY)], "code": coded("718-7", "http://loinc.org"),
            "subject": {**IDA, "identifier": {"system": "urn:logical", "value": f"lab{day}"}},
            "effectiveDateTime": f"2024-01-0{day}", "encounter": {"reference": "Encounter/visit"},
            "valueQuantity": {"value": 10 + day, "unit": "g/dL", "system": "http://unitsofmeasure.org",
                "code": "g/dL"},
        }
        for day in (1, 2, 3)
    ),
    {
        "resourceType": "DiagnosticReport", "id": "report", "status": "final", "subject": IDA,
        "category": [coded("LAB")], "code": coded("58410-2", "http://loinc.org"), "issued": "2024-01-02T10:00:00Z",
        "effectiveDateTime": "2024-01-02", "result": [{"reference": "Observation/lab2"}],
    },
    {
        "resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order", "subject": IDA,
        "authoredOn": "2024-01-02", "medicationReference": {"reference": "Medication/aspirin"},
        "requester": {"reference": "Practitioner/dr"},
    },
    {"resourceType": "Medication", "id": "aspirin", "code": coded("1191",
        "http://www.nlm.nih.gov/research/umls/rxnorm")},
    {
        "resourceType": "AllergyIntolerance", "id": "nuts", "patient": IDA, "code": coded("91934008"),
        "clinicalStatus": coded("active"),
    },
    {"resourceType": "Immunization", "id": "flu", "status": "completed", "patient": IDA,
     "vaccineCode": coded("141"), "occurrenceDateTime": "2023-10-01"},
    {"resourceType": "Procedure", "id": "op", "status": "completed", "subject": IDA, "code": coded("80146002"),
     "performedPeriod": {"start": "2024-01-02T08:00:00Z", "end": "2024-01-02T09:00:00Z"}},
    {"resourceType": "Goal", "id": "goal", "lifecycleStatus": "active", "subject": IDA,
     "description": {"text": "Walk"}, "target": [{"dueDate": "2024-06-01"}]},
    {"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "subject": IDA,
     "category": [coded("assess-plan")]},
    {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": IDA},
    {"resourceType": "Device", "id": "pump", "patient": IDA, "type": coded("43770009")},
    {"resourceType": "DocumentReference", "id": "doc", "status": "current", "subject": IDA,
     "type": coded("34133-9", "http://loinc.org"), "category": [coded("clinical-note")],
     "date": "2024-01-03T10:00:00Z", "context": {"period": {"start": "2024-01-01"}},
     "content": [{"attachment": {"contentType": "text/plain", "data": "U2Vlbi4="}}]},
    {"resourceType": "Provenance", "id": "prov", "target": [{"reference": "Observation/lab1"}],
     "recorded": "2024-01-02T08:00:00Z", "agent": [{"who": {"reference": "Practitioner/dr"}}]},
    {"resourceType": "Group", "id": "group", "type": "person", "actual": True,
     "member": [{"entity": IDA}]},
]  # fmt: skip


@dataclass
class Server:
    """The API as somebody outside meets it."""

    base: str
    token: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        said = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body else {}
        if body is not None and not any(name.lower() == "content-type" for name in said):
            said["Content-Type"] = JSON
        said = {name: value for name, value in said.items() if value}
        url = path if path.startswith("http") else f"{self.base}{path}"
        return requests.request(method, url, headers=said, timeout=30, allow_redirects=False, **sent)


@pytest.fixture
def server(committed_db: str) -> Iterator[Server]:
    token = add_token(CTX, NewClient("Conformance", "system/*.cruds"))
    with serving() as address:
        made = Server(f"{address}/fhir", token)
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in WARD
        ]
        done = made.ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert done.status_code == 200, done.text
        yield made


@dataclass(frozen=True)
class Row:
    """A request and its answer. ``has`` are headers by regular expression, empty for one that must not be there;
    ``is_`` is said of the body as JSON."""

    why: str
    method: str
    path: str
    status: int | tuple[int, ...]
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    has: dict[str, str] = field(default_factory=dict)
    is_: Check | None = None


def outcome(body: Any) -> bool:
    """An OperationOutcome whose every issue says in words what is wrong, and is R4's."""
    return body["resourceType"] == "OperationOutcome" and all(
        each["severity"] in ("fatal", "error", "warning", "information") and each["code"] and each["diagnostics"]
        for each in body["issue"]
    )


def at_place(*places: str) -> Check:
    """An OperationOutcome whose issues stand at these places."""
    return lambda body: outcome(body) and [each["expression"] for each in body["issue"]] == [[at] for at in places]


def ids(*wanted: str) -> Check:
    """A searchset with these matches and no others, whose links and entries are as R4 has them."""

    def check(body: Any) -> bool:
        entries = body.get("entry", [])
        found = [each["resource"]["id"] for each in entries if each["search"]["mode"] == "match"]
        return (
            body["resourceType"] == "Bundle"
            and body["type"] == "searchset"
            and sorted(found) == sorted(wanted)
            and [each for each in body["link"] if each["relation"] == "self"] != []
            and all(each["fullUrl"].endswith(f"/{each['resource']['id']}") for each in entries if "fullUrl" in each)
            and ("total" not in body or body["total"] >= len(found))
        )

    return check


def also(*wanted: str) -> Check:
    """What a search brings along beside its matches."""
    return lambda body: (
        sorted(each["resource"]["id"] for each in body["entry"] if each["search"]["mode"] == "include")
        == sorted(wanted)
    )


def go_through(server: Server, rows: Sequence[Row]) -> None:
    """Ask every row in its order; name what fails."""
    wrong = []
    for row in rows:
        answer = server.ask(row.method, row.path, row.body, **row.headers)
        wanted = row.status if isinstance(row.status, tuple) else (row.status,)
        faults = [] if answer.status_code in wanted else [f"status {answer.status_code}: {answer.text[:300]}"]
        for name, pattern in row.has.items():
            given = answer.headers.get(name, "")
            if not (re.fullmatch(pattern, given) if pattern else not given):
                faults.append(f"{name}: {given!r}")
        if not faults and answer.status_code >= 400 and row.method != "HEAD" and not outcome(answer.json()):
            faults.append(f"no OperationOutcome: {answer.text[:200]}")
        if not faults and row.is_ is not None and not row.is_(answer.json()):
            faults.append(f"body: {answer.text[:600]}")
        if faults:
            wrong.append((row.why, row.method, row.path, *faults))
    assert not wrong, "\n".join(map(str, wrong))


VERSIONED = {"ETag": r'W/"\d+"', "Last-Modified": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"}
TYPED = {"Content-Type": r"application/fhir\+json; ?charset=utf-8"}
LOCATED = {"Location": r"http://.*/fhir/\w+/[A-Za-z0-9.\-]{1,64}/_history/\d+"}
NEW: Json = {
    "resourceType": "Patient",
    "name": [{"family": "New"}],
    "identifier": [{"system": "urn:x", "value": "n"}],
}


def test_reading(server: Server) -> None:
    date = server.ask("GET", "/Patient/ida").headers["Last-Modified"]
    go_through(
        server,
        [
            Row("read", "GET", "/Patient/ida", 200, has=VERSIONED | TYPED,
                is_=lambda b: b["id"] == "ida" and b["meta"]["versionId"] == "1" and b["meta"]["lastUpdated"]),
            Row("HEAD as GET, without a body", "HEAD", "/Patient/ida", 200, has=VERSIONED),
            Row("HEAD of what is not there", "HEAD", "/Patient/none", 404),
            Row("HEAD of a search", "HEAD", "/Patient?gender=male", 200, has=TYPED),
            Row("HEAD of a history", "HEAD", "/Patient/ida/_history", 200, has=TYPED),
            Row("HEAD of the statement", "HEAD", "/metadata", 200, has=TYPED),
            Row("unknown id", "GET", "/Patient/none", 404),
            Row("no id", "GET", "/Patient/not_an_id", (400, 404)),
            Row("unknown type", "GET", "/Dragon/1", 404),
            Row("a slash at the end", "GET", "/Patient/ida/", 200),
            Row("version", "GET", "/Patient/ida/_history/1", 200, has=VERSIONED),
            Row("no such version", "GET", "/Patient/ida/_history/9", 404),
            Row("no version's number", "GET", "/Patient/ida/_history/x", (400, 404)),
            Row("summary", "GET", "/Patient/ida?_summary=true", 200,
                is_=lambda b: b["meta"]["tag"][0]["code"] == "SUBSETTED"),
            Row("elements", "GET", "/Patient/ida?_elements=gender", 200,
                is_=lambda b: "name" not in b and b["gender"] == "female"),
            Row("pretty", "GET", "/Patient/ida?_pretty=true", 200, is_=lambda b: b["id"] == "ida"),
            # Conditional read (3.1.0.1.5.1).
            Row("If-None-Match, weak", "GET", "/Patient/ida", 304, headers={"If_None_Match": 'W/"1"'},
                has=VERSIONED | {"Content-Type": ""}),
            Row("If-None-Match, strong", "GET", "/Patient/ida", 304, headers={"If_None_Match": '"1"'}),
            Row("If-None-Match, of several", "GET", "/Patient/ida", 304, headers={"If_None_Match": 'W/"7", W/"1"'}),
            Row("If-None-Match *", "GET", "/Patient/ida", 304, headers={"If_None_Match": "*"}),
            Row("If-None-Match of another", "GET", "/Patient/ida", 200, headers={"If_None_Match": 'W/"7"'}),
            Row("If-None-Match of a version", "GET", "/Patient/ida/_history/1", 304,
                headers={"If_None_Match": 'W/"1"'}),
            Row("If-Modified-Since", "GET", "/Patient/ida", 304, headers={"If_Modified_Since": date}),
            Row("If-Modified-Since, before", "GET", "/Patient/ida", 200,
                headers={"If_Modified_Since": "Sat, 01 Jan 2000 00:00:00 GMT"}),
            Row("If-None-Match goes before", "GET", "/Patient/ida", 200,
                headers={"If_None_Match": 'W/"7"', "If_Modified_Since": date}),
            Row("no date is no condition", "GET", "/Patient/ida", 200, headers={"If_Modified_Since": "yesterday"}),
        ],
    )  # fmt: skip
    assert server.ask("HEAD", "/Patient/ida").content == b""
    assert "\n  " in server.ask("GET", "/Patient/ida?_pretty=true").text


def test_forms_and_versions(server: Server) -> None:
    def asked(accept: str) -> dict[str, str]:
        return {"Accept": accept}

    version = r"application/fhir\+json; fhirVersion=4\.0; ?charset=utf-8"
    new = {"resourceType": "Basic", "code": {"text": "x"}}
    go_through(
        server,
        [
            *(Row(f"Accept {each}", "GET", "/Patient/ida", 200, headers=asked(each), has=TYPED)
              for each in ("application/fhir+json", "*/*", "application/*", "application/json+fhir",
                           "application/fhir+json; charset=utf-8", "text/html, application/fhir+json;q=0.5")),
            Row("plain JSON", "GET", "/Patient/ida", 200, headers=asked("application/json"),
                has={"Content-Type": r"application/json; ?charset=utf-8"}),
            *(Row(f"Accept {each}", "GET", "/Patient/ida", 406, headers=asked(each))
              for each in ("application/fhir+xml", "text/turtle", "application/fhir+json;q=0", "image/png")),
            *(Row(f"_format={each}", "GET", f"/Patient/ida?_format={quote(each)}", 200,
                  headers=asked("application/fhir+xml"))
              for each in ("json", "application/json", "application/fhir+json", "text/json")),
            Row("a plus that became a blank", "GET", "/Patient/ida?_format=application/fhir+json", 200),
            *(Row(f"_format={each}", "GET", f"/Patient/ida?_format={quote(each)}", 406)
              for each in ("xml", "application/fhir+xml", "ttl", "text/turtle", "nonsense")),
            Row("_format in a form", "POST", "/Patient/_search", 406, b"_format=xml", {"Content_Type": FORM}),
            Row("R4 asked for", "GET", "/Patient/ida", 200, headers=asked("application/fhir+json; fhirVersion=4.0"),
                has={"Content-Type": version}),
            *(Row(f"version {each} asked for", "GET", "/Patient/ida", 406,
                  headers=asked(f"application/fhir+json; fhirVersion={each}")) for each in ("1.0", "3.0", "4.3",
                      "5.0")),
            Row("a later version, or any", "GET", "/Patient/ida", 200,
                headers=asked("application/fhir+json; fhirVersion=5.0, application/fhir+json;q=0.5")),
            Row("R4 sent", "POST", "/Basic", 201, new, {"Content_Type": f"{JSON}; fhirVersion=4.0"}),
            *(Row(f"version {each} sent", "POST", "/Basic", 415, new,
                {"Content_Type": f"{JSON}; fhirVersion={each}"})
              for each in ("3.0", "5.0")),
            *(Row(f"sent as {each}", "POST", "/Basic", 201, new, {"Content_Type": each})
              for each in (JSON, "application/json", f"{JSON}; charset=UTF-8")),
            *(Row(f"sent as {each}", "POST", "/Basic", 415, b"<Basic/>", {"Content_Type": each})
              for each in ("application/fhir+xml", "text/xml", "text/plain")),
            Row("errors have the form, too", "GET", "/Patient/none", 404, has=TYPED),
        ],
    )  # fmt: skip


def test_writing(server: Server) -> None:
    ben = {"resourceType": "Patient", "id": "ben", "name": [{"family": "Abara"}]}
    replace = [{"op": "replace", "path": "/gender", "value": "other"}]
    told = {"Prefer": "return=OperationOutcome"}
    go_through(
        server,
        [
            Row("create", "POST", "/Patient", 201, NEW, has=VERSIONED | LOCATED | TYPED,
                is_=lambda b: b["id"] and b["meta"]["versionId"] == "1"),
            Row("an id that is sent is not used", "POST", "/Basic", 201,
                {"resourceType": "Basic", "id": "mine", "code": {"text": "x"}}, is_=lambda b: b["id"] != "mine"),
            Row("minimal", "POST", "/Basic", 201, {"resourceType": "Basic", "code": {"text": "x"}},
                {"Prefer": "return=minimal"}, has=LOCATED | VERSIONED | {"Content-Length": "0"}),
            Row("OperationOutcome", "POST", "/Basic", 201, {"resourceType": "Basic", "code": {"text": "x"}}, told,
                has=LOCATED, is_=outcome),
            Row("another type", "POST", "/Observation", 400, NEW),
            Row("no JSON", "POST", "/Patient", 400, b"{"),
            Row("nothing", "POST", "/Patient", 400, b" "),
            Row("no type", "POST", "/Patient", 400, {"name": []}),
            Row("an element R4 does not know", "POST", "/Patient", (400, 422), {**NEW, "colour": "red"}),
            Row("a code that is none", "POST", "/Patient", (400, 422), {**NEW, "gender": "neither"}),
            Row("a date that is none", "POST", "/Patient", (400, 422), {**NEW, "birthDate": "1952-13-01"}),
            Row("an element that must be there", "POST", "/Observation", (400, 422),
                {"resourceType": "Observation"}),
            Row("an empty list", "POST", "/Patient", (400, 422), {**NEW, "contact": []}),
            Row("two of one choice", "POST", "/Patient", 400,
                {**NEW, "deceasedBoolean": False, "deceasedDateTime": "2024"}, is_=at_place("Patient")),
            Row("two of one choice, within", "POST", "/Observation", 400,
                {**WARD[6], "component": [{"code": coded("x"), "valueInteger": 1, "valueString": "1"}]},
                is_=at_place("Observation.component[0]")),
            Row("an extension without a url", "POST", "/Patient", 400,
                {**NEW, "name": [{"family": "New", "extension": [{"valueString": "x"}]}]},
                is_=at_place("Patient.name[0].extension[0]")),
            Row("of a patient who is not there", "POST", "/Observation", 422,
                {**WARD[6], "subject": {"reference": "Patient/nobody"}}, is_=at_place("Observation")),
            Row("unknown type", "POST", "/Dragon", 404, {"resourceType": "Dragon"}),
            # Conditional create
            Row("one meets it", "POST", "/Patient", 200, NEW, {"If_None_Exist": "identifier=urn:x|n"},
                has=VERSIONED),
            Row("none meets it", "POST", "/Patient", 201,
                {**NEW, "identifier": [{"system": "urn:x", "value": "m"}]},
                    {"If_None_Exist": "identifier=urn:x|m"}),
            *(Row("sent as the search's address", "POST", "/Patient", 200, NEW,
                  {"If_None_Exist": f"{each}identifier=urn:x|n"})
              for each in ("?", "Patient?", "/Patient?", f"{server.base}/Patient?")),
            Row("of another type", "POST", "/Patient", 400, NEW, {"If_None_Exist": "Group?identifier=urn:x|n"}),
            Row("several meet it", "POST", "/Observation", 412, WARD[6], {"If_None_Exist": "code=718-7"}),
            Row("what no search means", "POST", "/Patient", 400, NEW, {"If_None_Exist": "colour=red"}),
            # Update
            Row("update", "PUT", "/Patient/ben", 200, ben, has=VERSIONED,
                is_=lambda b: b["meta"]["versionId"] == "2"),
            Row("update creates", "PUT", "/Basic/own-id.1", 201,
                {"resourceType": "Basic", "id": "own-id.1", "code": {"text": "x"}}, has=LOCATED | VERSIONED),
            Row("another id", "PUT", "/Patient/ben", 400, {**ben, "id": "ida"}),
            Row("no id", "PUT", "/Patient/ben", 400, {"resourceType": "Patient"}),
            Row("what cannot be an id", "PUT", "/Patient/not_an_id", 400, {**ben, "id": "not_an_id"}),
            Row("an id too long", "PUT", f"/Patient/{'a' * 65}", 400, {**ben, "id": "a" * 65}),
            Row("another type", "PUT", "/Patient/ben", 400, {"resourceType": "Basic", "id": "ben", "code": {}}),
            *(Row(f"If-Match {each}", "PUT", "/Patient/ben", status, {**ben, "active": number % 2 == 0},
                  {"If_Match": each})
              for number, (each, status) in enumerate(
                  (('W/"2"', 200), ('"3"', 200), ('W/"1", W/"4"', 200), ('W/"1", "2"', 412), ('W/"1"', 412),
                   ("*", 200), ('W/"other"', 412), ("5", 400), ('W/"5", junk', 400)))),
            Row("If-Match of what is not there", "PUT", "/Patient/none", 412, {**ben, "id": "none"},
                {"If_Match": 'W/"1"'}),
            Row("If-None-Match * of what is there", "PUT", "/Patient/ben", 412, ben, {"If_None_Match": "*"}),
            # Conditional update
            Row("one meets it", "PUT", "/Patient?identifier=urn:x|n", 200, {**NEW, "active": True}),
            Row("none meets it", "PUT", "/Patient?identifier=urn:x|o", 201,
                {**NEW, "identifier": [{"system": "urn:x", "value": "o"}]}, has=LOCATED),
            Row("several meet it", "PUT", "/Observation?code=718-7", 412, {**WARD[6], "id": None} | {}),
            Row("no condition", "PUT", "/Patient", 400, NEW),
            # Patch
            Row("patch", "PATCH", "/Patient/ben", 200, [{"op": "add", "path": "/gender", "value": "male"}],
                {"Content_Type": PATCH}, has=VERSIONED, is_=lambda b: b["gender"] == "male"),
            Row("patch of what is not there", "PATCH", "/Patient/none", 404, replace, {"Content_Type": PATCH}),
            Row("a test that fails", "PATCH", "/Patient/ben", 422,
                [{"op": "test", "path": "/gender", "value": "female"}], {"Content_Type": PATCH}),
            Row("a place that is not there", "PATCH", "/Patient/ben", 422,
                [{"op": "replace", "path": "/photo/0", "value": {}}], {"Content_Type": PATCH}),
            Row("what would not be valid", "PATCH", "/Patient/ben", (400, 422),
                [{"op": "replace", "path": "/gender", "value": "neither"}], {"Content_Type": PATCH}),
            Row("no patch", "PATCH", "/Patient/ben", 400, {"op": "replace"}, {"Content_Type": PATCH}),
            Row("another form", "PATCH", "/Patient/ben", 415, replace, {"Content_Type": "application/xml"}),
            Row("If-Match of before", "PATCH", "/Patient/ben", 412, replace,
                {"Content_Type": PATCH, "If_Match": 'W/"1"'}),
            Row("by a condition", "PATCH", "/Patient?identifier=urn:x|o", 200,
                [{"op": "add", "path": "/gender", "value": "other"}], {"Content_Type": PATCH}),
            # Delete
            Row("delete", "DELETE", "/Basic/own-id.1", (200, 204)),
            Row("deleted", "GET", "/Basic/own-id.1", 410),
            Row("its version says so", "GET", "/Basic/own-id.1/_history/2", 410),
            Row("the version before", "GET", "/Basic/own-id.1/_history/1", 200),
            Row("deleted again", "DELETE", "/Basic/own-id.1", (200, 204)),
            Row("deleted, in words", "DELETE", "/Basic/own-id.1", 200, headers=told, is_=outcome),
            Row("what never was", "DELETE", "/Basic/never", (200, 204, 404)),
            Row("not found any more", "GET", "/Basic?_id=own-id.1", 200, is_=ids()),
            Row("brought back", "PUT", "/Basic/own-id.1", 201,
                {"resourceType": "Basic", "id": "own-id.1", "code": {"text": "y"}},
                is_=lambda b: b["meta"]["versionId"] == "3"),
            Row("by a condition", "DELETE", "/Patient?identifier=urn:x|o", (200, 204)),
            Row("none meets it", "DELETE", "/Patient?identifier=urn:x|zz", (200, 204, 404)),
            Row("several meet it", "DELETE", "/Observation?code=718-7", 412),
            Row("no condition", "DELETE", "/Patient", (400, 405, 412)),
            # Methods
            Row("no method here", "POST", "/Patient/ida", 405, NEW, has={"Allow": ".*GET.*"}),
            Row("the statement is only read", "POST", "/metadata", 405, NEW, has={"Allow": ".*GET.*"}),
            Row("a history is only read", "POST", "/Patient/ida/_history", 405, NEW, has={"Allow": ".*GET.*"}),
            Row("OPTIONS", "OPTIONS", "/Patient", 200, has={"Allow": ".*POST.*"}),
        ],
    )  # fmt: skip


def test_history(server: Server) -> None:
    for gender in ("male", "other"):
        server.ask("PUT", "/Patient/ben", {**WARD[1], "gender": gender, "active": gender == "other"})
    server.ask("DELETE", "/Patient/ben")

    def history(*methods: str, total: int | None = None) -> Check:
        return lambda b: (
            b["type"] == "history"
            and [each["request"]["method"] for each in b.get("entry", [])] == list(methods)
            and all(each["fullUrl"] and each["response"]["status"] for each in b.get("entry", []))
            and all("resource" in each for each in b.get("entry", []) if each["request"]["method"] != "DELETE")
            and (total is None or b["total"] == total)
        )

    then = server.ask("GET", "/Patient/ben/_history/2").json()["meta"]["lastUpdated"]
    whole = ("DELETE", "PUT", "PUT", "POST")
    go_through(
        server,
        [
            Row("of one, also deleted", "GET", "/Patient/ben/_history", 200, has=TYPED, is_=history(*whole,
                total=4)),
            Row("a page", "GET", "/Patient/ben/_history?_count=1", 200, is_=history("DELETE", total=4)),
            Row("counted", "GET", "/Patient/ben/_history?_count=0", 200, is_=history(total=4)),
            Row("counted", "GET", "/Patient/ben/_history?_summary=count", 200, is_=history(total=4)),
            Row("since", "GET", f"/Patient/ben/_history?_since={quote(then)}", 200,
                is_=history("DELETE", "PUT", "PUT", total=3)),
            Row("what is to come", "GET", "/Patient/ben/_history?_since=2999-01-01", 200, is_=history(total=0)),
            Row("at", "GET", f"/Patient/ben/_history?_at={quote(then)}", 200),
            Row("no time", "GET", "/Patient/ben/_history?_since=soon", 400),
            Row("of what is not there", "GET", "/Patient/none/_history", 404),
            Row("of a type", "GET", "/Condition/_history", 200, is_=history("POST", total=1)),
            Row("of a type, counted", "GET", "/Patient/_history?_count=1&_total=accurate", 200,
                is_=history("DELETE", total=5)),
            Row("of everything", "GET", "/_history?_count=2", 200, is_=lambda b: len(b["entry"]) == 2),
            Row("cut", "GET", "/Patient/ben/_history?_elements=gender", 200,
                is_=lambda b: all(set(each["resource"]) == {"resourceType", "id", "meta", "gender"}
                                  for each in b["entry"] if "resource" in each)),
            Row("in summary", "GET", "/Condition/_history?_summary=text", 200,
                is_=lambda b: b["entry"][0]["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"),
        ],
    )  # fmt: skip
    seen, url = [], f"{server.base}/Patient/_history?_count=2"
    while url:
        page = server.ask("GET", url).json()
        seen += [(each["fullUrl"], each["response"]["etag"]) for each in page["entry"]]
        url = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")
        last = page
    assert len(seen) == len(set(seen)) == 5
    # And back again: each page is met once more, up to the first.
    page, back = last, [entry["response"]["etag"] for entry in last["entry"]]
    while url := next((each["url"] for each in page["link"] if each["relation"] == "previous"), ""):
        page = server.ask("GET", url).json()
        back = [*(entry["response"]["etag"] for entry in page["entry"]), *back]
        assert [each for each in page["link"] if each["relation"] == "next"]
    assert back == [etag for _, etag in seen]
    for name in ("_page", "_before"):
        assert server.ask("GET", f"/Patient/_history?{name}=x").status_code == 400


def test_searching(server: Server) -> None:
    labs = ("lab1", "lab2", "lab3")
    rows = [
        (f"Observation?patient=ida&category={CATEGORY}|laboratory", labs),
        ("Observation?patient=Patient/ida&code=718-7&date=ge2024-01-02", ("lab2", "lab3")),
        ("Observation?subject=Patient/ida&date=gt2024-01-01&date=lt2024-01-03", ("lab2",)),
        ("Observation?patient=ida&code=http://loinc.org|718-7,http://loinc.org|0-0", labs),
        ("Observation?patient=ida&status=final,amended", labs),
        ("Observation?value-quantity=gt11|http://unitsofmeasure.org|g/dL", ("lab2", "lab3")),
        ("Observation?encounter=visit&_count=10", labs),
        ("Observation?patient.name=marsh", labs),
        ("Observation?subject:Patient.identifier=urn:mrn|1", labs),
        ("Observation?_id=lab1,lab3", ("lab1", "lab3")),
        ("Observation?subject:identifier=urn:logical|lab1", ("lab1",)),
        ("Observation?patient:identifier=urn:logical|lab2", ("lab2",)),
        ("Observation?patient:identifier=urn:logical%7Clab2%2Curn:logical%7Clab3", ("lab2", "lab3")),
        ("Patient?identifier=urn:comma%5C%2C%7Ca%5C%7Cb%5C%24", ("ben",)),
        ("Patient?_has:Observation:patient:_has:Provenance:target:recorded=2024-01-02T08:00:00Z", ("ida",)),
        ("Observation?code:not=718-7", ()),
        ("Observation?performer:missing=true", labs),
        ("Patient?_id=ida", ("ida",)),
        ("Patient?identifier=urn:mrn|1", ("ida",)),
        ("Patient?family=mar&gender=female", ("ida",)),
        ("Patient?birthdate=1952-03-09&name=ida", ("ida",)),
        ("Patient?birthdate=lt1960", ("ida",)),
        ("Patient?name:exact=Marsh", ("ida",)),
        ("Patient?name:contains=ars", ("ida",)),
        ("Patient?address-city=quincy&address-postalcode=02169", ("ida",)),
        ("Patient?_has:Observation:patient:code=718-7", ("ida",)),
        ("Patient?_lastUpdated=gt2020-01-01&gender=male", ("ben",)),
        ("Condition?patient=ida&category=problem-list-item", ("asthma",)),
        (f"Condition?patient=ida&clinical-status={CLINICAL}|active", ("asthma",)),
        ("Condition?patient=ida&onset-date=2020-02", ("asthma",)),
        ("AllergyIntolerance?patient=ida&clinical-status=active", ("nuts",)),
        ("Immunization?patient=ida&date=2023-10-01&status=completed", ("flu",)),
        ("Procedure?patient=ida&date=ge2024-01-02&status=completed", ("op",)),
        ("Encounter?patient=ida&date=2024-01", ("visit",)),
        ("Encounter?patient=ida&class=AMB&type=http://snomed.info/sct|185349003", ("visit",)),
        ("DiagnosticReport?patient=ida&category=LAB&date=2024-01-02", ("report",)),
        ("MedicationRequest?patient=ida&intent=order&status=active", ("order",)),
        ("MedicationRequest?patient=ida&intent=order&authoredon=2024-01-02", ("order",)),
        ("Goal?patient=ida&lifecycle-status=active&target-date=2024-06-01", ("goal",)),
        ("CarePlan?patient=ida&category=assess-plan&status=active", ("plan",)),
        ("CareTeam?patient=ida&status=active", ("team",)),
        ("Device?patient=ida&type=43770009", ("pump",)),
        ("DocumentReference?patient=ida&type=http://loinc.org|34133-9&period=ge2024-01-01", ("doc",)),
        ("DocumentReference?patient=ida&category=clinical-note&date=2024-01-03", ("doc",)),
        ("Provenance?target=Observation/lab1", ("prov",)),
        ("Organization?name=north", ("org",)),
        ("Patient/ida/Condition", ("asthma",)),
        ("Encounter/visit/Observation", labs),
        ("Patient?colour=red&gender=male", ("ben",)),
        ("Patient?gender=&birthdate=1952-03-09", ("ida",)),
        ("Observation?patient=nobody", ()),
    ]  # fmt: skip
    go_through(server, [Row(path, "GET", f"/{path}", 200, has=TYPED, is_=ids(*found)) for path, found in rows])

    def form(text: str) -> dict[str, Any]:
        return {"body": text.encode(), "headers": {"Content_Type": FORM}}

    def order(*wanted: str) -> Check:
        return lambda b: [each["resource"]["id"] for each in b["entry"]] == list(wanted)

    strict = {"Prefer": "handling=strict"}
    go_through(
        server,
        [
            Row("by POST", "POST", "/Patient/_search", 200, **form("gender=male"), is_=ids("ben")),
            Row("by both", "POST", "/Patient/_search?gender=female", 200, **form("family=marsh"), is_=ids("ida")),
            Row("by GET", "GET", "/Patient/_search?gender=male", 200, is_=ids("ben")),
            Row("POST of an empty form", "POST", "/Organization/_search", 200, **form(""), is_=ids("org")),
            Row("a form that is none", "POST", "/Patient/_search", 415, {"gender": "male"}),
            Row("included", "GET", "/MedicationRequest?patient=ida&_include=MedicationRequest:medication", 200,
                is_=also("aspirin")),
            Row("included twice", "GET", "/MedicationRequest?_include=MedicationRequest:requester"
                "&_include=MedicationRequest:patient", 200, is_=also("dr", "ida")),
            Row("reverse", "GET", "/Observation?_id=lab1&_revinclude=Provenance:target", 200, is_=also("prov")),
            Row("on and on", "GET", "/Provenance?_include=Provenance:target&_include:iterate=Observation:patient",
                200,
                is_=also("lab1", "ida")),
            Row("sorted", "GET", "/Observation?_sort=-date", 200, is_=order("lab3", "lab2", "lab1")),
            Row("sorted by a code", "GET", "/Patient?_sort=gender", 200, is_=order("ida", "ben")),
            Row("sorted by a reference", "GET", "/Observation?_sort=subject,-date", 200,
                is_=order("lab3", "lab2", "lab1")),
            Row("sorted by several", "GET", "/Patient?_sort=-gender,family", 200, is_=order("ben", "ida")),
            Row("counted", "GET", "/Observation?_summary=count", 200,
                is_=lambda b: b["total"] == 3 and "entry" not in b),
            Row("nothing but the number", "GET", "/Observation?_count=0", 200, is_=lambda b: b["total"] == 3),
            Row("the number beside a page", "GET", "/Observation?_count=1&_total=accurate", 200,
                is_=lambda b: b["total"] == 3 and len(b["entry"]) == 1),
            Row("no number", "GET", "/Observation?_total=none", 200, is_=lambda b: "total" not in b),
            Row("only some elements", "GET", "/Observation?_elements=status", 200,
                is_=lambda b: all("subject" not in each["resource"] for each in b["entry"])),
            Row("the self link says what was done", "GET", "/Patient?colour=red&gender=male", 200,
                is_=lambda b: b["link"][0]["url"].endswith("/Patient?gender=male")),
            Row("what is not known is told", "GET", "/Patient?colour=red", 200,
                is_=lambda b: b["entry"][-1]["search"]["mode"] == "outcome"),
            Row("strict", "GET", "/Patient?colour=red", 400, headers=strict),
            Row("strict, and known", "GET", "/Patient?gender=male", 200, headers=strict),
            Row("a date that is none", "GET", "/Patient?birthdate=someday", 400),
            Row("a prefix that is none", "GET", "/Observation?date=zz2024", 400),
            Row("a number that is none", "GET", "/Observation?value-quantity=much", 400),
            Row("a modifier that is none", "GET", "/Patient?gender:exactly=male", 400),
            Row("a chain over what is no reference", "GET", "/Patient?gender.name=x", 400),
            Row("unknown type", "GET", "/Dragon?x=1", 404),
            Row("everything of a patient", "GET", "/Patient/ida/$everything?_count=100", 200,
                is_=lambda b: {"ida", "lab1", "asthma", "dr"} <= {e["resource"]["id"] for e in b["entry"]}),
            Row("of several types", "GET", "?_type=Patient,Condition&_lastUpdated=gt2020", 200,
                is_=ids("ida", "ben", "asthma")),
            Row("validated", "POST", "/Patient/$validate", 200, NEW, is_=outcome),
            Row("found wanting", "POST", "/Patient/$validate", 200, {**NEW, "gender": "neither"},
                is_=lambda b: any(each["severity"] == "error" for each in b["issue"])),
            *(Row("an operation that is not here", method, path, 404,
                  {"resourceType": "Parameters"} if method == "POST" else None,
                  is_=lambda b: b["issue"][0]["code"] == "not-supported"
                  and "There is no operation" in b["issue"][0]["diagnostics"])
              for path in ("/$nonsense", "/Patient/$nonsense", "/Patient/ida/$nonsense", "/CodeSystem/$lookup",
                           "/ValueSet/x/$expand", "/ConceptMap/$translate", "/Composition/x/$document",
                           "/Patient/ida/$graphql")
              for method in ("GET", "POST")),
        ],
    )  # fmt: skip
    for sort in ("", "&_sort=-date", "&_sort=code", "&_sort=patient,date"):
        seen, url = [], f"{server.base}/Observation?_count=1{sort}"
        while url:
            page = server.ask("GET", url).json()
            seen += [each["resource"]["id"] for each in page["entry"]]
            url = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")
        assert sorted(seen) == ["lab1", "lab2", "lab3"], sort


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: Json | None = None, **more: str) -> Json:
    made: Json = {"request": {"method": method, "url": url, **more}}
    return made | ({"resource": resource} if resource else {})


def statuses(*wanted: str) -> Check:
    return lambda b: (
        b["type"].endswith("-response")
        and [each["response"]["status"][:3] for each in b["entry"]] == list(wanted)
    )  # fmt: skip


def test_batches_and_transactions(server: Server) -> None:
    basic = {"resourceType": "Basic", "code": {"text": "x"}}
    urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    linked = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": urn},
    }
    at = server.ask("GET", "/Patient/ida").json()["meta"]["lastUpdated"]
    mixed = bundle(
        "batch",
        entry("GET", "Patient/ida"),
        entry("POST", "Basic", basic),
        entry("GET", "Patient/none"),
        entry("PUT", "Patient/not_an_id", {**WARD[1], "id": "not_an_id"}),
        entry("GET", "Patient?gender=male"),
        entry("GET", "Patient/ida", ifNoneMatch='W/"1"'),
        entry("GET", "Patient/ida", ifModifiedSince=at),
        entry("GET", "Patient/ida", ifModifiedSince="2000-01-01T00:00:00Z"),
        entry("PUT", "Patient/ben", WARD[1], ifMatch='W/"7"'),
        entry("PUT", "Patient/ben", {**WARD[1], "active": True}, ifMatch='W/"7", W/"1"'),
        entry("DELETE", "Basic/never"),
        entry("POST", "Patient", WARD[0], ifNoneExist="identifier=urn:mrn|1"),
        entry("GET", "metadata"),
        entry("GET", "Dragon/1"),
    )
    done = bundle(
        "transaction",
        {"fullUrl": urn, **entry("POST", "Patient", NEW)},
        entry("POST", "Observation", linked),
        entry("GET", "Patient?identifier=urn:x|n"),
    )
    undone = bundle(
        "transaction", entry("POST", "Basic", basic), entry("POST", "Patient", {**NEW, "colour": "red"})
    )
    go_through(
        server,
        [
            Row("each by itself", "POST", "", 200, mixed, has=TYPED, is_=statuses(
                "200", "201", "404", "400", "200", "304", "304", "200", "412", "200", "204", "200", "200", "404")),
            Row("the errors are told", "POST", "", 200, bundle("batch", entry("GET", "Patient/none")),
                is_=lambda b: outcome(b["entry"][0]["response"]["outcome"])),
            Row("with the resources", "POST", "", 200, bundle("batch", entry("POST", "Basic", basic)),
                {"Prefer": "return=representation"}, is_=lambda b: b["entry"][0]["resource"]["id"]),
            Row("without them", "POST", "", 200, bundle("batch", entry("POST", "Basic", basic)),
                {"Prefer": "return=minimal"}, is_=lambda b: "resource" not in b["entry"][0]),
            Row("in words", "POST", "", 200, bundle("batch", entry("POST", "Basic", basic), entry("DELETE",
                "Basic/no")),
                {"Prefer": "return=OperationOutcome"},
                is_=lambda b: all(outcome(each["response"]["outcome"]) for each in b["entry"])),
            Row("in words, of a transaction", "POST", "", 200, bundle("transaction", entry("POST", "Basic", basic)),
                {"Prefer": "return=OperationOutcome"}, is_=lambda b: outcome(b["entry"][0]["response"]["outcome"])),
            Row("a transaction with references", "POST", "", 200, done, is_=statuses("201", "201", "200")),
            Row("they lead to what was made", "GET", "/Observation?patient.identifier=urn:x|n", 200,
                is_=lambda b: len(b["entry"]) == 1),
            Row("all or nothing", "POST", "", (400, 422), undone),
            Row("nothing", "POST", "", 200, bundle("transaction"),
                is_=lambda b: b["type"] == "transaction-response"),
            Row("an empty batch", "POST", "", 200, bundle("batch"), is_=lambda b: b["type"] == "batch-response"),
            Row("another kind of Bundle", "POST", "", 400, bundle("collection", entry("GET", "Patient/ida"))),
            Row("no Bundle", "POST", "", 400, NEW),
            Row("no request", "POST", "", 400, bundle("transaction", {"resource": NEW})),
            Row("a method that is none", "POST", "", 400, bundle("transaction", entry("BREW", "Patient"))),
            Row("two of one fullUrl", "POST", "", 400,
                bundle("transaction", *({"fullUrl": urn, **entry("POST", "Patient", NEW)} for _ in range(2))),
                is_=at_place("Bundle.entry[1].fullUrl")),
            Row("another id", "POST", "", 400, bundle("transaction", entry("GET", "metadata"),
                entry("PUT", "Patient/ben", WARD[0])), is_=at_place("Bundle.entry[1].resource.id")),
            Row("what is not R4", "POST", "", 400, bundle("transaction", entry("POST", "Basic", basic),
                entry("POST", "Observation", {**linked, "subject": IDA, "status": "done"})),
                is_=at_place("Bundle.entry[1].resource.status")),
            Row("a version before", "POST", "", 412, bundle("transaction", entry("POST", "Basic", basic),
                entry("PUT", "Patient/ida", WARD[0], ifMatch='W/"9"')), is_=at_place("Bundle.entry[1]")),
            Row("a condition none meets", "POST", "", 412, bundle("transaction", entry("POST", "Observation",
                {**linked, "subject": {"reference": "Patient?identifier=urn:mrn|none"}})),
                is_=at_place("Bundle.entry[0]")),
            Row("two write one", "POST", "", 400,
                bundle("transaction", entry("PUT", "Patient/ben", WARD[1]), entry("DELETE", "Patient/ben"))),
            Row("a reference to nothing", "POST", "", 400, bundle("transaction", entry("POST", "Observation",
                linked))),
            Row("a condition several meet", "POST", "", 412,
                bundle("transaction", entry("POST", "Observation", WARD[6], ifNoneExist="code=718-7"))),
        ],
    )  # fmt: skip
    assert server.ask("GET", "/Basic?_summary=count").json()["total"] == 5


def test_tags_labels_and_profiles_apart(server: Server) -> None:
    tag, other = {"system": "urn:t", "code": "x"}, {"system": "urn:t", "code": "y"}

    def given(**meta: Any) -> Json:
        return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}

    def told(version: str, **meta: Any) -> Check:
        def check(body: Any) -> bool:
            (found,) = body["parameter"]
            left = {name: value for name, value in found["valueMeta"].items() if name != "lastUpdated"}
            return bool(found["name"] == "return" and left == {"versionId": version, **meta})

        return check

    go_through(
        server,
        [
            Row("as it is", "GET", "/Basic/b/$meta", 404),
            Row("new", "PUT", "/Basic/b", 201, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}),
            Row("none", "GET", "/Basic/b/$meta", 200, is_=told("1"), has=VERSIONED),
            Row("added", "POST", "/Basic/b/$meta-add", 200, given(tag=[tag, other], profile=["urn:p"]),
                is_=told("2", tag=[tag, other], profile=["urn:p"]), has=VERSIONED),
            Row("again", "POST", "/Basic/b/$meta-add", 200, given(tag=[{**tag, "display": "X"}]),
                is_=told("2", tag=[tag, other], profile=["urn:p"])),
            Row("found", "GET", "/Basic?_tag=urn:t|x&_profile=urn:p", 200, is_=ids("b")),
            Row("taken away", "POST", "/Basic/b/$meta-delete", 200, given(tag=[tag], security=[tag]),
                is_=told("3", tag=[other], profile=["urn:p"])),
            Row("not found any more", "GET", "/Basic?_tag=urn:t|x", 200, is_=ids()),
            Row("with the resource", "GET", "/Basic/b", 200, is_=lambda b: b["meta"]["tag"] == [other]),
            Row("of before", "POST", "/Basic/b/$meta-add", 412, given(tag=[tag]), {"If_Match": 'W/"1"'}),
            Row("no meta", "POST", "/Basic/b/$meta-add", 400, {"resourceType": "Parameters"}),
            Row("no list", "POST", "/Basic/b/$meta-add", 400, given(tag=tag)),
            Row("no Parameters", "POST", "/Basic/b/$meta-add", 400, WARD[0]),
            Row("by GET", "GET", "/Basic/b/$meta-add", 405, has={"Allow": ".*POST.*"}),
            Row("not there", "POST", "/Basic/none/$meta-delete", 404, given(tag=[tag])),
        ],
    )  # fmt: skip


def test_the_statement_and_discovery(server: Server) -> None:
    statement = server.ask("GET", "/metadata", Authorization="").json()
    assert statement["fhirVersion"] == "4.0.1" and statement["kind"] == "instance"
    rest = statement["rest"][0]
    kinds = {each["type"]: each for each in rest["resource"]}
    assert {"patch", "vread", "history-instance"} <= {each["code"] for each in kinds["Patient"]["interaction"]}
    assert kinds["Patient"]["conditionalRead"] == "full-support" and kinds["Patient"]["updateCreate"] is True
    # What it says of searches is so.
    go_through(
        server,
        [
            Row(
                f"{kind}?{each['name']}:missing=false", "GET", f"/{kind}?{each['name']}:missing=false&_count=1", 200
            )
            for kind in ("Patient", "Observation", "Encounter", "MedicationRequest")
            for each in kinds[kind]["searchParam"]
            if each["type"] not in ("composite", "special") and each["name"] not in ("_list", "_content", "_text")
        ],
    )
    assert statement["instantiates"] == ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"]
    for kind in ("Patient", "Group"):
        found = {each["name"]: each["definition"] for each in kinds[kind]["operation"]}
        assert found["export"] == f"http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{kind.lower()}-export"
        assert {"validate", "meta", "meta-add", "meta-delete"} <= set(found)
    assert any(each["name"] == "export" for each in rest["operation"])
    smart = server.ask("GET", "/.well-known/smart-configuration", Authorization="").json()
    assert {"client-confidential-asymmetric", "permission-v2"} <= set(smart["capabilities"])
    assert smart["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert {"RS384", "ES384"} <= set(smart["token_endpoint_auth_signing_alg_values_supported"])
    nobody, wrong = {"Authorization": ""}, {"Authorization": "Bearer wrong"}
    go_through(
        server,
        [
            Row("nobody", "GET", "/Patient/ida", 401, headers=nobody, has={"WWW-Authenticate": "Bearer"}),
            Row("nobody", "GET", "/Patient?_id=ida", 401, headers=nobody),
            Row("nobody", "POST", "/Patient", 401, NEW, nobody),
            Row(
                "another's token", "GET", "/Patient/ida", 401, headers=wrong, has={"WWW-Authenticate": "Bearer .*"}
            ),
            Row("for all to read", "GET", "/metadata", 200, headers=nobody, has=TYPED),
            Row("in its summary", "GET", "/metadata?_format=json", 200, headers=nobody),
        ],
    )
    for form, error in (
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_assertion_type": "none"}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "system/*.read", "client_assertion": "no.jwt.here",
          "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "invalid_client"),
    ):  # fmt: skip
        answer = requests.post(smart["token_endpoint"], data=form, timeout=30)
        assert answer.status_code in (400, 401) and answer.json()["error"] == error


def test_bulk_exports(server: Server) -> None:
    begun = {"Prefer": "respond-async", "Accept": JSON}
    go_through(
        server,
        [
            Row("only in the background", "GET", "/Patient/$export", 400),
            Row("nobody", "GET", "/Patient/$export", 401, headers={**begun, "Authorization": ""}),
            Row("a type that is none", "GET", "/Patient/$export?_type=Dragon", 400, headers=begun),
            Row("another form", "GET", "/Patient/$export?_outputFormat=text/csv", 400, headers=begun),
            Row("no time", "GET", "/Patient/$export?_since=soon", 400, headers=begun),
            *(Row("time to come", method, f"/{path}$export{query}", 400, body, headers=begun)
              for path in ("", "Patient/", "Group/group/")
              for method, query, body in (
                  ("GET", "?_since=2999-01-01T00:00:00%2B05:00", None),
                  ("POST", "", {"resourceType": "Parameters",
                                "parameter": [{"name": "_since", "valueInstant": "2999-01-01T00:00:00Z"}]}))),
            Row("a patient of everybody", "GET", "/$export?patient=Patient/ida", 400, headers=begun),
            Row("what is not served", "GET", "/$export?includeAssociatedData=LatestProvenanceResources", 400,
                headers=begun),
            Row("no group", "GET", "/Group/none/$export", 404, headers=begun),
        ],
    )  # fmt: skip
    for form in ("application/fhir+ndjson", "application/ndjson", "ndjson"):
        asked = server.ask("GET", f"/$export?_type=Basic&_outputFormat={quote(form)}", **begun)
        assert asked.status_code == 202, form
        assert server.ask("DELETE", asked.headers["Content-Location"]).status_code == 202
    for path in ("/$export", "/Patient/$export?_type=Observation,Patient", "/Group/group/$export"):
        asked = server.ask("GET", path, **begun)
        assert asked.status_code == 202, asked.text
        status = asked.headers["Content-Location"]
        running = server.ask("GET", status)
        assert running.status_code == 202 and running.headers["X-Progress"] and running.headers["Retry-After"]
        run_export(UUID(status.rpartition("/")[2]), lambda *_: None)
        told = server.ask("GET", status)
        manifest = told.json()
        assert told.status_code == 200 and told.headers["Content-Type"] == "application/json"
        assert {"transactionTime", "request", "requiresAccessToken", "output", "error"} <= set(manifest)
        kinds = {each["type"] for each in manifest["output"]}
        assert {"Observation", "Patient"} <= kinds and manifest["requiresAccessToken"] is True
        for each in manifest["output"]:
            lines = server.ask("GET", each["url"], Accept="application/fhir+ndjson")
            assert lines.headers["Content-Type"] == "application/fhir+ndjson"
            assert len(lines.text.splitlines()) == each["count"]
            assert server.ask("GET", each["url"], Authorization="").status_code == 401
        assert server.ask("DELETE", status).status_code == 202
        assert server.ask("GET", status).status_code == 404


def test_what_an_export_passed_over_is_in_its_manifest(server: Server) -> None:
    asked = server.ask(
        "GET",
        "/$export?_type=Basic,Patient&includeAssociatedData=LatestProvenanceResources&colour=red",
        Prefer="respond-async, handling=lenient",
    )
    status = asked.headers["Content-Location"]
    run_export(UUID(status.rpartition("/")[2]), lambda *_: None)
    manifest = server.ask("GET", status).json()
    (error,) = manifest["error"]
    assert error["type"] == "OperationOutcome" and error["count"] == 2
    lines = server.ask("GET", error["url"], Accept="application/fhir+ndjson")
    assert lines.headers["Content-Type"] == "application/fhir+ndjson"
    told = [json.loads(line) for line in lines.text.splitlines()]
    assert all(map(outcome, told))
    assert "includeAssociatedData" in str(told[0]) and "colour" in str(told[1])
    assert server.ask("GET", error["url"], Authorization="").status_code == 401
    (file,) = manifest["output"]
    assert file["type"] == "Patient" and server.ask("GET", file["url"]).status_code == 200
    assert server.ask("DELETE", status).status_code == 202
    for each in (error, file):
        gone = server.ask("GET", each["url"])
        assert gone.status_code == 404 and outcome(gone.json())
