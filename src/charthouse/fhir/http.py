"""The frame round every request to ``/fhir``: who asks, in which form, and every error as an OperationOutcome.

A bearer token only: no session, no cookie, no form token. What was read is in the ledger, and as a disclosure,
before the answer goes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from charthouse.configuration import configuration
from charthouse.exchange.fhir.api import FhirError, Limits
from charthouse.foundation.access.api import AccessContext, PermissionRefused
from charthouse.foundation.access.by_token import by_token
from charthouse.foundation.disclosure.api import Recipient, disclose_read
from charthouse.foundation.ledger.api import JSON, Outcome, Subject, append_read
from charthouse.foundation.logging import where
from charthouse.record.api import Kept, SearchError, as_it_stands

from .access.api import Client, authenticate, authenticate_reading
from .domain.asks import ID, is_kept
from .domain.negotiation import FHIR_JSON, Preference, answer_type, check_resource_type, preference
from .domain.outcomes import FhirProblem, Issue, outcome, problem
from .narrowing import fits

log = structlog.get_logger("charthouse.fhir")

#: What one request may bring: bytes of the body and of one resource, levels of nesting, entries of a bundle.
LIMITS = Limits(document_bytes=64 << 20, resource_bytes=32 << 20, depth=64, entries=20_000)
_BEARER = "Bearer "
NOT_SEARCHED = frozenset({"_format", "_pretty"})


@dataclass(slots=True)
class FhirRequest:
    """One request of a client.

    ``pairs`` are the query's names and values, decoded and in order, without ``_format`` and ``_pretty``.
    ``action`` is what the ledger calls it. A view says in ``subjects`` what the ledger's entry is about, and in
    ``disclosed`` which items of which patients leave the house; an action that wrote the entry itself sets
    ``logged``. A request within a bundle has ``headers`` and a body, ``brought``, of its own. ``ahead`` is the
    resource (by type and id) that was read with who asks.
    """

    raw: HttpRequest
    method: str
    client: Client
    ctx: AccessContext
    pairs: list[tuple[str, str]]
    prefer: Preference
    action: str
    answers: str = FHIR_JSON
    headers: Mapping[str, str] | None = None
    brought: bytes | None = None
    subjects: list[Subject] = field(default_factory=list)
    disclosed: dict[str, list[Subject]] = field(default_factory=dict)
    detail: dict[str, JSON] = field(default_factory=dict)
    logged: bool = False
    ahead: tuple[str, str, Kept | None] | None = None
    _base: str = field(default="", init=False)

    @property
    def base(self) -> str:
        """The address of the server, without a slash at its end."""
        if not self._base:
            self._base = base_url(self.raw)
        return self._base

    def header(self, name: str) -> str | None:
        """A header of the request; None where it is not there."""
        return header_of(self.raw, name) if self.headers is None else self.headers.get(name)

    def body(self) -> bytes:
        """The body as it came. Raises FhirProblem 413 for one beyond the limit."""
        if self.brought is None:
            self.brought = read_body(self.raw)  # once: it is a stream
        return self.brought

    def resource(self) -> bytes:
        """The body where it must be FHIR in JSON. Raises FhirProblem 415 for another type, 400 for an empty one."""
        check_resource_type(self.header("Content-Type") or "")
        body = self.body()
        if not body.strip():
            raise problem(400, "The body is empty; it must be a resource.", code="structure")
        return body

    def is_read(self) -> None:
        """Raise FhirProblem 405 for another method than GET and HEAD."""
        if self.method not in ("GET", "HEAD"):
            raise problem(405, "This address is only read.", headers={"Allow": "GET, HEAD, OPTIONS"})

    def standing(self, kind: str, id: str) -> Kept | None:
        """The current version of a resource, a deleted one's too; None where there is none that may be seen."""
        if self.ahead is not None and self.ahead[:2] == (kind, id):
            return self.ahead[2]
        return as_it_stands(self.ctx, kind, id)

    def shows(self, kept: Kept) -> None:
        """Note that a version leaves the house: in the ledger's entry, and as a disclosure of its patient's."""
        self.shows_item(kept.type, kept.public_id, kept.patient)

    def shows_item(self, kind: str, public_id: str, patient: str | None) -> None:
        """Note that a resource leaves the house, and whose it is (the patient's public id)."""
        item = Subject("resource", f"{kind}/{public_id}")
        self.subjects.append(item)
        if patient:
            self.disclosed.setdefault(patient, []).append(item)

    def sees(self, kept: Kept) -> bool:
        """Whether a version is among what the client's scopes let it read of the type."""
        return fits(self.ctx, self.client.scopes, kept.type, [(kept.row, kept.content)])[0]

    def seen(self, versions: Sequence[Kept]) -> list[Kept]:
        """Those of some versions that :meth:`sees` would see, asked at once."""
        by_type: dict[str, list[Kept]] = {}
        for each in versions:
            by_type.setdefault(each.type, []).append(each)
        shown: set[int] = set()
        for kind, some in by_type.items():
            fit = fits(self.ctx, self.client.scopes, kind, [(each.row, each.content) for each in some])
            shown.update(id(each) for each, is_seen in zip(some, fit, strict=True) if is_seen)
        return [each for each in versions if id(each) in shown]

    def may(self, action: str, resource_type: str) -> None:
        """Raise FhirProblem 403 unless the client's scopes allow an action (one of c, r, u, d, s) on a type."""
        if not self.client.may(action, resource_type):
            raise problem(
                403,
                f"The token's scopes do not allow to {_ACTIONS[action]} {resource_type}. Ask for a token with "
                f"system/{resource_type}.{action}.",
            )


