"""From the entries of a FHIR message to resources ready to file. Pure; the caller brings the known aliases.

Two passes: the first learns what each entry is called by its sender and by us, the second rewrites references
on the bytes themselves (so that 72.50 stays 72.50), checks the resource against HL7's schema and prepares it.
One entry that cannot be filed is a :class:`Problem`; whether it takes the others with it is the caller's rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.api import Entry, FhirError, parse, rewrite, split, validate
from charthouse.record.preparing import TYPE_ID, Filing, prepare, without_large

from .naming import (
    Identifier,
    identifier_key,
    identifiers_of,
    is_shared,
    keys_of,
    name_shared,
    resource_id,
    shared_id,
)

_CONDITIONAL = re.compile(rb'"([A-Z][A-Za-z]{2,40})\?identifier=([^"\\]{1,500})"')


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one entry cannot be filed: a code, a sentence, and the place in the message."""

    seq: int
    code: str
    reason: str
    place: str


@dataclass(slots=True)
class FhirPlan:
    """What a message's entries come to. ``aliases`` are names to remember for shared resources."""

    filings: list[Filing] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    aliases: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Head(msgspec.Struct):
    resourceType: str = ""
    id: str | None = None
    identifier: Any = None


_head = msgspec.json.Decoder(_Head)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class _Named:
    entry: Entry
    type: str
    public_id: str


def wanted_aliases(source: str, entries: Iterable[Entry]) -> list[str]:
    """The alias keys whose meaning the plan needs: shared resources sent, and shared resources mentioned."""
    keys: set[str] = set()
    for entry in entries:
        if not entry.resource:
            continue
        if b"?identifier=" in entry.resource:
            for kind, query in _CONDITIONAL.findall(entry.resource):
                system, _, value = query.decode("utf-8", "replace").partition("|")
                if value:
                    keys.add(identifier_key(kind.decode(), system, value))
        for found in _SHARED_REFERENCE.findall(entry.resource):
            kind, _, sender_id = found.decode("utf-8", "replace").partition("/")
            if is_shared(kind):
                keys.update(keys_of(source, kind, sender_id, ()))
        try:
            head = _head.decode(entry.resource)
        except _UNREADABLE:
            continue
        if is_shared(head.resourceType):
            keys.update(
                keys_of(source, head.resourceType, head.id, identifiers_of({"identifier": head.identifier}))
            )
    return sorted(keys)


_SHARED_REFERENCE = re.compile(
    rb'"((?:Practitioner|PractitionerRole|Organization|Location|HealthcareService|Endpoint|InsurancePlan)'
    rb'/[A-Za-z0-9\-.]{1,64})"'
)


def entry_of(seq: int, original: bytes, kind: str) -> Entry:
    """An entry read again from its kept original; ``kind`` is the message's."""
    if kind.startswith("Bundle"):
        # Read as the only entry of a bundle, which is how it is told apart from a bare resource.
        entry = next(split(b'{"resourceType":"Bundle","entry":[' + original + b"]}"))
        return msgspec.structs.replace(entry, index=seq - 1)
    return Entry(seq - 1, 0, original, original)


