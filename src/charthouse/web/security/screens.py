"""Every view says who may open it: ``@screen(PERMISSION)``, ``@public``, or that it asks for a bearer token itself.
A view that says nothing is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest

from charthouse.foundation.access.api import AccessContext, Permission, Purpose
from charthouse.foundation.access.by_token import is_by_token
from charthouse.people.api import Obligation

__all__ = ["Declaration", "SignedInRequest", "declaration_of", "public", "screen"]

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "charthouse_screen"


class SignedInRequest(HttpRequest):
    """The request a ``@screen`` view gets: ``access`` is the asker's context, with the screen's purpose."""

    access: AccessContext


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a view said. ``permission`` is None for a public one.

    ``background`` marks what a page asks by itself; it is no sign that somebody is there. ``before`` names the
    obligations before which the screen may be opened all the same.
    """

    permission: Permission | None
    purpose: Purpose = Purpose.OPERATIONS
    background: bool = False
    before: frozenset[Obligation] = frozenset()


def screen(
    permission: Permission,
    *,
    purpose: Purpose = Purpose.OPERATIONS,
    background: bool = False,
    before: Iterable[Obligation] = (),
) -> Callable[[View], View]:
    """Let the view be opened by those who hold ``permission``, in an open session; gives it ``request.access``."""
    declaration = Declaration(permission, purpose, background, frozenset(before))

    def declare(view: View) -> View:
        return _declared(view, declaration)

    return declare


def public(view: View) -> View:
    """Let the view be opened by anybody, signed in or not. For signing in, health and static things only."""
    return _declared(view, Declaration(None, background=True))


def _declared(view: View, declaration: Declaration) -> View:
    if declaration_of(view) is not None:
        raise TypeError(f"{getattr(view, '__name__', view)} declares who may open it twice.")

    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    setattr(opened, _ATTRIBUTE, declaration)
    return opened  # type: ignore[return-value]


def declaration_of(view: Callable[..., Any]) -> Declaration | None:
    """What a view declares; None where it declares nothing, so that it is refused.

    A view that asks for a bearer token itself stands outside sessions, as a public one does.
    """
    found = getattr(view, _ATTRIBUTE, None)
    if isinstance(found, Declaration):
        return found
    return Declaration(None, background=True) if is_by_token(view) else None
