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
    """All rules by pack, each in its newest version."""
    registry = rulepacks.load()
    packs = [
        (pack, [registry.versions[code][-1] for code in dict.fromkeys(rule.code for rule in pack.rules)])
        for pack in registry.packs
    ]
    return render(request, "web/rules/list.html", {"packs": packs, "total": len(registry.versions)})


@screen(permissions.READ_RULES)
@require_safe
def rule(request: SignedInRequest, code: str) -> HttpResponse:
    """One rule in all its versions, newest first: what it says, its numbers, who made it, whether it binds."""
    versions = rulepacks.load().versions.get(code)
    if not versions:
        raise Http404("There is no such rule; the list of rules shows all there are.")
    return render(request, "web/rules/rule.html", {"rule": versions[-1], "versions": versions[::-1]})