_ACTIONS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search for"}


def refuse_operation(name: str) -> None:
    """Raise FhirProblem 404 for an operation that is not here, whose name stands where a type or an id would."""
    if name.startswith("$"):
        raise problem(
            404,
            f"There is no operation {name[:40]} here. /fhir/metadata names those there are.",
            code="not-supported",
        )


def read_body(request: HttpRequest) -> bytes:
    """The body of a request, read to a limit of ours and not of forms."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LIMITS.document_bytes:
        raise _too_large()
    body: bytes = request.read(LIMITS.document_bytes + 1)
    if len(body) > LIMITS.document_bytes:
        raise _too_large()
    return body


def _too_large() -> FhirProblem:
    return problem(
        413, f"The body is larger than the limit of {LIMITS.document_bytes:,} bytes. Send it in several requests."
    )


def header_of(request: HttpRequest, name: str) -> str | None:
    """A header of a request; None where it is not there. To give one, ``request.headers`` reads all."""
    key = name.upper().replace("-", "_")
    found: str | None = request.META.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}")
    return found


def base_url(request: HttpRequest) -> str:
    """The address of this server as the client calls it."""
    return f"{request.scheme}://{request.get_host()}/fhir"


def fhir_view(
    action: str, *, open_to_all: bool = False, also: Sequence[str] = (), reads: bool = False
) -> Callable[[Callable[..., HttpResponseBase]], Any]:
    """Make a view of a function of a :class:`FhirRequest`. ``action`` is what the ledger calls it.

    The client is known and every error is an OperationOutcome. ``open_to_all`` serves those without a token, too,
    what holds nothing of a patient; ``client`` is then None. ``also`` are media types that the view writes besides
    FHIR in JSON. ``reads`` stands for the view that is asked most, of the resource ``kind`` and ``id``: it is read
    in one statement with who asks.
    """

    def make(answer: Callable[..., HttpResponseBase]) -> Any:
        @csrf_exempt
        @wraps(answer)
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _serve(request, answer, action, open_to_all, also, reads, args, kwargs)

        setattr(view, _ANSWER, answer)
        return by_token(view)

    return make


_ANSWER = "charthouse_fhir_answer"


def answer_of(view: Callable[..., Any]) -> Callable[..., HttpResponse] | None:
    """The function behind a view of the API, for a request within a bundle; None for any other view."""
    found: Callable[..., HttpResponse] | None = getattr(view, _ANSWER, None)
    return found


def _serve(
    request: HttpRequest,
    answer: Callable[..., HttpResponseBase],
    action: str,
    open_to_all: bool,
    also: Sequence[str],
    reads: bool,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> HttpResponseBase:
    asked: FhirRequest | None = None
    response: HttpResponseBase
    try:
        if request.method == "OPTIONS":
            told = HttpResponse(status=200, headers={"Allow": ALLOWED})
            del told["Content-Type"]
            return _allow_origin(request, told)
        asked = _open(request, action, open_to_all, also, kwargs if reads else {})
        response = answer(asked, *args, **kwargs)
        if not open_to_all:
            _note(asked)
    except Exception as error:
        found = as_problem(error)
        response = _refused(found)
        if asked is not None and not open_to_all:
            refused = found.status in (401, 403)
            append_read(
                asked.ctx,
                "fhir.refused" if refused else asked.action,
                outcome=Outcome.REFUSED if refused else Outcome.FAILED,
                subjects=asked.subjects,
                detail={"status": found.status},
            )
        elif asked is None:
            _note_stranger(request, found)
    form = asked.answers if asked is not None else ""
    if form not in ("", FHIR_JSON) and response.get("Content-Type", "").startswith(FHIR_JSON):
        response["Content-Type"] = f"{form}; charset=utf-8"
    if response.status_code in (204, 304):
        del response["Content-Type"]
    if _is_pretty(request) and isinstance(response, HttpResponse) and not _is_file(asked):
        response.content = _pretty(response.content)
    if request.method == "HEAD" and isinstance(response, HttpResponse) and response.content:
        response["Content-Length"] = str(len(response.content))
        response.content = b""
    return _allow_origin(request, response)


def _is_file(asked: FhirRequest | None) -> bool:
    """Whether the answer is a file as it is, and no resource."""
    return asked is not None and not asked.answers


def _pretty(content: bytes) -> bytes:
    """JSON in lines, its numbers as they were written."""
    return msgspec.json.format(content, indent=2) if content else content


#: The methods that some address of the API takes.
ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def _open(
    request: HttpRequest, action: str, open_to_all: bool, also: Sequence[str], wanted: Mapping[str, Any]
) -> FhirRequest:
    query = _query(request)
    pairs = [pair for pair in query if pair[0] not in NOT_SEARCHED]
    form = next((value for name, value in reversed(query) if name == "_format"), None)
    client, ahead = (None, None) if open_to_all else _who(request, wanted)
    if client is None and not open_to_all:
        raise problem(
            401,
            "A bearer token that is in force is needed: Authorization: Bearer …",
            # RFC 6750, 3.1: a token that was sent and is not in force is named as such.
            headers={
                "WWW-Authenticate": 'Bearer error="invalid_token"'
                if header_of(request, "Authorization") is not None
                else "Bearer"
            },
        )
    return FhirRequest(
        raw=request,
        method=str(request.method),
        client=client,  # type: ignore[arg-type]  # None only where nobody is asked for
        ctx=client.ctx if client is not None else stranger(request),
        pairs=pairs,
        prefer=preference(header_of(request, "Prefer") or ""),
        action=action,
        answers=_answers(request, form, also),
        ahead=ahead,
    )


def _query(request: HttpRequest) -> list[tuple[str, str]]:
    """The query's names and values, in order. Raises FhirProblem 400 for more than a thousand."""
    try:
        return parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        raise problem(
            400, "The address has more than 1,000 parameters. Ask with less, or in several requests."
        ) from None


