"""What a browser may do with our responses."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse

__all__ = ["DOCUMENT_POLICY", "PAGE_POLICY", "SecurityHeaders", "framed"]

View = TypeVar("View", bound=Callable[..., Any])

#: Everything from this very site, nothing inline, framed by nobody.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "object-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
#: For a received document shown in a frame of ours: it may paint itself, and nothing else.
DOCUMENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data:",
        "style-src 'unsafe-inline'",
        "object-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
    )
)
_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
_FRAMED = "charthouse_framed"


def framed(view: View) -> View:
    """Let our own pages show this view's response in a frame: a received document, a PDF. It runs no script."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = view(request, *args, **kwargs)
        setattr(response, _FRAMED, True)
        return response

    return shown  # type: ignore[return-value]


class SecurityHeaders:
    """Sets the headers of every response but static files', which hold nothing of a patient."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        in_frame = getattr(response, _FRAMED, False)
        headers = response.headers
        # A view may ask for less than this, as a received file does; none asks for more.
        headers.setdefault("Content-Security-Policy", DOCUMENT_POLICY if in_frame else PAGE_POLICY)
        headers["X-Frame-Options"] = "SAMEORIGIN" if in_frame else "DENY"
        headers["Permissions-Policy"] = ", ".join(f"{feature}=()" for feature in _FEATURES)
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if not request.path_info.startswith(settings.STATIC_URL):
            headers["Cache-Control"] = "no-store"
        return response
