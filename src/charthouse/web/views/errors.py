"""The pages for what went wrong: what happened and what to do, in the frame of the rest."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from charthouse.foundation.access.api import PermissionRefused


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    inside = getattr(request, "access", None) is not None
    layout = "layout/shell.html" if inside else "layout/plain.html"
    context = {"layout": layout, "status": status, "title": title, "text": text}
    return render(request, "web/error.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400"""
    return _page(request, 400, "This request cannot be read", "Go back, and try again from the page you were on.")


def refused(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403; names the right that is missing."""
    if isinstance(exception, PermissionRefused):
        text = (
            f"Your roles do not include: {exception.permission.title}. The attempt stands in the ledger. "
            "If your work needs this, ask the administrator."
        )
    else:
        text = "Your roles do not include what was asked for. If your work needs this, ask the administrator."
    return _page(request, 403, "Not open to you", text)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without its token: mostly a page left open over a new sign-in."""
    text = "This page was open for longer than your sign-in. Go back, reload it, and send it again."
    return _page(request, 403, "This form is out of date", text)


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404; says what is missing where a view said so."""
    said = exception.args[0] if exception is not None and exception.args else None
    text = said if isinstance(said, str) else "There is no such page. It may have been moved or never existed."
    return _page(request, 404, "Not found", text)


def failed(request: HttpRequest) -> HttpResponse:
    """500; must not itself need anything that may have failed."""
    context = {
        "layout": "layout/plain.html",
        "status": 500,
        "title": "Something failed here",
        "text": "Nothing you entered was half kept: what was not finished was undone. Try once more; if it fails "
        "again, tell the administrator the time, and look at the application's log.",
    }
    return render(None, "web/error.html", context, status=500)  # type: ignore[arg-type]
