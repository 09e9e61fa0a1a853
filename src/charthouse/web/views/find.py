"""Find a patient: answers while one types, and a list of everybody found.

What was typed travels by POST and waits in the session, so that no name or number ever stands in an address.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from charthouse.foundation.access.api import may
from charthouse.frontdesk.api import REGISTER
from charthouse.identity import api as identity
from charthouse.web.reading import note_search
from charthouse.web.security.api import SignedInRequest, screen

SUGGESTIONS = 8
LISTED = 50
_LONGEST = 200
_SESSION = "find"


def _text(request: SignedInRequest) -> str:
    return " ".join(request.POST.get("text", "")[:_LONGEST].replace("\0", "").split())


@screen(identity.FIND_PATIENT)
@require_POST
def suggest(request: SignedInRequest) -> HttpResponse:
    """The options under the box for what is typed so far; nothing for a single letter."""
    text = _text(request)
    if len(text) < 2:
        return HttpResponse()
    hits = identity.find(request.access, text, SUGGESTIONS)
    note_search(request.access, text, [hit.person for hit in hits])
    return render(request, "web/find/options.html", {"hits": hits, "full": len(hits) == SUGGESTIONS})


@screen(identity.FIND_PATIENT)
@require_http_methods(["GET", "POST"])
def find(request: SignedInRequest) -> HttpResponse:
    """Everybody found, best first."""
    if request.method == "POST":
        request.session[_SESSION] = _text(request)
        return redirect("find")
    text = request.session.get(_SESSION, "")
    hits = identity.find(request.access, text, LISTED) if text else []
    if text:
        note_search(request.access, text, [hit.person for hit in hits])
    context = {
        "text": text,
        "hits": hits,
        "full": len(hits) == LISTED,
        "may_register": may(request.access, REGISTER),
    }
    return render(request, "web/find/page.html", context)
