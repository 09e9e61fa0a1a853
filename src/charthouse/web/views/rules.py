"""The rules by which Charthouse decides, with their sources: a list, and a page each."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.foundation.rulepacks import api as rulepacks
from charthouse.web import permissions
from charthouse.web.security.api import SignedInRequest, screen


@screen(permissions.READ_RULES)
@require_safe
def rules(request: SignedInRequest) -> HttpResponse:
    """All rules by pack."""
    packs = rulepacks.all_packs()
    return render(request, "web/rules/list.html", {"packs": packs, "total": sum(len(pack.rules) for pack in packs)})


@screen(permissions.READ_RULES)
@require_safe
def rule(request: SignedInRequest, code: str) -> HttpResponse:
    """One rule: what it says, its numbers, who made it, whether it binds."""
    try:
        found = rulepacks.rule(code)
    except LookupError as error:
        raise Http404("There is no such rule; the list of rules shows those in force here.") from error
    return render(request, "web/rules/rule.html", {"rule": found})
