"""``_include`` and ``_revinclude``: what the matches lead to, and what leads to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db import connection

from charthouse.exchange.fhir.api import (
    Parameter,
    default_extractor,
    is_resource_type,
    read_reference,
    references_of,
)
from charthouse.record.api import Ignored, SearchError, State, Stored, current, leading, types_present

from .asker import Asker

#: Resources that one page brings beside its matches, and rounds of ``:iterate``.
MOST_INCLUDED, MOST_ROUNDS = 1_000, 5
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Directive:
    """One ``_include`` or ``_revinclude``. ``code`` is ``*`` for every reference; ``type`` too, for every type."""

    name: str
    type: str
    code: str
    target: str
    iterate: bool
    reverse: bool

    def parameter(self, kind: str) -> Parameter | None:
        """The reference parameter of a type that is followed; None where the type has none such."""
        return next(iter(self.parameters(kind)), None)

    def parameters(self, kind: str) -> list[Parameter]:
        """The reference parameters of a type that are followed."""
        known = default_extractor().parameters(kind)
        found = known.values() if self.code == "*" else [known[self.code]] if self.code in known else []
        return [each for each in found if each.kind == "reference" and each.answers]


def read_directives(
    pairs: Iterable[tuple[str, str]], *, strict: bool
) -> tuple[list[Directive], list[Ignored], list[tuple[str, str]]]:
    """The directives among ``pairs``, what was not understood, and the pairs that were.

    Raises SearchError for the latter where ``strict``.
    """
    found: list[Directive] = []
    ignored: list[Ignored] = []
    understood: list[tuple[str, str]] = []
    for name, text in pairs:
        base, _, modifier = name.partition(":")
        if base not in ("_include", "_revinclude"):
            continue
        for value in text.split(","):
            try:
                found.append(_directive(name, value.strip(), modifier, base == "_revinclude"))
                understood.append((name, value.strip()))
            except SearchError as error:
                if strict:
                    raise
                ignored.append(Ignored(name, error.what))
    return found, ignored, understood


def _directive(name: str, value: str, modifier: str, reverse: bool) -> Directive:
    kind, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if value == "*":
        kind, code = "*", "*"
    said = Directive(name, kind, code, target, bool(modifier), reverse)
    if kind != "*" and not is_resource_type(kind):
        raise SearchError(name, "value", "its type is no resource type of FHIR R4", "Write Type:parameter")
    if code != "*" and said.parameter(kind) is None:
        raise SearchError(name, "value", "it names no reference parameter of its type", "Write Type:parameter")
    if target and not is_resource_type(target):
        raise SearchError(name, "value", "its target is no resource type of FHIR R4", "Write Type:parameter:Type")
    return said


@dataclass(slots=True)
class Inclusion:
    """What is brought beside the matches. ``complete`` is false where more belongs to it than is brought."""

    asker: Asker
    given: set[Key]
    found: list[Stored] = field(default_factory=list)
    complete: bool = True

    def follow(self, matches: Sequence[Stored], directives: Sequence[Directive]) -> None:
        """Follow the directives from the matches, those that iterate also from what they bring."""
        wave, asked = list(matches), list(directives)
        for _ in range(MOST_ROUNDS):
            if not wave or not asked or not self.complete:
                return
            begun = len(self.found)
            ahead = [each for each in asked if not each.reverse]
            if ahead:
                self.add_referred(wave, ahead)
            for each in asked:
                if each.reverse:
                    self._add_leading(wave, each)
            wave = self.found[begun:]
            asked = [each for each in directives if each.iterate]

    def add_referred(self, wave: Sequence[Stored], directives: Sequence[Directive]) -> None:
        """Bring what the resources of a wave refer to."""
        wanted: dict[Key, None] = {}
        canonical: dict[tuple[str, tuple[str, ...]], None] = {}
        for stored in wave:
            mine = [each for each in directives if each.type in (stored.type, "*")]
            if not mine:
                continue
            for kind, number, url, targets in _referred(stored, mine):
                if url is not None and url.startswith(self.asker.base):
                    kind, number, url = read_reference(url[len(self.asker.base) :])
                if kind and number and url is None:
                    wanted[(kind, number)] = None
                elif url is not None and number is None and targets:
                    canonical[(url, targets)] = None
        self.add(wanted)
        for url, targets in canonical:
            self._add_canonical(url, targets)

    def _add_canonical(self, url: str, targets: Sequence[str]) -> None:
        address, _, version = url.partition("|")
        query = [("url", address.replace("\\", "\\\\").replace(",", "\\,"))]
        if version:
            query.append(("version", version))
        for kind in targets:
            if "url" in default_extractor().parameters(kind) and self.asker.readable(kind):
                self._keep(self.asker.find(kind, query, count=5, strict=False).rows)

    def add(self, keys: Iterable[Key]) -> None:
        """Bring these resources, where they stand and may be seen."""
        new = [key for key in keys if key not in self.given and self.asker.readable(key[0])]
        if not new:
            return
        with connection.cursor() as cursor:
            there = current(cursor, self.asker.ctx, new)
        standing = [there[key] for key in new if key in there and there[key].state is not State.DELETED]
        self._keep(self.asker.seen(standing))

    def _add_leading(self, wave: Sequence[Stored], directive: Directive) -> None:
        for kind in types_present() if directive.type == "*" else [directive.type]:
            if not self.asker.readable(kind):
                continue
            ways = [
                (parameter, targets)
                for parameter in directive.parameters(kind)
                if (targets := _leads_to(parameter, wave, directive.target))
            ]
            if ways:
                page = self.asker.find(kind, (), terms=[leading(ways)], count=MOST_INCLUDED)
                self._keep(page.rows)
                self.complete = self.complete and page.next is None

    def _keep(self, rows: Iterable[Stored]) -> None:
        for stored in rows:
            key = (stored.type, stored.public_id)
            if key in self.given:
                continue
            if len(self.found) >= MOST_INCLUDED:
                self.complete = False
                return
            self.given.add(key)
            self.found.append(stored)


def _leads_to(parameter: Parameter, wave: Iterable[Stored], target: str) -> list[Key]:
    """Those of a wave, of type ``target`` where it is said, to which a parameter can lead."""
    return [
        (each.type, each.public_id)
        for each in wave
        if target in ("", each.type) and (not parameter.targets or {each.type, "Resource"} & set(parameter.targets))
    ]


Referred = tuple[str | None, str | None, str | None, tuple[str, ...]]


def _referred(stored: Stored, directives: Sequence[Directive]) -> Iterator[Referred]:
    """Type, id, URL and possible types of what a resource refers to by these directives."""
    resource = stored.resource
    rows = None
    for directive in directives:
        if directive.code == "*":
            for text in references_of(resource):
                kind, number, url = read_reference(text)
                if directive.target in ("", kind):
                    yield kind, number, url, ()
            continue
        parameter = directive.parameter(stored.type)
        if parameter is None:
            continue
        if rows is None:
            rows = default_extractor().extract(resource, None, None).references
        allowed = {(answer.id, answer.target) for answer in parameter.answers}
        for id, kind, number, other in rows:
            if ((id, None) in allowed or (id, kind) in allowed) and (not kind or directive.target in ("", kind)):
                targets = (directive.target,) if directive.target else parameter.targets
                yield kind, number, other, targets if kind is None else ()
