"""The systems that use the FHIR API: who they are, what they may do, and letting them in and out."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.fhir import api as fhir
from charthouse.foundation.access.api import Purpose, Role, may
from charthouse.web.numbers import whole
from charthouse.web.security.api import SignedInRequest, screen

_LONGEST = 1000
_LONGEST_KEYS = 64_000
_NAMES = ("name", "address", "scopes", "role", "purpose", "proof", "days", "jwks_url")
_FIRST = {"scopes": "system/*.read", "role": Role.HIT.value, "purpose": Purpose.TREATMENT.value, "proof": "token"}
_PROOFS = (
    ("token", "A token, shown here once"),
    ("keys", "Its own keys, given here"),
    ("address", "Its own keys, at an address"),
)
_PURPOSES = {
    Purpose.TREATMENT: "Treatment",
    Purpose.PAYMENT: "Payment",
    Purpose.OPERATIONS: "Health care operations",
    Purpose.RECORD_MANAGEMENT: "Records management",
    Purpose.PATIENT_REQUEST: "At the patient's request",
    Purpose.PUBLIC_HEALTH: "Public health",
    Purpose.RESEARCH: "Research",
    Purpose.LEGAL: "Legal",
    Purpose.EMERGENCY: "Emergency treatment",
    Purpose.TRAINING: "Training",
}


@screen(fhir.SEE_CLIENTS)
@require_safe
def everybody(request: SignedInRequest) -> HttpResponse:
    """Every client, those in force first."""
    rows = [(row, _PURPOSES.get(row.purpose, row.purpose.value)) for row in fhir.clients(request.access)]
    return render(request, "web/clients/list.html", {"rows": rows, "may_manage": _may_manage(request)})


@screen(fhir.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def add(request: SignedInRequest) -> HttpResponse:
    """Add a client; a token's secret stands in the answer and nowhere else in clear."""
    if request.method != "POST":
        return _form(request, dict.fromkeys(_NAMES, "") | _FIRST, "")
    values = {name: _text(request, name) for name in _NAMES}
    try:
        draft = fhir.NewClient(
            values["name"], values["scopes"], _role(values["role"]), _purpose(values["purpose"]), values["address"]
        )
        match values["proof"]:
            case "token":
                secret = fhir.add_token(request.access, draft, days=_days(values["days"]))
                context = {"name": draft.name, "secret": secret, "base": request.build_absolute_uri("/fhir")}
                return render(request, "web/clients/token.html", context)
            case "keys":
                fhir.add_client(request.access, draft, jwks=_keys(request))
            case "address":
                fhir.add_client(request.access, draft, jwks_url=values["jwks_url"])
            case _:
                raise fhir.ClientError("Say how the client proves who it is.")
    except fhir.ClientError as error:
        return _form(request, values | {"jwks": request.POST.get("jwks", "")[:_LONGEST_KEYS]}, str(error))
    made = next(row for row in fhir.clients(request.access) if row.name == draft.name and row.revoked_at is None)
    messages.success(request, "Added. Its client id stands below.")
    return redirect("clients-one", client=made.id)


@screen(fhir.SEE_CLIENTS)
@require_safe
def one(request: SignedInRequest, client: int) -> HttpResponse:
    """One client; administrators revoke it here, and change its keys."""
    return _shown(request, _found(request, client), "")


@screen(fhir.MANAGE_CLIENTS)
@require_POST
def revoke(request: SignedInRequest, client: int) -> HttpResponse:
    """Revoke a client with its tokens."""
    found = _found(request, client)
    try:
        fhir.revoke_client(request.access, client)
    except fhir.ClientError as error:
        return _shown(request, found, str(error))
    messages.success(request, "Revoked. Its tokens are refused from now on.")
    return redirect("clients-one", client=client)


@screen(fhir.MANAGE_CLIENTS)
@require_POST
def keys(request: SignedInRequest, client: int) -> HttpResponse:
    """Put other keys in the place of a client's."""
    found = _found(request, client)
    address = _text(request, "jwks_url")
    try:
        fhir.change_keys(request.access, client, jwks=None if address else _keys(request), jwks_url=address)
    except fhir.ClientError as error:
        return _shown(request, found, str(error))
    messages.success(request, "The keys are changed. Tokens given for the earlier ones are refused from now on.")
    return redirect("clients-one", client=client)


def _shown(request: SignedInRequest, row: fhir.ClientRow, fault: str) -> HttpResponse:
    context = {
        "row": row,
        "purpose": _PURPOSES.get(row.purpose, row.purpose.value),
        "may_manage": _may_manage(request),
        "token_address": request.build_absolute_uri("/fhir/auth/token"),
        "fault": fault,
        "jwks": request.POST.get("jwks", "")[:_LONGEST_KEYS] if fault else "",
    }
    return render(request, "web/clients/one.html", context, status=422 if fault else 200)


def _form(request: SignedInRequest, values: dict[str, str], fault: str) -> HttpResponse:
    context: dict[str, Any] = {
        "values": values,
        "fault": fault,
        "roles": [(role.value, role.title) for role in sorted(fhir.READ.roles | fhir.WRITE.roles)],
        "purposes": [(purpose.value, title) for purpose, title in _PURPOSES.items()],
        "proofs": _PROOFS,
    }
    return render(request, "web/clients/add.html", context, status=422 if fault else 200)


def _found(request: SignedInRequest, client: int) -> fhir.ClientRow:
    found = next((row for row in fhir.clients(request.access) if row.id == client), None)
    if found is None:
        raise Http404("There is no such client.")
    return found


def _may_manage(request: SignedInRequest) -> bool:
    return may(request.access, fhir.MANAGE_CLIENTS)


def _text(request: SignedInRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\0", "")[:_LONGEST].strip()


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise fhir.ClientError("Choose the role that the client stands for.") from None


def _purpose(text: str) -> Purpose:
    try:
        return Purpose(text)
    except ValueError:
        raise fhir.ClientError("Choose what the client uses records for.") from None


def _days(text: str) -> int | None:
    if not text:
        return None
    if (days := whole(text, 5)) is None:
        raise fhir.ClientError("How many days the token holds is a whole number, or left empty.")
    return days


def _keys(request: SignedInRequest) -> dict[str, Any]:
    text = request.POST.get("jwks", "")
    try:
        found = json.loads(text) if len(text) <= _LONGEST_KEYS else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise fhir.ClientError('The keys are no JSON Web Key Set, which looks like {"keys": [...]}.')
    return found
