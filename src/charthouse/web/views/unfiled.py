"""Unfiled messages: why each could not be filed, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.intake import api as intake
from charthouse.web.printing import day_of
from charthouse.web.security.api import SignedInRequest, screen

_STATES = {state.value: state for state in intake.UnfiledState}
_LONGEST_REASON = 500


def _chosen(request: SignedInRequest) -> intake.UnfiledFilter:
    asked = request.GET
    state = asked.get("state", intake.UnfiledState.WAITING.value)
    return intake.UnfiledFilter(
        state=_STATES.get(state),
        connector=asked.get("connector", ""),
        reason=asked.get("reason", ""),
        since=day_of(asked.get("since", "")),
        until=day_of(asked.get("until", "")),
    )


@screen(intake.READ_UNFILED)
@require_safe
def unfiled(request: SignedInRequest) -> HttpResponse:
    """The list, oldest first."""
    chosen = _chosen(request)
    page = intake.unfiled(request.access, chosen, request.GET.get("after"))
    kept = {name: value for name, value in request.GET.items() if name != "after" and value}
    context = {
        "queue": intake.UNFILED,
        "chosen": chosen,
        "page": page,
        "states": [("waiting", "Waiting"), ("filed", "Filed"), ("refused", "Refused"), ("all", "All")],
        "state": chosen.state.value if chosen.state else "all",
        "filtered": bool(chosen.connector or chosen.reason or chosen.since or chosen.until),
        "next": urlencode(kept | {"after": page.next}) if page.next else "",
    }
    return render(request, "web/unfiled/list.html", context)


@screen(intake.READ_UNFILED)
@require_safe
def message(request: SignedInRequest, message: int) -> HttpResponse:
    """One message with its mending; only the summary beside the list when the list asked for it."""
    found = intake.unfiled_message(request.access, message)
    if found is None:
        raise Http404("There is no such unfiled message.")
    context = {"queue": intake.UNFILED, "message": found, "may_mend": may(request.access, intake.MEND_UNFILED)}
    template = "preview" if "HX-Request" in request.headers else "message"
    return render(request, f"web/unfiled/{template}.html", context)


def _mended(request: SignedInRequest, message: int, act: Callable[[], str]) -> HttpResponse:
    """Do something to a message, say what came of it, and go back to it."""
    try:
        messages.success(request, act())
    except intake.IntakeError as error:
        messages.error(request, str(error))
    return redirect("unfiled-message", message=message)


def _outcome(state: intake.UnfiledState) -> str:
    if state is intake.UnfiledState.FILED:
        return "Filed. It is in the record now."
    return "Tried again; it still cannot be filed. The newest reason stands below."


@screen(intake.MEND_UNFILED)
@require_POST
def retry(request: SignedInRequest, message: int) -> HttpResponse:
    """Try to file it again as it is."""
    return _mended(request, message, lambda: _outcome(intake.retry_message(request.access, message)))


@screen(intake.MEND_UNFILED)
@require_POST
def sender(request: SignedInRequest, message: int) -> HttpResponse:
    """Set how the sender's messages are read where they do not say, and try again."""

    def act() -> str:
        zone, charset = request.POST.get("time_zone", "").strip(), request.POST.get("charset", "").strip()
        intake.correct_sender(request.access, message, time_zone=zone, charset=charset)
        return _outcome(intake.retry_message(request.access, message))

    return _mended(request, message, act)


@screen(intake.MEND_UNFILED)
@require_POST
def correct(request: SignedInRequest, message: int) -> HttpResponse:
    """File a corrected copy. The original stays as it came; the copy is a new message linked to it."""
    reason = request.POST.get("reason", "").strip()[:_LONGEST_REASON]
    text = request.POST.get("text", "")
    if not reason or not text.strip():
        messages.error(request, "Not sent: a correction needs its text and the reason for it.")
        return redirect("unfiled-message", message=message)

    def act() -> str:
        _copy, state = intake.correct_message(request.access, message, text, reason)
        if state is intake.UnfiledState.FILED:
            return "The corrected copy was filed. This message stays as it came."
        return "The corrected copy was kept, and cannot be filed either. It is linked below, with its own reason."

    return _mended(request, message, act)


@screen(intake.MEND_UNFILED)
@require_POST
def refuse(request: SignedInRequest, message: int) -> HttpResponse:
    """Close it without filing, with the reason. The original is kept."""
    reason = request.POST.get("reason", "").strip()[:_LONGEST_REASON]
    if not reason:
        messages.error(request, "Not refused: say why it is not to be filed.")
        return redirect("unfiled-message", message=message)

    def act() -> str:
        intake.refuse_message(request.access, message, reason)
        return "Refused. The original is kept, with your reason."

    return _mended(request, message, act)
