"""What a client asks for: a request, or an entry of a bundle, taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from charthouse.exchange.fhir.api import Entry, parse
from charthouse.exchange.fhir.api import resource_types as _types
from charthouse.record.preparing import TYPE_ID

from .negotiation import if_match
from .outcomes import FhirProblem, problem
from .patching import apply_patch

Pairs = list[tuple[str, str]]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: Types that carry other things; no server keeps them.
_CARRIERS = frozenset({"Parameters", "OperationOutcome"})
#: Parameters of a condition that say how an answer is given, and so nothing of what is meant.
_FORM = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_total", "_sort"})


def resource_types() -> list[str]:
    """The resource types that are kept here, in order of their names."""
    return sorted(kind for kind in _types() if kind in TYPE_ID and kind not in _CARRIERS)


def is_kept(kind: str) -> bool:
    """Whether resources of this type are kept here."""
    return kind in TYPE_ID and kind not in _CARRIERS and kind in _types()


def check_type(kind: str, place: str = "") -> None:
    """Raise FhirProblem 404 for what is no resource type that is kept here."""
    if is_kept(kind):
        return
    if kind in _CARRIERS:
        said = f"{kind} carries other things and is not kept; there is nothing of this type to ask for."
    else:
        said = f"{kind[:60]!r} is not a resource type of FHIR R4."
    raise problem(404, said, code="not-supported", expression=place)


def check_id(id: str, place: str = "") -> None:
    """Raise FhirProblem 400 for what cannot be an id."""
    if not ID.fullmatch(id):
        raise problem(400, "An id has 1 to 64 letters, digits, '-' and '.'.", code="value", expression=place)


@dataclass(slots=True)
class Ask:
    """One write that is asked for.

    ``criteria`` stand where no id is named; ``resource`` is the resource, or the patch, as it came, ``original``
    all that came with it; ``expected`` are the versions of If-Match; ``absent`` stands for If-None-Match ``*``;
    ``unless`` holds the criteria of If-None-Exist; ``place`` is where in the request errors are; ``patched``
    makes of the resource as it stands and the patch what is to stand.
    """

    method: str
    type: str
    id: str | None = None
    criteria: Pairs | None = None
    resource: bytes = b""
    original: bytes = b""
    seq: int = 1
    full_url: str | None = None
    expected: tuple[int, ...] | None = None
    absent: bool = False
    unless: Pairs | None = None
    place: str = ""
    patched: Callable[[bytes, bytes], bytes] = apply_patch


class Head(msgspec.Struct):
    """What a resource says of itself at its root."""

    resourceType: Any = None
    id: Any = None
    identifier: Any = None


_head = msgspec.json.Decoder(Head)


def head_of(resource: bytes, place: str = "") -> Head:
    """The root of a resource. Raises FhirProblem 400 for what is no JSON, or names no type."""
    try:
        found = _head.decode(resource)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parse(resource)  # says in words what is wrong
        raise problem(400, "The resource cannot be read.", code="structure", expression=place) from None
    if not isinstance(found.resourceType, str):
        raise problem(
            400,
            "The resource does not name its type: 'resourceType' is missing or not a string.",
            code="structure",
            expression=place,
        )
    if found.id is not None and not isinstance(found.id, str):
        raise problem(400, "The resource's id must be a string.", code="structure", expression=f"{place}.id")
    return found


def criteria_of(query: str) -> Pairs:
    """The parameters of a condition, without those that only say how to answer."""
    return [
        pair
        for pair in parse_qsl(query.lstrip("?"), keep_blank_values=True, max_num_fields=200)
        if pair[0] not in _FORM
    ]


def unless_of(condition: str, kind: str, base: str) -> Pairs:
    """The parameters of If-None-Exist. R4 asks for them alone; many clients send the search's whole address."""
    return criteria_of(condition.strip().removeprefix(f"{base}/").removeprefix("/").removeprefix(f"{kind}?"))


def lock_name(kind: str, criteria: Sequence[tuple[str, str]]) -> str:
    """The name under which writes on a condition wait for each other: its identifiers where it has some."""
    named = sorted(value for name, value in criteria if name == "identifier")
    said = [f"identifier={value}" for value in named] or sorted(f"{name}={value}" for name, value in criteria)
    return f"{kind}?{'&'.join(said)}"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class EntryUrl:
    """An entry's url: its path below the server, taken apart, and its query."""

    path: str
    query: str

    @property
    def parts(self) -> list[str]:
        """The path's parts."""
        return [unquote(part) for part in self.path.split("/")] if self.path else []


def entry_url(url: str, base: str) -> EntryUrl:
    """Read the url of a bundle's entry: relative to the server, or below its address."""
    url = url.removeprefix(base).lstrip("/")
    path, _, query = url.partition("?")
    return EntryUrl(path.rstrip("/"), query)


def method_of(entry: Entry, place: str) -> str:
    """The entry's method. Raises FhirProblem 400 for none and for an unknown one."""
    if entry.error is not None:
        raise problem(400, entry.error.reason, code="structure", expression=entry.error.path or place)
    if entry.method not in _METHODS:
        said = "is missing" if not entry.method else "is none of GET, HEAD, POST, PUT, PATCH and DELETE"
        raise problem(400, f"The entry's request.method {said}.", code="required", expression=f"{place}.request")
    if not entry.url and entry.url != "":
        raise problem(400, "The entry's request.url is missing.", code="required", expression=f"{place}.request")
    return str(entry.method)


def ask_of(entry: Entry, base: str, place: str) -> Ask:
    """The write that a bundle's entry asks for. Raises FhirProblem for what cannot be asked."""
    method = method_of(entry, place)
    url = entry_url(entry.url or "", base)
    parts = url.parts
    if not parts:
        raise problem(400, "The entry's request.url names no resource type.", expression=f"{place}.request.url")
    check_type(parts[0], f"{place}.request.url")
    ask = Ask(
        method,
        parts[0],
        resource=entry.resource,
        original=entry.original,
        seq=entry.index + 1,
        full_url=entry.full_url,
        place=place,
    )
    if method == "POST":
        if len(parts) > 1 or url.query:
            raise problem(
                400,
                "A POST names a type only; conditions of a create go to request.ifNoneExist.",
                expression=f"{place}.request.url",
            )
        if entry.if_none_exist:
            ask.unless = unless_of(entry.if_none_exist, ask.type, base)
    elif len(parts) == 2:
        check_id(parts[1], f"{place}.request.url")
        ask.id = parts[1]
    elif len(parts) == 1 and url.query:
        ask.criteria = criteria_of(url.query)
    else:
        raise problem(
            400,
            f"A {method} names a resource (Type/id) or a condition (Type?name=value).",
            expression=f"{place}.request.url",
        )
    ask.expected = if_match(entry.if_match, "request.ifMatch")
    ask.absent = method == "PUT" and (entry.if_none_match or "").strip() == "*"
    if method in ("POST", "PUT", "PATCH") and not entry.resource:
        raise problem(400, f"A {method} needs a resource.", code="required", expression=f"{place}.resource")
    return ask


def at(place: str, error: FhirProblem) -> FhirProblem:
    """The same problem, with the entry named where its issues name no place."""
    from dataclasses import replace

    issues = [
        replace(issue, expression=issue.expression if issue.expression.startswith(place) else place)
        if not issue.expression
        else issue
        for issue in error.issues
    ]
    return FhirProblem(error.status, issues, error.headers)
