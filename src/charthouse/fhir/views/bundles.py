"""A batch or a transaction: each entry a request of its own, or all of them whole or not at all."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpResponse
from django.urls import Resolver404, resolve

from charthouse.exchange.fhir.api import Entry, Form, instant_range, split, to_datetime
from charthouse.fhir.actions.write import Done, done_in_words, write
from charthouse.fhir.domain.asks import Ask, ask_of, at, entry_url, head_of, method_of
from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.negotiation import FHIR_JSON, PATCH_JSON, etag, http_date, instant, read_http_date
from charthouse.fhir.domain.outcomes import FhirProblem, Issue, outcome_json, problem
from charthouse.fhir.domain.patching import apply_patch
from charthouse.fhir.domain.path_patching import apply_path_patch
from charthouse.fhir.http import LIMITS, NOT_SEARCHED, FhirRequest, answer_of, answered, as_problem
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.record.api import Kept, all_as_they_stand, whole

_SCOPES = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
_ACTIONS = {"POST": "fhir.create", "PUT": "fhir.update", "PATCH": "fhir.patch", "DELETE": "fhir.delete"}
#: The order of R4, 3.1.0.11.2: what is deleted first, what is read last.
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}

Json = dict[str, Any]


def bundle(request: FhirRequest) -> HttpResponse:
    """Carry out a Bundle of type batch or transaction."""
    request.action = "fhir.bundle"
    body = request.resource()
    parts = split(body, LIMITS)
    if parts.form is not Form.BUNDLE or parts.envelope is None:
        kind = head_of(body).resourceType
        raise problem(
            400,
            f"A Bundle is expected here, and this is a {kind[:60]}. Create it with POST to /fhir/{kind[:60]}.",
            expression="resourceType",
        )
    entries = list(parts)
    match parts.envelope.type:
        case "transaction":
            request.action = "fhir.transaction"
            answers = _transaction(request, entries, parts.envelope.data)
        case "batch":
            request.action = "fhir.batch"
            answers = _batch(request, entries)
        case _:
            raise problem(
                400,
                "Only Bundles of type batch and transaction are carried out. "
                "Keep another with POST to /fhir/Bundle.",
                code="value",
                expression="Bundle.type",
            )
    made = {
        "resourceType": "Bundle",
        "id": str(new_id()),
        "meta": {"lastUpdated": instant(wall())},
        "type": f"{parts.envelope.type}-response",
        "link": [{"relation": "self", "url": request.base}],
    }
    if answers:
        made["entry"] = answers
    return answered(orjson.dumps(made))


def _place(entry: Entry) -> str:
    return f"Bundle.entry[{entry.index}]"


def _is_write(entry: Entry, base: str) -> bool:
    """Whether an entry writes a resource; a read, a search and an operation do not."""
    if method_of(entry, _place(entry)) in ("GET", "HEAD"):
        return False
    last = entry_url(entry.url or "", base).path.rpartition("/")[2]
    return not (entry.method == "POST" and (last.startswith("$") or last == "_search"))


def _asked(request: FhirRequest, entry: Entry) -> Ask:
    ask = ask_of(entry, request.base, _place(entry))
    request.may(_SCOPES[ask.method], ask.type)
    if ask.method == "PATCH":
        ask.patched, ask.resource = _patch_in(entry)
    elif ask.method != "DELETE":
        head = head_of(ask.resource, f"{ask.place}.resource")
        if head.resourceType != ask.type:
            raise problem(
                400,
                f"The resource is a {head.resourceType[:60]}, and the entry's url is that of {ask.type}.",
                expression=f"{ask.place}.resource",
            )
    return ask


def _patch_in(entry: Entry) -> tuple[Callable[[bytes, bytes], bytes], bytes]:
    """The patch of an entry and what applies it: a FHIRPath Patch (Parameters), or a JSON Patch in a Binary."""
    place = f"{_place(entry)}.resource"
    kind = head_of(entry.resource, place).resourceType
    if kind == "Parameters":
        return apply_path_patch, entry.resource
    if kind == "Binary":
        binary = orjson.loads(entry.resource)
        if str(binary.get("contentType", "")).partition(";")[0] == PATCH_JSON:
            try:
                return apply_patch, base64.b64decode(str(binary.get("data", "")), validate=True)
            except binascii.Error:
                raise problem(400, "The data is not base64.", code="value", expression=f"{place}.data") from None
    raise problem(400, f"A patch in a Bundle is Parameters, or a Binary of type {PATCH_JSON}.", expression=place)


def _transaction(request: FhirRequest, entries: Sequence[Entry], envelope: bytes) -> list[Json]:
    asks: list[Ask] = []
    reads: list[Entry] = []
    for entry in entries:
        try:
            if _is_write(entry, request.base):
                asks.append(_asked(request, entry))
            else:
                reads.append(entry)
        except FhirProblem as error:
            raise at(_place(entry), error) from None
    asks.sort(key=lambda each: _ORDER[each.method])

    def then(done: list[Done]) -> list[Json]:
        for ask, one in zip(asks, done, strict=True):
            if ask.method == "PUT" and one.status == 201:
                request.may("c", ask.type)
        answers = {ask.seq: each for ask, each in zip(asks, _told(request, asks, done), strict=True)}
        for entry in reads:
            try:
                answers[entry.index + 1] = _part(_within(request, entry))
            except FhirProblem as error:
                raise at(_place(entry), error) from None
        request.logged = any(one.version and not one.met for one in done)
        return [answers[entry.index + 1] for entry in entries]

    return write(
        request.client,
        asks,
        base=request.base,
        action=request.action,
        kind="Bundle transaction",
        envelope=envelope,
        then=then,
    )


def _batch(request: FhirRequest, entries: Sequence[Entry]) -> list[Json]:
    answers: dict[int, Json] = {}
    request.logged = False
    wrote = False
    for entry in sorted(entries, key=lambda each: _ORDER.get(each.method or "", 4)):
        try:
            if _is_write(entry, request.base):
                answers[entry.index], written = _alone(request, entry)
                wrote = wrote or written
            else:
                answers[entry.index] = _part(_within(request, entry))
        except Exception as error:
            found = at(_place(entry), as_problem(error))
            answers[entry.index] = {
                "response": {"status": _status(found.status), "outcome": outcome_json(found.issues)}
            }
    request.logged = wrote
    return [answers[entry.index] for entry in entries]


def _alone(request: FhirRequest, entry: Entry) -> tuple[Json, bool]:
    ask = _asked(request, entry)

    def then(done: list[Done]) -> tuple[Json, bool]:
        if ask.method == "PUT" and done[0].status == 201:
            request.may("c", ask.type)
        return _told(request, [ask], done)[0], bool(done[0].version) and not done[0].met

    return write(
        request.client, [ask], base=request.base, action=_ACTIONS[ask.method], kind="Bundle batch", then=then
    )


def _told(request: FhirRequest, asks: Sequence[Ask], done: Sequence[Done]) -> list[Json]:
    """The answers to writes; with their resources, or with what was done in words, where Prefer asks for it."""
    kept: dict[tuple[str, str], Kept] = {}
    if request.prefer.returned == "representation":
        kept = all_as_they_stand(
            request.ctx,
            [(one.type, one.id) for one in done if one.status != 204 and request.client.may("r", one.type)],
        )
    answers: list[Json] = []
    for _ask, one in zip(asks, done, strict=True):
        response: Json = {"status": _status(one.status)}
        if one.status != 204:
            response["location"] = f"{one.type}/{one.id}/_history/{one.version}"
        if one.version and one.at:
            response |= {"etag": etag(one.version), "lastModified": instant(one.at)}
        if request.prefer.returned == "OperationOutcome":
            response["outcome"] = outcome_json([Issue("informational", done_in_words(one), severity="information")])
        answer: Json = {"response": response}
        if one.status != 204:
            answer = {"fullUrl": f"{request.base}/{one.type}/{one.id}", **answer}
        if (found := kept.get((one.type, one.id))) and request.sees(found):
            if one.met:
                request.shows(found)
            answer["resource"] = orjson.Fragment(with_meta(whole(found), found.version, found.at))
        answers.append(answer)
    return answers


def _within(request: FhirRequest, entry: Entry) -> HttpResponse:
    """Answer the read, search or operation of an entry as its address would."""
    url = entry_url(entry.url or "", request.base)
    place = f"{_place(entry)}.request.url"
    try:
        found = resolve(f"/fhir/{'/'.join(url.parts)}" if url.path else "/fhir")
    except Resolver404:
        raise problem(404, "The url names nothing that this server answers.", expression=place) from None
    answer = answer_of(found.func)
    if answer is None or (not url.path and entry.method == "POST"):
        raise problem(400, "An entry cannot ask for this.", code="not-supported", expression=place)
    headers = {"Content-Type": FHIR_JSON}
    if entry.if_none_match:
        headers["If-None-Match"] = entry.if_none_match
    if entry.if_modified_since:
        since = instant_range(entry.if_modified_since)
        if since is None:
            raise problem(
                400,
                "request.ifModifiedSince is no instant such as 2024-02-28T12:00:00Z.",
                code="value",
                expression=f"{_place(entry)}.request.ifModifiedSince",
            )
        headers["If-Modified-Since"] = http_date(to_datetime(since[0]))
    pairs = [pair for pair in parse_qsl(url.query, keep_blank_values=True) if pair[0] not in NOT_SEARCHED]
    inner = replace(request, method=str(entry.method), pairs=pairs, headers=headers, brought=entry.resource)
    return answer(inner, *found.args, **found.kwargs)


def _part(response: HttpResponse) -> Json:
    """A response as the answer of an entry."""
    told: Json = {"status": _status(response.status_code)}
    for name, header in (("etag", "ETag"), ("location", "Location")):
        if header in response:
            told[name] = response[header]
    if (at := read_http_date(response.get("Last-Modified"))) is not None:
        told["lastModified"] = instant(at)
    answer: Json = {"response": told}
    if response.content:
        answer["resource"] = orjson.Fragment(response.content)
    return answer


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
