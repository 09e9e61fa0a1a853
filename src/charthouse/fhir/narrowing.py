"""What a client may see of a type where its scopes are narrowed by a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

import orjson

from charthouse.foundation.access.api import AccessContext
from charthouse.record.api import AnyOf, SearchError, Term, fitting, narrowed

from .access.api import Client
from .domain.asks import is_kept
from .domain.outcomes import problem
from .domain.scopes import Narrowing, ScopeError, Scopes


def check_narrowing(kind: str, narrowing: Narrowing, *, chained: bool = True) -> None:
    """Raise ScopeError for a search that a scope of this type cannot be narrowed by; unless ``chained`` also for
    one that leads elsewhere."""
    try:
        narrowed(kind, [narrowing], chained=chained)
    except SearchError as error:
        raise ScopeError(f"A scope of {kind} cannot be narrowed so: {error}") from None


def check_asked(allowed: Scopes) -> Callable[[str, Narrowing], None]:
    """As :func:`check_narrowing`, of what a client asks for itself: chains only as they are among the scopes it is
    allowed, since what they find would tell of what it may not read."""

    def check(kind: str, narrowing: Narrowing) -> None:
        is_given = any(each.type == kind and each.narrowing == narrowing for each in allowed.granted)
        check_narrowing(kind, narrowing, chained=is_given)

    return check


def terms_of(client: Client | Scopes, action: str, kind: str) -> tuple[Term, ...]:
    """What must hold for resources of a type for a client, or whoever has these scopes, to read ("r") or find ("s")
    them, beside their labels.

    Raises FhirProblem 403 where that cannot be told any more, since this site does not search so now.
    """
    scopes = client if isinstance(client, Scopes) else client.scopes
    searches = scopes.narrowed(action, kind)
    return _terms(kind, searches) if searches else ()


@lru_cache(maxsize=256)
def _terms(kind: str, searches: frozenset[Narrowing]) -> tuple[Term, ...]:
    try:
        return (narrowed(kind, sorted(searches)),)
    except SearchError:
        raise problem(
            403,
            f"The token's scopes of {kind} are narrowed by a search that is not understood here any more. "
            "Ask for a new token.",
        ) from None


def fits(
    ctx: AccessContext, scopes: Scopes, kind: str, versions: Sequence[tuple[int, bytes]], action: str = "r"
) -> list[bool]:
    """Which of some versions of resources of a type, each its row and its content, are among what scopes are
    narrowed to."""
    terms = terms_of(scopes, action, kind)
    if not terms:
        return [True] * len(versions)
    (term,) = terms
    return fitting(ctx, kind, term, [(row, orjson.loads(content)) for row, content in versions])


def filter_of(text: str) -> tuple[str, Term]:
    """The type of a filter of an export (``Type?name=value``), and what must hold. Raises SearchError."""
    kind, _, query = text.partition("?")
    if not is_kept(kind) or not query:
        raise SearchError("_typeFilter", "value", "it is no search of a type", "Write Type?name=value")
    return kind, narrowed(kind, [parse_qsl(query, keep_blank_values=True, max_num_fields=20)], chained=False)


def given(
    ctx: AccessContext, scopes: Scopes, filters: Sequence[str], kind: str, versions: Sequence[tuple[int, bytes]]
) -> list[bool]:
    """Which of some versions of resources of a type an export of these scopes and filters gives."""
    allowed = [all(both) for both in zip(*(fits(ctx, scopes, kind, versions, each) for each in "rs"), strict=True)]
    asked = [term for named, term in map(filter_of, filters) if named == kind]
    if not asked:
        return allowed
    whole = AnyOf("(filters)", tuple(way for term in asked if isinstance(term, AnyOf) for way in term.terms))
    met = fitting(ctx, kind, whole, [(row, orjson.loads(content)) for row, content in versions])
    return [one and other for one, other in zip(allowed, met, strict=True)]


def gives_part(scopes: Scopes, filters: Sequence[str], kind: str) -> bool:
    """Whether an export of these scopes and filters leaves some resources of a type out."""
    return any(scopes.narrowed(each, kind) for each in "rs") or any(each.startswith(f"{kind}?") for each in filters)
