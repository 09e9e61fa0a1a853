"""Pages for what went wrong: one sentence on what it was, one on what to do. Never what was in the data."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

_UNSAID = "There is no such page. It may have been moved or never existed."


def _page(request: HttpRequest, status: int, title: str, said: str) -> HttpResponse:
    inside = getattr(request, "access", None) is not None
    layout = "layout/shell.html" if inside and status < 500 else "layout/plain.html"
    return render(request, "web/error.html", {"layout": layout, "heading": title, "said": said}, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: a request that cannot be understood."""
    return _page(request, 400, "Not understood", "The request could not be understood. Go back and try again.")


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that is too old or did not come from a page of ours (cross-site request forgery)."""
    return _page(
        request,
        403,
        "The page was too old",
        "The form was not sent from a current page. Nothing was changed. Open the page again and repeat it.",
    )


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404; says what is missing where a screen said so."""
    said = exception.args[0] if exception is not None and exception.args else None
    return _page(request, 404, "Not found", said if isinstance(said, str) else _UNSAID)


def failed(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours; the log has it."""
    return _page(
        request,
        500,
        "Something went wrong here",
        "The fault is ours and is in the log. What you had filed before is safe; try once more.",
    )
