"""``POST /intake``: HL7 v2, FHIR or C-CDA from another system. Kept durably before it is answered; workers
file it."""

from __future__ import annotations

import io
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from charthouse.intake import api as intake
from charthouse.web.security.api import public

_BEARER = "Bearer "


def _sender(request: HttpRequest) -> str | None:
    given = request.headers.get("Authorization", "")
    return intake.sender_of_token(given.removeprefix(_BEARER)) if given.startswith(_BEARER) else None


def _refused() -> JsonResponse:
    answer = JsonResponse({"error": "A sender's token is needed: Authorization: Bearer …"}, status=401)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@csrf_exempt
@public
@require_POST
def receive(request: HttpRequest) -> JsonResponse:
    """202 with the numbers the messages are kept under; 400 for what is none of these, and where a part of what was
    sent is, with the numbers of the rest; 401 without a token; 503 when it could not be kept, to be sent again."""
    sender = _sender(request)
    if sender is None:
        return _refused()
    taken: list[intake.Taken] = []
    try:
        # One by one, so that what came before a fault is known.
        taken.extend(
            intake.take_in(io.BytesIO(request.body), connector=intake.Connector.HTTP, sender=sender, file=False)
        )
    except intake.IntakeError as error:
        kept = {"messages": [_receipt(each) for each in taken]} if taken else {}
        return JsonResponse({"error": str(error), **kept}, status=400)
    except DatabaseError:
        return JsonResponse({"error": "It could not be kept just now; send it again."}, status=503)
    return JsonResponse({"messages": [_receipt(each) for each in taken]}, status=202)


def _receipt(taken: intake.Taken) -> dict[str, Any]:
    receipt = taken.receipt
    found: dict[str, Any] = {"id": receipt.message, "kind": taken.kind}
    if receipt.duplicate_of is not None:
        found["duplicate_of"] = receipt.duplicate_of
    return found


@csrf_exempt
@public
@require_safe
def received(request: HttpRequest, message: int) -> JsonResponse:
    """How far a message of this sender has come; 404 for anybody else's."""
    sender = _sender(request)
    if sender is None:
        return _refused()
    found = intake.message_state(sender, message)
    if found is None:
        return JsonResponse({"error": "There is no such message of yours."}, status=404)
    return JsonResponse(found)
