"""For tests: browsers that are signed in, by the same steps a person takes but without the forms."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login
from django.test import Client, RequestFactory

from .actions.sign_in import begin_session
from .models import Session, User
from .queries import OBLIGATIONS_KEY
from .sessions import SessionStore

__all__ = ["session_of", "sign_in"]

BACKEND = "charthouse.people.backends.StaffBackend"


def sign_in(user: User, client: Client | None = None) -> Client:
    """A test client with an open session of ``user``, who has nothing to do first."""
    browser = client or Client()
    request = RequestFactory().get("/", HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0")
    request.session = SessionStore()
    login(request, user, backend=BACKEND)
    begin_session(request, user)
    request.session[OBLIGATIONS_KEY] = []
    request.session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.session_key)
    return browser


def session_of(client: Client) -> Session:
    """The row of a client's session as it is now."""
    from .sessions import key_hash

    return Session.objects.get(key_hash=key_hash(client.cookies[settings.SESSION_COOKIE_NAME].value))
