"""The page of a refusal: what is missing, and who can help."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from charthouse.foundation.access.api import PermissionRefused

__all__ = ["refused"]


def refused(request: HttpRequest, error: PermissionRefused | None = None) -> HttpResponse:
    """403: the right that is missing, the roles that hold it, and the roles the asker has.

    Without ``error`` it is a view that declares no right: a fault of ours, refused all the same.
    """
    inside = getattr(request, "access", None) is not None
    context = {"layout": "layout/shell.html" if inside else "layout/plain.html"}
    if error is not None:
        context |= {
            "right": error.permission.title,
            "holders": ", ".join(sorted(role.title for role in error.permission.roles)),
            "own": ", ".join(sorted(role.title for role in error.ctx.roles)) or "none in force",
            "who": error.ctx.name,
        }
    return render(request, "security/refused.html", context, status=403)
