"""Reading one resource, one version, and the history of a resource, a type or everything."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse

from charthouse.exchange.fhir.api import instant_range, to_datetime
from charthouse.fhir.domain.asks import ID, check_type, resource_types
from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.negotiation import etag, http_date, instant, is_among, read_http_date
from charthouse.fhir.domain.outcomes import FhirProblem, problem
from charthouse.fhir.domain.shape import Shape
from charthouse.fhir.http import FhirRequest, answered, fhir_view
from charthouse.fhir.narrowing import terms_of
from charthouse.fhir.searching.answer import read_form
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject
from charthouse.record.api import (
    HistoryPage,
    Kept,
    Turn,
    Window,
    all_as_they_stand,
    as_it_stands,
    count_versions,
    destroyed_on,
    history,
    one_version,
    whole,
)

_COUNT, _MOST = 50, 1_000


def read(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """A resource as it stands: 200, 304 where the client has it, 404, or 410 for a deleted one."""
    request.action = "fhir.read"
    check_type(kind)
    request.may("r", kind)
    kept = request.standing(kind, id) if ID.fullmatch(id) else None
    if kept is None or not request.sees(kept):
        request.subjects.append(Subject("resource", f"{kind}/{id[:64]}"))
        raise _not_there(request, kind, id, f"There is no {kind} with this id.")
    if kept.is_deleted:
        request.subjects.append(Subject("resource", f"{kind}/{id}"))
        raise problem(
            410,
            f"The {kind} was deleted. Its earlier versions are in its history.",
            headers={"ETag": etag(kept.version), "Last-Modified": http_date(kept.at)},
        )
    if _is_known(request, kept):
        request.subjects.append(Subject("resource", f"{kind}/{id}"))
        return HttpResponse(status=304, headers=headers_of(kept))
    return shown(request, kept)


def _not_there(request: FhirRequest, kind: str, id: str, words: str) -> FhirProblem:
    """404 with ``words``, or 410 for what was lawfully destroyed."""
    at = destroyed_on(request.ctx, kind, id) if ID.fullmatch(id) else None
    if at is None:
        return problem(404, words)
    return problem(410, f"The {kind} was lawfully destroyed on {at:%Y-%m-%d}, when its time was over.")


def _is_known(request: FhirRequest, kept: Kept) -> bool:
    if (known := request.header("If-None-Match")) is not None:
        return is_among(known, kept.version)
    since = read_http_date(request.header("If-Modified-Since"))
    return since is not None and kept.at.replace(microsecond=0) <= since


def headers_of(kept: Kept) -> dict[str, str]:
    """The headers that name a version."""
    return {"ETag": etag(kept.version), "Last-Modified": http_date(kept.at)}


def shown(request: FhirRequest, kept: Kept) -> HttpResponse:
    """A version as a response, noted as leaving the house; a Binary as the file it holds where that is asked."""
    request.shows(kept)
    content = whole(kept)
    if kept.type == "Binary" and not request.answers:
        return _file(kept, orjson.loads(content))
    content = with_meta(content, kept.version, kept.at)
    if request.pairs:
        content = read_form(request.pairs, strict=request.prefer.strict).shape.cut(kept.type, content)
    return answered(content, headers=headers_of(kept))


def _file(kept: Kept, binary: dict[str, Any]) -> HttpResponse:
    data = b64decode(str(binary.get("data") or ""))
    headers = {**headers_of(kept), "Content-Disposition": "attachment"}
    if context := (binary.get("securityContext") or {}).get("reference"):
        headers["X-Security-Context"] = str(context)
    return HttpResponse(
        data, content_type=str(binary.get("contentType") or "application/octet-stream"), headers=headers
    )


@fhir_view("fhir.vread")
def vread(request: FhirRequest, kind: str, id: str, version: str) -> HttpResponse:
    """One version: 200, 404, or 410 where it says that the resource was deleted."""
    request.is_read()
    check_type(kind)
    request.may("r", kind)
    number = int(version) if version.isdecimal() and len(version) < 10 else 0
    kept = one_version(request.ctx, kind, id, number) if number and ID.fullmatch(id) else None
    if kept is None or not _shown_versions(request, [kept]):
        request.subjects.append(Subject("resource", f"{kind}/{id[:64]}"))
        raise _not_there(request, kind, id, f"There is no such version of a {kind} with this id.")
    if kept.is_deleted:
        request.subjects.append(Subject("resource", f"{kind}/{id}"))
        raise problem(410, f"This version says that the {kind} was deleted.", headers=headers_of(kept))
    if _is_known(request, kept):
        request.subjects.append(Subject("resource", f"{kind}/{id}"))
        return HttpResponse(status=304, headers=headers_of(kept))
    return shown(request, kept)


@fhir_view("fhir.history")
def history_of_one(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """Every version of one resource."""
    check_type(kind)
    request.may("r", kind)
    kept = as_it_stands(request.ctx, kind, id) if ID.fullmatch(id) else None
    if kept is None or not request.sees(kept):
        raise _not_there(request, kind, id, f"There is no {kind} with this id.")
    return _history(request, [kind], kept, f"{kind}/{id}/_history")


@fhir_view("fhir.history")
def history_of_type(request: FhirRequest, kind: str) -> HttpResponse:
    """Every version of every resource of a type."""
    check_type(kind)
    request.may("r", kind)
    return _history(request, [kind], None, f"{kind}/_history")


@fhir_view("fhir.history")
def history_of_all(request: FhirRequest) -> HttpResponse:
    """Every version of everything of the types that the client may read."""
    kinds = [kind for kind in resource_types() if request.client.may("r", kind)]
    if not kinds:
        raise problem(403, "The token's scopes allow to read nothing. Ask for a token with system/*.r.")
    return _history(request, kinds, None, "_history")


def _history(request: FhirRequest, kinds: list[str], one: Kept | None, path: str) -> HttpResponse:
    request.is_read()
    asked = _asked(request)
    public_id = one.public_id if one else None
    found = HistoryPage([], None, None)
    if asked.count:
        found = history(
            request.ctx, kinds, public_id, asked.window, count=asked.count, after=asked.after, before=asked.before
        )
    page = _shown_versions(request, found.versions)
    links = [{"relation": "self", "url": _link(request, path, asked.told)}]
    told = [pair for pair in asked.told if pair[0] not in (_AFTER, _BEFORE)]
    for relation, name, turn in (("previous", _BEFORE, found.previous), ("next", _AFTER, found.next)):
        if turn is not None:
            micros = (turn[0] - _EPOCH) // timedelta(microseconds=1)
            url = _link(request, path, [*told, (name, f"{micros}.{turn[1]}.{turn[2]}")])
            links.append({"relation": relation, "url": url})
    bundle: dict[str, object] = {
        "resourceType": "Bundle",
        "id": str(new_id()),
        "meta": {"lastUpdated": instant(wall())},
        "type": "history",
    }
    # Of one resource they are counted at once; of all of a type that is asked for, or seen at the first page. What
    # scopes are narrowed to cannot be counted without reading it.
    if any(terms_of(request.client, "r", kind) for kind in kinds):
        pass
    elif asked.counted or one is not None or not asked.count:
        bundle["total"] = count_versions(request.ctx, kinds, public_id, asked.window)
    elif found.next is None and asked.after is None and asked.before is None:
        bundle["total"] = len(page)
    bundle["link"] = links
    if page:
        bundle["entry"] = [_entry(request, kept, asked.shape) for kept in page]
    return answered(orjson.dumps(bundle))


def _shown_versions(request: FhirRequest, page: list[Kept]) -> list[Kept]:
    """Those of some versions that the client's scopes let it read: by what each says, and what stands now."""
    page = request.seen(page)
    narrow = {kept.type for kept in page if terms_of(request.client, "r", kept.type)}
    older = {(kept.type, kept.public_id) for kept in page if kept.type in narrow and kept.version < kept.newest}
    now = all_as_they_stand(request.ctx, older)
    hidden = now.keys() - {(kept.type, kept.public_id) for kept in request.seen(list(now.values()))}
    return [kept for kept in page if (kept.type, kept.public_id) not in hidden]


