"""Who signs proves again who they are: whether a form asks for it, and what was sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from charthouse.foundation import clock
from charthouse.foundation.rulepacks.api import parameter
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.web.security.api import SignedInRequest


def proved(request: SignedInRequest) -> datetime | None:
    """When the asker last proved who they are, now with what was sent. Raises NotConfirmed where that is wrong."""
    secret = request.POST.get("secret", "")
    if secret and not people.confirm_identity(request.access, request, secret):
        raise record.NotConfirmed("This is not your password, nor a code of your authenticator.")
    return people.confirmed_at(request)


def asks_secret(request: SignedInRequest) -> bool:
    """Whether a form has to ask for it, by the rule in force."""
    at = people.confirmed_at(request)
    return at is None or clock.wall() - at > timedelta(minutes=int(parameter(record.SIGNING_AGAIN, "minutes")))
