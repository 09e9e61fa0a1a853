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
from operator import attrgetter
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.api import Entry, FhirError, Opened, Rewriter, parse, split, unescaped, validate
from charthouse.record.preparing import DIRECTORY_TYPES, TYPE_ID, Filing, prepare, without_large

from .naming import (
    IN_RECORD,
    RECORD_ID,
    Identifier,
    identifier_key,
    identifiers_of,
    is_shared,
    keys_of,
    name_shared,
    resource_id,
    shared_id,
)


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
    documents: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """The DocumentReferences among them, each with the number of its entry."""


class _Head(msgspec.Struct):
    resourceType: str = ""
    id: str | None = None
    identifier: Any = None


_head = msgspec.json.Decoder(_Head)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Surveyed(msgspec.Struct):
    """An entry with what its resource says of itself at the root; ``fault`` is why that cannot be read."""

    entry: Entry
    opened: Opened
    type: str = ""
    id: str | None = None
    identifiers: Sequence[Identifier] = ()
    fault: Exception | None = None


class _Named(msgspec.Struct):
    entry: Entry
    opened: Opened
    type: str
    public_id: str


def survey(entries: Iterable[Entry]) -> list[Surveyed]:
    """Look at the root of every entry's resource, once for all that follows."""
    return [_look_at(entry) for entry in entries]


def _look_at(entry: Entry) -> Surveyed:
    opened = Opened(entry.resource)
    if entry.error is not None or not entry.resource:
        return Surveyed(entry, opened)
    try:
        head = _head.decode(entry.resource)
    except _UNREADABLE as error:
        return Surveyed(entry, opened, fault=error)
    identifiers = identifiers_of({"identifier": head.identifier}) if head.identifier else ()
    return Surveyed(entry, opened, head.resourceType, head.id, identifiers)


def wanted_aliases(source: str, surveyed: Iterable[Surveyed]) -> list[str]:
    """The alias keys whose meaning the plan needs: shared resources sent, and shared resources mentioned."""
    keys: set[str] = set()
    mentioned: set[bytes] = set()
    for each in surveyed:
        mentioned.update(each.opened.references())
        if is_shared(each.type):
            keys.update(keys_of(source, each.type, each.id, each.identifiers))
    for reference in mentioned:
        if reference.startswith(b"urn:"):
            continue
        try:
            text = unescaped(reference)
        except ValueError:  # not in UTF-8, or no string of JSON: its entry is told so when it is planned
            continue
        kind, conditional, token = text.partition("?identifier=")
        if conditional:
            system, _, value = token.partition("|")
            if value and kind in TYPE_ID:
                keys.add(identifier_key(kind, system, value))
        elif literal := _SHARED_REFERENCE.search(text):
            keys.update(keys_of(source, literal[1], literal[2], ()))
    return sorted(keys)


_SHARED_REFERENCE = re.compile(rf"(?:^|/)({'|'.join(sorted(DIRECTORY_TYPES))})/([A-Za-z0-9\-.]{{1,64}})")


def entry_of(seq: int, original: bytes, kind: str) -> Entry:
    """An entry read again from its kept original; ``kind`` is the message's."""
    if kind.startswith("Bundle"):
        # Read as the only entry of a bundle, which is how it is told apart from a bare resource.
        entry = next(split(b'{"resourceType":"Bundle","entry":[' + original + b"]}"))
        return msgspec.structs.replace(entry, index=seq - 1)
    return Entry(seq - 1, 0, original, original)


class Planner:
    """Plans the entries of one message from one sender. ``own`` messages, entered at our own desk, may name what
    is in the record by its id there. ``renamed`` are the patients whom the message means by a number that is
    another's, as public ids."""

    def __init__(
        self,
        source: str,
        aliases: Mapping[str, str],
        *,
        own: bool = False,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self._source = source
        self._renamed = renamed or {}
        self._own = own
        self._known = aliases
        self._local: dict[str, str] = {}
        self._by_identifier: dict[str, str] = {}
        self._stubs: dict[str, dict[str, Any]] = {}
        self._plan = FhirPlan()

    def plan(self, surveyed: Sequence[Surveyed]) -> FhirPlan:
        """Plan all entries; nothing is raised for a bad one. Filings come type by type, in order within each."""
        named = [found for each in surveyed if (found := self._name(each)) is not None]
        rewriter = Rewriter(self._resolve)
        # What checks and indexes a type is large; used for one after another it stays in the processor's cache.
        for each in sorted(named, key=attrgetter("type")):
            self._prepare(each, rewriter)
        self._plan.problems.sort(key=attrgetter("seq"))
        for stub in self._stubs.values():
            filing = prepare(stub, orjson.dumps(stub))
            filing.only_if_absent = True
            self._plan.filings.insert(0, filing)
        return self._plan

    def _problem(self, entry: Entry, code: str, reason: str, place: str = "") -> None:
        seq = entry.index + 1
        self._plan.problems.append(Problem(seq, code, reason, f"entry {seq}{place}"))

    def _name(self, surveyed: Surveyed) -> _Named | None:
        entry = surveyed.entry
        if entry.error is not None:
            self._problem(entry, "not-fhir", entry.error.reason, f" {entry.error.path}" if entry.error.path else "")
            return None
        if not entry.resource:
            what = f"is a {entry.method} request" if entry.method else "is empty"
            self._problem(
                entry, "no-resource", f"The entry {what} without a resource; only records sent are filed."
            )
            return None
        if surveyed.fault is not None:
            self._problem(entry, "not-json", f"The resource cannot be read: {_plain(surveyed.fault)}.")
            return None
        kind = surveyed.type
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
        sender_id = surveyed.id or _from_url(entry.full_url)
        identifiers = surveyed.identifiers
        if is_shared(kind):
            public_id = name_shared(self._source, kind, sender_id, identifiers, self._known)
            for key in keys_of(self._source, kind, sender_id, identifiers):
                if public_id:
                    self._plan.aliases[key] = (kind, public_id)
        elif sender_id and self._own and sender_id.startswith(RECORD_ID):
            public_id = sender_id.removeprefix(RECORD_ID)
        elif sender_id:
            public_id = self._own_id(kind, sender_id)
        else:
            public_id = _by_content(self._source, kind, identifiers, entry.resource)
        if public_id is None:
            public_id = _by_content(self._source, kind, identifiers, entry.resource)
        local = f"{kind}/{public_id}"
        if entry.full_url:
            self._local[entry.full_url] = local
        if surveyed.id:
            self._local[f"{kind}/{surveyed.id}"] = local
        for system, value in identifiers:
            self._by_identifier.setdefault(identifier_key(kind, system, value), local)
        return _Named(entry, surveyed.opened, kind, public_id)

    def _resolve(self, reference: str) -> str | None:
        if known := self._local.get(reference):
            return known
        kind, question, query = reference.partition("?")
        if question:
            return self._conditional(kind, query)
        if reference.startswith("urn:"):
            return reference.removeprefix(IN_RECORD) if self._own and reference.startswith(IN_RECORD) else None
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
        return f"{kind}/{self._own_id(kind, sender_id)}"

    def _own_id(self, kind: str, sender_id: str) -> str:
        public_id = resource_id(self._source, kind, sender_id)
        return self._renamed.get(public_id, public_id) if kind == "Patient" else public_id

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

    def _prepare(self, named: _Named, rewriter: Rewriter) -> None:
        entry = named.entry
        try:
            content, resource, unresolved = rewriter.rewrite_and_parse(named.opened, named.public_id)
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
        if named.type == "DocumentReference":
            self._plan.documents.append((entry.index + 1, resource))
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
