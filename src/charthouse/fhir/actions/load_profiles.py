"""Load profiles and value sets from a file or a package, and remove them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction

from charthouse.exchange.fhir.conformance.api import ProfileError, read_profile
from charthouse.fhir.models import Conformance
from charthouse.fhir.permissions import CHECK
from charthouse.fhir.profiles import PROFILE, VALUE_SET
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import append
from charthouse.record.api import compress

#: Bytes of one file of a package, and of all.
_LARGEST, _LARGEST_PACKAGE = 64 << 20, 512 << 20


def load_profiles(ctx: AccessContext, path: Path, *, for_all: bool = False) -> dict[str, int]:
    """Load the StructureDefinitions (of constraints) and ValueSets of a JSON file (one, or a Bundle of them) or of
    a package (``.tgz``); how many of each. What has the same url is replaced. All of it or nothing.

    ``for_all`` holds every resource of the profiles' types to them, not only those that claim them. Raises
    ProfileError, which names the first that cannot be used and why.
    """
    require(ctx, CHECK)
    found = {str(each.get("url")): each for each in _definitions(path)}
    if not found:
        raise ProfileError(f"{path} has no StructureDefinition of a profile and no ValueSet.")
    rows = [_row(each, path.name, for_all=for_all) for _, each in sorted(found.items())]
    with transaction.atomic():
        Conformance.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["url"],
            update_fields=["kind", "version", "title", "type", "package", "for_all", "loaded_at", "content"],
        )
        counts = {kind: sum(row.kind == kind for row in rows) for kind in (PROFILE, VALUE_SET)}
        append(ctx, "fhir.profiles-loaded", detail={"count": len(rows), "for_all": for_all})
    return counts


def remove_profiles(ctx: AccessContext, named: str) -> int:
    """Remove what was loaded by its url or the name of its package; how many. Raises ProfileError for none."""
    require(ctx, CHECK)
    with transaction.atomic():
        gone, _ = Conformance.objects.filter(url=named).delete()
        if not gone:
            gone, _ = Conformance.objects.filter(package=named).delete()
        if not gone:
            raise ProfileError(f"Nothing is loaded under {named}; see charthouse fhir profile list.")
        append(ctx, "fhir.profiles-removed", detail={"count": gone})
    return int(gone)


def _row(definition: dict[str, Any], package: str, *, for_all: bool) -> Conformance:
    kind = definition["resourceType"]
    if kind == PROFILE:
        read_profile(definition)
    return Conformance(
        url=definition["url"],
        kind=kind,
        version=str(definition.get("version") or ""),
        title=str(definition.get("title") or definition.get("name") or definition["url"]),
        type=str(definition.get("type") or ""),
        package=package,
        for_all=for_all and kind == PROFILE and definition.get("type") != "Extension",
        loaded_at=wall(),
        content=compress(orjson.dumps(definition)),
    )


def _definitions(path: Path) -> Iterator[dict[str, Any]]:
    """The profiles and value sets of a file."""
    for name, content in _files(path):
        try:
            read = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise ProfileError(f"{name} is no JSON: {error}.") from None
        entries = [read]
        if isinstance(read, list):
            entries = read
        elif isinstance(read, dict) and read.get("resourceType") == "Bundle":
            entries = [entry.get("resource") for entry in read.get("entry") or () if isinstance(entry, dict)]
        for each in entries:
            if not isinstance(each, dict):
                continue
            kind = each.get("resourceType")
            is_profile = (
                kind == PROFILE and each.get("derivation") == "constraint" and each.get("kind") != "logical"
            )
            if is_profile or (kind == VALUE_SET and isinstance(each.get("url"), str)):
                yield each


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.suffix != ".tgz" and path.suffixes[-2:] != [".tar", ".gz"]:
            yield path.name, path.read_bytes()
            return
        size = 0
        with tarfile.open(path) as archive:
            for member in archive:
                parts = Path(member.name).parts
                # A package's own resources stand directly in its folder; below are examples and indexes.
                if not member.isfile() or len(parts) != 2 or not member.name.endswith(".json"):
                    continue
                if parts[1] in ("package.json", ".index.json"):
                    continue
                size += member.size
                if member.size > _LARGEST or size > _LARGEST_PACKAGE:
                    raise ProfileError(f"{path} is larger than a package of definitions can be.")
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror or error}.") from None
    except tarfile.TarError:
        raise ProfileError(f"{path} is no package (.tgz).") from None
