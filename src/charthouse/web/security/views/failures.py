"""The pages of refusals: what is missing, and who can help."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from charthouse.foundation.access.api import PermissionRefused

__all__ = ["csrf_failure", "refused", "undeclared"]


def refused(request: HttpRequest, error: PermissionRefused) -> HttpResponse:
    """403: the right that is missing, the roles that hold it, and the roles the asker has."""
    context = {
        "right": error.permission.title,
        "holders": sorted(role.title for role in error.permission.roles),
        "own": sorted(role.title for role in error.ctx.roles),
        "who": error.ctx.name,
    }
    return render(request, "security/refused.html", context, status=403)


def undeclared(request: HttpRequest) -> HttpResponse:
    """403 for a view that says nothing of who may open it: a fault of ours, refused all the same."""
    return render(request, "security/refused.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that was not ours or too old."""
    return render(request, "security/stale_form.html", status=403)
