"""The door itself: before any view runs, whether this request may open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from charthouse.foundation.access.api import AccessContext, PermissionRefused, may
from charthouse.people.api import (
    Obligation,
    SessionState,
    asker,
    context_for_request,
    keep_form,
    lock_session,
    note_activity,
    note_refusal,
    obligation_of,
    state_of,
)

from .screens import Declaration, declaration_of
from .views.failures import refused

__all__ = ["AccessMiddleware", "page_of"]

LONGEST_NEXT = 1000
_OBLIGATION_PAGES = {
    Obligation.CHANGE_PASSWORD: "account_password",
    Obligation.ENROL_TOTP: "account_totp",
}


class AccessMiddleware:
    """Deny by default.

    A view that declares nothing is refused. A screen is opened in an open session by those who hold its right;
    otherwise the request goes to sign-in, to the lock screen or to what has to be done first, or is refused with a
    page that names the missing right. Every refusal stands in the ledger.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        declared = declaration_of(view)
        if declared is None:
            return self._refuse(request, _who(request), "the view declares no right", refused(request))
        if declared.permission is None:
            return None
        state = state_of(request)
        if state is SessionState.SIGNED_OUT:
            return self._refuse(request, _who(request), "signed out", _sent_to(request, "account_login"))
        if state is SessionState.LOCKED:
            return self._locked(request, declared)
        ctx = context_for_request(request, declared.purpose)
        obligation = obligation_of(request)
        if obligation is not None and obligation not in declared.before:
            return self._refuse(request, ctx, obligation.value, _sent_to(request, _OBLIGATION_PAGES[obligation]))
        if not may(ctx, declared.permission):
            error = PermissionRefused(declared.permission, ctx)
            return self._refuse(request, ctx, declared.permission.code, refused(request, error))
        if not declared.background:
            note_activity(request)
        if obligation is None:
            request.access = ctx  # type: ignore[attr-defined]
        else:
            request.obliged = ctx  # type: ignore[attr-defined]
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """An action refused what the screen allowed: the same page, the same entry."""
        if isinstance(exception, PermissionRefused):
            return self._refuse(request, exception.ctx, exception.permission.code, refused(request, exception))
        return None

    def _locked(self, request: HttpRequest, declared: Declaration) -> HttpResponse:
        lock_session(request, "idle")
        if request.method == "POST" and not declared.background:
            keep_form(
                request,
                page=page_of(request),
                target=request.get_full_path(),
                sent=True,
                fields=_fields(request),
                files=len(request.FILES),
            )
        return self._refuse(request, _who(request), "locked", _sent_to(request, "session_locked"))

    @staticmethod
    def _refuse(request: HttpRequest, ctx: AccessContext, because: str, response: HttpResponse) -> HttpResponse:
        match = request.resolver_match
        note_refusal(ctx, route=match.route if match else "", because=because)
        return response


def _who(request: HttpRequest) -> AccessContext:
    return asker(request)


def _fields(request: HttpRequest) -> Iterator[tuple[str, str]]:
    for name, values in request.POST.lists():
        for value in values:
            yield name, str(value)


def page_of(request: HttpRequest) -> str:
    """The path of the page a person was on, to come back to; a part of a page or a form's target is not one.

    Paths hold opaque ids only, so a path may stand in an address. Never another site's.
    """
    if request.method == "GET" and "HX-Request" not in request.headers:
        path = request.get_full_path()
    else:
        parts = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
        path = parts._replace(scheme="", netloc="").geturl() if parts.netloc == request.get_host() else "/"
    return path if path.startswith("/") and not path.startswith("//") and len(path) <= LONGEST_NEXT else "/"


def _sent_to(request: HttpRequest, name: str) -> HttpResponse:
    """To another page, which leads back afterwards; htmx is told to go there as a whole."""
    page = page_of(request)
    address = reverse(name) + (f"?{urlencode({'next': page})}" if page != "/" else "")
    if "HX-Request" in request.headers:
        return HttpResponse(status=401, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address, status=303 if request.method != "GET" else None)
