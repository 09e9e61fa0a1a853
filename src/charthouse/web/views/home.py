"""The first page after sign-in: what waits, and whether messages flow."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.foundation.access.api import may
from charthouse.intake import api as intake
from charthouse.web import permissions
from charthouse.web.security.api import SignedInRequest, screen


@screen(permissions.OPEN_HOME)
@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """What waits for this reader, and the health of the connectors for those who mend them."""
    sees_intake = may(request.access, intake.READ_UNFILED)
    context = {
        "sees_intake": sees_intake,
        "connectors": intake.connectors(request.access) if sees_intake else (),
        "filing": intake.filing_runs(request.access) if sees_intake else True,
        "unfiled": intake.unfiled_count(request.access) if sees_intake else 0,
    }
    return render(request, "web/home.html", context)
