"""The page for what is not there, in the frame of the rest for those who are signed in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

_UNSAID = "There is no such page. It may have been moved or never existed."


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404; says what is missing where a screen said so."""
    if getattr(request, "access", None) is None:
        return render(request, "404.html", status=404)
    said = exception.args[0] if exception is not None and exception.args else None
    return render(request, "web/missing.html", {"said": said if isinstance(said, str) else _UNSAID}, status=404)
