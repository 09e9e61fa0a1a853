"""What a session still has to do first."""

from __future__ import annotations

from django.http import HttpRequest

from charthouse.people.domain.sessions import Obligation
from charthouse.people.queries import OBLIGATIONS_KEY


def meet(request: HttpRequest, obligation: Obligation) -> None:
    """Strike an obligation off the request's session."""
    pending = request.session.get(OBLIGATIONS_KEY) or []
    request.session[OBLIGATIONS_KEY] = [name for name in pending if name != obligation.value]