def _is_pretty(request: HttpRequest) -> bool:
    return "_pretty=true" in request.META.get("QUERY_STRING", "").split("&")


def _who(
    request: HttpRequest, wanted: Mapping[str, Any]
) -> tuple[Client | None, tuple[str, str, Kept | None] | None]:
    """The client, and ahead of its view the resource it wants to read, where it says which."""
    kind, id = wanted.get("kind", ""), wanted.get("id", "")
    if request.method not in ("GET", "HEAD") or not is_kept(kind) or not ID.fullmatch(id):
        return authenticate(request), None
    found = authenticate_reading(request, kind, id)
    return (found[0], (kind, id, found[1])) if found else (None, None)


def _answers(request: HttpRequest, form: str | None, also: Sequence[str]) -> str:
    """The media type of the answer; empty for a file that is asked for as it is."""
    try:
        return answer_type(header_of(request, "Accept") or "", form, also)
    except FhirProblem:
        if _FILE.search(request.path_info) and form is None:
            return ""
        raise


_FILE = re.compile(r"/Binary/[^/]+(?:/_history/\d+)?$")


def stranger(request: HttpRequest) -> AccessContext:
    """The context of somebody without a token."""
    return AccessContext("anonymous", "", frozenset(), remote=str(request.META.get("REMOTE_ADDR", "")))


def as_problem(error: Exception) -> FhirProblem:
    """What a client is told of an error; a fault of ours is in the log, without its text."""
    match error:
        case FhirProblem():
            return error
        case PermissionRefused():
            return problem(403, str(error))
        case SearchError():
            return problem(400, str(error), code="invalid")
        case FhirError():
            return problem(400, str(error), code="structure", expression=error.path or "")
        case DatabaseError():
            log.error("a request could not be answered", error=where(error))
            return problem(503, "It could not be done just now; send it again.", headers={"Retry-After": "2"})
        case _:
            log.error("a request failed", error=where(error))
            return problem(500, "The fault is ours and is in the log. Nothing was changed; try once more.")


def _refused(found: FhirProblem) -> HttpResponse:
    return HttpResponse(
        outcome(found.issues),
        status=found.status,
        content_type=f"{FHIR_JSON}; charset=utf-8",
        headers=dict(found.headers),
    )


def answered(
    body: bytes, status: int = 200, *, headers: Mapping[str, str] | None = None, issues: Sequence[Issue] = ()
) -> HttpResponse:
    """A response with a resource as its body; with ``issues``, these as an OperationOutcome instead."""
    return HttpResponse(
        outcome(issues) if issues else body,
        status=status,
        content_type=f"{FHIR_JSON}; charset=utf-8",
        headers=dict(headers or {}),
    )


def _note(asked: FhirRequest) -> None:
    if asked.logged and not asked.disclosed:
        return
    disclose_read(
        asked.ctx,
        asked.action,
        recipient=Recipient(asked.client.name, asked.client.address),
        items_by_patient=asked.disclosed,
        subjects=asked.subjects,
        description="By the FHIR API",
        detail=asked.detail or None,
    )


def _note_stranger(request: HttpRequest, found: FhirProblem) -> None:
    match = request.resolver_match
    append_read(
        stranger(request),
        "fhir.refused",
        outcome=Outcome.REFUSED,
        detail={"route": match.route if match else "", "status": found.status},
    )


def _allow_origin(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Let pages of the origins named in ``fhir_origins`` (``site.toml``) read the answer; of none by default."""
    origin = header_of(request, "Origin")
    if origin and origin in configuration().extra.get("fhir_origins", ()):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = ALLOWED
        response["Access-Control-Allow-Headers"] = (
            "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer"
        )
        response["Access-Control-Expose-Headers"] = "Content-Location, ETag, Last-Modified, Location"
        response["Vary"] = "Origin"
    return response
