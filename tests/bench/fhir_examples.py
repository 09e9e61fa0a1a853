"""HL7's official R4 examples into the API and out again.

    python tests/bench/fhir_examples.py FOLDER [TYPE …]

FOLDER holds one resource a JSON file, as the npm package ``hl7.fhir.r4.examples`` (CC0) has them. Each is put under
its own id, patients first, and read again; what comes out must be what went in, decimals as they were written.
Whatever is refused is listed by its reason, and the last line is JSON: ``examples``, ``equal``, ``refused``,
``hidden`` (by a label that the client may not see), ``unequal``. Exits with 1 where something came out otherwise
than it went in, or was refused by a fault of the server (5xx).
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from charthouse.foundation.bootstrap import configure_django

_FIRST = ("Organization", "Practitioner", "Location", "Patient", "Encounter")
_OURS = {"versionId", "lastUpdated"}


def exact(data: bytes) -> Any:
    """JSON with each decimal as it is written."""
    return json.loads(data, parse_float=str)


def plain(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without the version and time of the record, and without blanks in base64."""
    resource = unbroken(resource)
    meta = {name: each for name, each in resource.get("meta", {}).items() if name not in _OURS}
    rest = {name: value for name, value in resource.items() if name != "meta"}
    return {**rest, "meta": meta} if meta else rest


def unbroken(value: Any) -> Any:
    """A value whose base64 stands on one line."""
    if isinstance(value, list):
        return [unbroken(each) for each in value]
    if not isinstance(value, dict):
        return value
    told = {name: unbroken(each) for name, each in value.items()}
    if isinstance(data := told.get("data"), str):
        told["data"] = "".join(data.split())
    return told


def files(folder: Path, types: set[str]) -> list[tuple[Path, str]]:
    """The examples with their types: who others are about first."""
    found = []
    for path in folder.glob("*.json"):
        kind = path.name.partition("-")[0]
        if kind[:1].isupper() and (not types or kind in types):
            found.append((path, kind))
    return sorted(found, key=lambda pair: (_FIRST.index(pair[1]) if pair[1] in _FIRST else 9, pair[0].name))


def main(folder: Path, types: set[str]) -> bool:
    """Try all; whether all that was taken came out as it went in."""
    configure_django()
    from charthouse.fhir.bench.site import InProcess, new_token
    from charthouse.foundation.database.scratch import scratch_database

    refused: dict[tuple[int, str], list[str]] = defaultdict(list)
    unequal: list[str] = []
    hidden: list[str] = []
    equal = 0
    with scratch_database("examples"):
        api = InProcess(new_token())
        listed = files(folder, types)
        for path, kind in listed:
            data = path.read_bytes()
            number = exact(data).get("id")
            if number is None:
                status, body = api.ask("POST", f"/fhir/{kind}", data)
                number = exact(body).get("id") if status == 201 else None
                data = json.dumps({**json.loads(data, parse_float=str), "id": number}).encode()
            else:
                status, body = api.ask("PUT", f"/fhir/{kind}/{number}", data)
            if status not in (200, 201):
                issues = exact(body).get("issue", [{}])
                said = str(issues[0].get("diagnostics"))
                reason = re.sub(r"'[^']*'|\"[^\"]*\"|[A-Z][a-z]+/[\w.-]+", "…", said)
                refused[(status, reason[:160])].append(f"{path.name}: {said[:200]} {issues[0].get('expression')}")
                continue
            status, body = api.ask("GET", f"/fhir/{kind}/{number}")
            if status == 404:
                hidden.append(path.name)
            elif status == 200 and plain(exact(body)) == plain(exact(data)):
                equal += 1
            else:
                unequal.append(path.name)
    for (status, reason), names in sorted(refused.items(), key=lambda item: -len(item[1])):
        print(f"{len(names):5} {status} {reason}\n      e.g. {names[0]}")
    for name in hidden:
        print(f"hidden: {name}")
    for name in unequal:
        print(f"not equal: {name}")
    figures = {
        "bench": "fhir examples",
        "examples": len(listed),
        "equal": equal,
        "refused": sum(map(len, refused.values())),
        "hidden": len(hidden),
        "unequal": len(unequal),
    }
    print(json.dumps(figures))
    return not unequal and not any(status >= 500 for status, _ in refused)


if __name__ == "__main__":
    sys.exit(not main(Path(sys.argv[1]), set(sys.argv[2:])))
