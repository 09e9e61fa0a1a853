"""Views that ask for a bearer token themselves: no session opens them, and none shuts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "charthouse_by_token"


def by_token(view: View) -> View:
    """Mark a view that authenticates each request itself and refuses those without a token."""
    setattr(view, _ATTRIBUTE, True)
    return view


def is_by_token(view: Callable[..., Any]) -> bool:
    """Whether the view asks for a token itself."""
    return getattr(view, _ATTRIBUTE, False) is True