def _entry(request: FhirRequest, kept: Kept, shape: Shape) -> dict[str, object]:
    request.shows(kept)
    here = f"{kept.type}/{kept.public_id}"
    entry: dict[str, object] = {"fullUrl": f"{request.base}/{here}"}
    if kept.is_deleted:
        method, url, status = "DELETE", here, "204"
    else:
        content = with_meta(whole(kept), kept.version, kept.at)
        entry["resource"] = orjson.Fragment(shape.cut(kept.type, content))
        method, url, status = ("POST", kept.type, "201") if kept.version == 1 else ("PUT", here, "200")
    entry["request"] = {"method": method, "url": url}
    entry["response"] = {"status": status, "etag": etag(kept.version), "lastModified": instant(kept.at)}
    return entry


def _link(request: FhirRequest, path: str, pairs: list[tuple[str, str]]) -> str:
    return f"{request.base}/{path}" + (f"?{urlencode(pairs)}" if pairs else "")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The parameters by which a page goes on from the last version of the one before, and back from its first.
_AFTER, _BEFORE = "_page", "_before"
_PAGE = re.compile(r"(-?\d{1,18})\.(\d{1,18})\.(\d{1,9})")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of a history is asked for: how many, which part, from where on, in which shape, whether it is counted,
    and the parameters understood."""

    count: int
    window: Window
    after: Turn | None
    before: Turn | None
    shape: Shape
    counted: bool
    told: list[tuple[str, str]]


def _asked(request: FhirRequest) -> _Asked:
    count, since, low, high, counted = _COUNT, None, None, None, False
    after = before = None
    told: list[tuple[str, str]] = []
    shaping: list[tuple[str, str]] = []
    for name, value in request.pairs:
        match name:
            case "_count":
                if not value.isdecimal() or len(value) > 9:
                    raise problem(400, "_count is a whole number from 0 up.", code="value")
                count = min(int(value), _MOST)
            case "_since":
                since = to_datetime(_range(name, value)[0])
            case "_at":
                low, high = map(to_datetime, _range(name, value))
            case "_page":
                after = _turn(name, value)
            case "_before":
                before = _turn(name, value)
            case "_summary" if value == "count":
                count = 0
            case "_summary" | "_elements":
                shaping.append((name, value))
                continue
            case "_total":
                counted = value == "accurate"
            case _:
                if request.prefer.strict:
                    raise problem(400, f"A history has no parameter {name[:40]!r}.", code="not-supported")
                continue
        told.append((name, value))
    form = read_form(shaping, strict=request.prefer.strict)
    return _Asked(count, Window(since, low, high), after, before, form.shape, counted, [*told, *form.understood])


def _turn(name: str, value: str) -> Turn:
    try:
        if found := _PAGE.fullmatch(value):
            return _EPOCH + timedelta(microseconds=int(found[1])), int(found[2]), int(found[3])
    except OverflowError:
        pass
    raise problem(400, f"{name} is none of ours. Follow the links as they are.", code="value")


def _range(name: str, value: str) -> tuple[int, int]:
    found = instant_range(value.replace(" ", "+"))
    if found is None:
        raise problem(400, f"{name} is no time. Write it as 2026-11-28T10:00:00Z.", code="value")
    return found
