"""The lock screen, and the unfinished form that comes back after it."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from charthouse.people.api import (
    OWN_ACCOUNT,
    SessionState,
    holds_sent_form,
    keep_form,
    lock_session,
    state_of,
    take_kept_form,
    time_left,
    unlock_session,
)
from charthouse.web.security.forms import UnlockForm
from charthouse.web.security.middleware import page_of
from charthouse.web.security.screens import public, screen

__all__ = ["kept", "lock", "locked", "seen", "status"]

KEPT_MARK = "#kept"


@public
@require_http_methods(["GET", "POST"])
def locked(request: HttpRequest) -> HttpResponse:
    """The lock screen: says whose session it is, and unlocks it by the password or a code."""
    onward = _safe(request.POST.get("next") or request.GET.get("next") or "/")
    state = state_of(request)
    if state is SessionState.SIGNED_OUT:
        return HttpResponseRedirect(reverse("account_login"))
    if state is SessionState.OPEN:
        return HttpResponseRedirect(onward)
    lock_session(request, "idle")
    form = UnlockForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if unlock_session(request, form.cleaned_data["secret"]):
            return HttpResponseRedirect(reverse("session_kept") if holds_sent_form(request) else onward)
        form.add_error("secret", "That is not right. Try again.")
    return render(request, "security/locked.html", {"form": form, "onward": onward, "name": str(request.user)})


@screen(OWN_ACCOUNT)
@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Lock now: asked for by the person, or by the page when nobody was there. Keeps the form being filled in."""
    page = _safe(request.POST.get("page") or page_of(request))
    names, values = request.POST.getlist("field-name"), request.POST.getlist("field-value")
    onward = page
    if names and keep_form(request, page=page, target="", sent=False, fields=zip(names, values, strict=False)):
        onward = f"{page}{KEPT_MARK}"
    lock_session(request, "idle" if request.POST.get("because") == "idle" else "asked")
    address = f"{reverse('session_locked')}?{urlencode({'next': onward})}"
    return HttpResponseRedirect(address, status=303)


@public
@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """For the page's clock: the session's state and the seconds until it locks. Asking is no sign of life."""
    return JsonResponse({"state": state_of(request).value, "locks_in": time_left(request)})


@screen(OWN_ACCOUNT)
@require_POST
def seen(request: HttpRequest) -> HttpResponse:
    """The person typed or moved: the middleware has noted it."""
    return HttpResponse(status=204)


@screen(OWN_ACCOUNT)
@require_http_methods(["GET", "POST"])
def kept(request: HttpRequest) -> HttpResponse:
    """What was being written when the session locked: as JSON for the page to fill in, or as a page to send it."""
    form = take_kept_form(request)
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"page": form.page if form else "", "fields": list(form.fields) if form else []})
    if form is None:
        return HttpResponseRedirect("/")
    return render(request, "security/kept.html", {"kept": form})


def _safe(path: str) -> str:
    return path if path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None) else "/"