class Planner:
    """Plans the entries of one message from one sender."""

    def __init__(self, source: str, aliases: Mapping[str, str]) -> None:
        self._source = source
        self._known = aliases
        self._local: dict[str, str] = {}
        self._by_identifier: dict[str, str] = {}
        self._stubs: dict[str, dict[str, Any]] = {}
        self._plan = FhirPlan()

    def plan(self, entries: Sequence[Entry]) -> FhirPlan:
        """Plan all entries; nothing is raised for a bad one."""
        named = [each for entry in entries if (each := self._name(entry)) is not None]
        for each in named:
            self._prepare(each)
        for stub in self._stubs.values():
            filing = prepare(stub, orjson.dumps(stub))
            filing.only_if_absent = True
            self._plan.filings.insert(0, filing)
        return self._plan

    def _problem(self, entry: Entry, code: str, reason: str, place: str = "") -> None:
        seq = entry.index + 1
        self._plan.problems.append(Problem(seq, code, reason, f"entry {seq}{place}"))

    def _name(self, entry: Entry) -> _Named | None:
        if entry.error is not None:
            self._problem(entry, "not-fhir", entry.error.reason, f" {entry.error.path}" if entry.error.path else "")
            return None
        if not entry.resource:
            what = f"is a {entry.method} request" if entry.method else "is empty"
            self._problem(
                entry, "no-resource", f"The entry {what} without a resource; only records sent are filed."
            )
            return None
        try:
            head = _head.decode(entry.resource)
        except _UNREADABLE as error:
            self._problem(entry, "not-json", f"The resource cannot be read: {_plain(error)}.")
            return None
        kind = head.resourceType
        if kind not in TYPE_ID or kind in _NOT_RECORDS:
            self._problem(
                entry,
                "unknown-type",
                f"{kind[:40]!r} is not a kind of record that is filed."
                if kind
                else "The resource has no resourceType.",
                ".resourceType",
            )
            return None
        sender_id = head.id or _from_url(entry.full_url)
        identifiers = identifiers_of({"identifier": head.identifier})
        if is_shared(kind):
            public_id = name_shared(self._source, kind, sender_id, identifiers, self._known)
            for key in keys_of(self._source, kind, sender_id, identifiers):
                if public_id:
                    self._plan.aliases[key] = (kind, public_id)
        elif sender_id:
            public_id = resource_id(self._source, kind, sender_id)
        else:
            public_id = _by_content(self._source, kind, identifiers, entry.resource)
        if public_id is None:
            public_id = _by_content(self._source, kind, identifiers, entry.resource)
        local = f"{kind}/{public_id}"
        if entry.full_url:
            self._local[entry.full_url] = local
        if head.id:
            self._local[f"{kind}/{head.id}"] = local
        for system, value in identifiers:
            self._by_identifier.setdefault(identifier_key(kind, system, value), local)
        return _Named(entry, kind, public_id)

    def _resolve(self, reference: str) -> str | None:
        if known := self._local.get(reference):
            return known
        kind, question, query = reference.partition("?")
        if question:
            return self._conditional(kind, query)
        if reference.startswith("urn:"):
            return None
        parts = reference.split("/")
        if "_history" in parts:
            parts = parts[: parts.index("_history")]
        if len(parts) < 2 or parts[-2] not in TYPE_ID:
            return None
        kind, sender_id = parts[-2], parts[-1]
        if known := self._local.get(f"{kind}/{sender_id}"):
            return known
        if is_shared(kind):
            return f"{kind}/{name_shared(self._source, kind, sender_id, (), self._known)}"
        return f"{kind}/{resource_id(self._source, kind, sender_id)}"

    def _conditional(self, kind: str, query: str) -> str | None:
        name, _, token = query.partition("=")
        system, _, value = token.partition("|")
        if name != "identifier" or not system or not value or kind not in TYPE_ID:
            return None
        key = identifier_key(kind, system, value)
        if known := self._by_identifier.get(key):
            return known
        if not is_shared(kind):
            return None
        public_id = self._known.get(key)
        if public_id is None:
            public_id = shared_id(kind, system, value)
            self._stubs.setdefault(key, _stub(kind, public_id, (system, value)))
            self._plan.aliases[key] = (kind, public_id)
        self._by_identifier[key] = f"{kind}/{public_id}"
        return f"{kind}/{public_id}"

    def _prepare(self, named: _Named) -> None:
        entry = named.entry
        try:
            content, unresolved = rewrite(entry.resource, self._resolve, named.public_id)
            resource = parse(content)
        except FhirError as error:
            self._problem(entry, "not-json", error.reason)
            return
        except ValueError:
            # Rewriting takes only what is a resource; what is none is told so by the parser.
            self._problem(entry, "not-json", _why_unreadable(entry.resource))
            return
        if unresolved:
            self._problem(
                entry,
                "unresolved-reference",
                f"{len(unresolved)} reference{'s' if len(unresolved) > 1 else ''} of this {named.type} lead "
                "nowhere: what they name is neither in the message nor findable by identifier.",
                f" {named.type}",
            )
            return
        problems = validate(resource)
        if problems:
            first = problems[0]
            more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
            self._problem(entry, "not-valid", f"{first.message}{more}", f" {first.path}")
            return
        content, parts = without_large(content)
        if parts:
            resource = orjson.loads(content)
        filing = prepare(resource, content, deleted=entry.method == "DELETE")
        filing.original = entry.index + 1
        filing.attachments = tuple(parts)
        self._plan.filings.append(filing)


#: Types that carry other things or describe systems; they are not filed as records of their own.
_NOT_RECORDS = frozenset({"Bundle", "Parameters", "OperationOutcome"})


def _from_url(full_url: str | None) -> str | None:
    """The sender's id in a fullUrl: the uuid of a ``urn:uuid:``, else the last part of a ``…/Type/id``."""
    if not full_url:
        return None
    if full_url.startswith("urn:uuid:"):
        return full_url[9:]
    return full_url.rstrip("/").rpartition("/")[2] or None


def _by_content(source: str, kind: str, identifiers: Sequence[Identifier], content: bytes) -> str:
    """Resources without an id are known by their first identifier, else by what they say."""
    if identifiers:
        return resource_id(source, kind, "identifier:" + "|".join(identifiers[0]))
    return resource_id(source, kind, "content:" + hashlib.blake2b(content, digest_size=16).hexdigest())


def _stub(kind: str, public_id: str, identifier: Identifier) -> dict[str, Any]:
    """A shared resource known only from a mention of its identifier."""
    system, value = identifier
    return {"resourceType": kind, "id": public_id, "identifier": [{"system": system, "value": value}]}


def _why_unreadable(resource: bytes) -> str:
    try:
        parse(resource)
    except FhirError as error:
        return error.reason
    return "The resource cannot be read."


def _plain(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error).split("\n")[0].rstrip(".")
    return text[:200]
