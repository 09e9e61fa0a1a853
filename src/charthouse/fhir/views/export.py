"""Bulk exports (HL7 Bulk Data Access 2.0): asked for, watched, fetched, cancelled."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import orjson
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from charthouse.fhir.actions.ask_for_export import ask_for_export
from charthouse.fhir.actions.end_exports import cancel_export
from charthouse.fhir.domain.export_asks import NDJSON, Level, read_export, read_parameters
from charthouse.fhir.domain.negotiation import http_date, instant
from charthouse.fhir.domain.outcomes import Issue, outcome, problem
from charthouse.fhir.domain.scopes import kept_scopes
from charthouse.fhir.exports import export_file, export_progress, is_within, manifest_files
from charthouse.fhir.http import FhirRequest, answered, fhir_view
from charthouse.fhir.models import Export
from charthouse.foundation.clock import wall
from charthouse.foundation.files.api import open_stream
from charthouse.foundation.ledger.api import Subject

_POLL = timedelta(seconds=2)
_LINES = (NDJSON, "application/ndjson")


@fhir_view("fhir.export")
def of_system(request: FhirRequest) -> HttpResponse:
    """Export everything."""
    return _ask(request, Level.SYSTEM)


@fhir_view("fhir.export")
def of_patients(request: FhirRequest) -> HttpResponse:
    """Export what is of patients."""
    return _ask(request, Level.PATIENT)


@fhir_view("fhir.export")
def of_group(request: FhirRequest, group: str) -> HttpResponse:
    """Export what is of the patients of a Group."""
    return _ask(request, Level.GROUP, group)


def _ask(request: FhirRequest, level: Level, group: str = "") -> HttpResponse:
    pairs = request.pairs
    match request.method:
        case "GET":
            pass
        case "POST":
            pairs = [*pairs, *read_parameters(request.resource())]
        case _:
            raise problem(405, "An export is asked for by GET or POST.", headers={"Allow": "GET, POST, OPTIONS"})
    if not request.prefer.asynchronous:
        raise problem(400, "An export is done in the background only. Send Prefer: respond-async.")
    if form := request.raw.GET.get("_outputFormat"):
        pairs = [*pairs, ("_outputFormat", form)] if ("_outputFormat", form) not in pairs else pairs
    ask = read_export(
        pairs, level, wall(), lenient="handling=lenient" in request.raw.headers.get("Prefer", "").lower()
    )
    address = f"{request.base}{request.raw.get_full_path().removeprefix('/fhir')}"
    id = ask_for_export(request.client, level, ask, address, group=group)
    request.logged = True
    where = f"{request.base}/bulk/{id}"
    told = Issue("informational", f"The export has begun. Ask {where} how far it is.", severity="information")
    return answered(b"", 202, headers={"Content-Location": where}, issues=[told])


@fhir_view("fhir.export-status")
def status(request: FhirRequest, export: UUID) -> HttpResponse:
    """How far an export is: 202 while it runs, 200 with the manifest; DELETE cancels it, or forgets it with its
    files."""
    request.subjects.append(Subject("export", str(export)))
    match request.method:
        case "GET" | "HEAD":
            return _state(request, export)
        case "DELETE":
            if not cancel_export(request.client, export):
                raise _nothing()
            request.logged = True
            told = Issue(
                "informational", "The export is cancelled, its files are destroyed.", severity="information"
            )
            return answered(b"", 202, issues=[told])
        case _:
            raise problem(405, "The status is read, or deleted.", headers={"Allow": "GET, HEAD, DELETE, OPTIONS"})


def _state(request: FhirRequest, id: UUID) -> HttpResponse:
    found = export_progress(request.client, id)
    if found is None:
        raise _nothing()
    export, progress = found
    match export.state:
        case Export.State.DONE:
            return _manifest(request, export)
        case Export.State.WAITING | Export.State.RUNNING:
            return HttpResponse(
                status=202,
                headers={
                    "X-Progress": progress[:100],
                    "Retry-After": str(_POLL.seconds),
                    "Cache-Control": "no-store",
                },
            )
        case Export.State.FAILED:
            raise problem(500, "The export failed; the fault is ours and is in the log. Ask for it once more.")
        case _:
            raise _nothing()


def _manifest(request: FhirRequest, export: Export) -> HttpResponse:
    output: dict[bool, list[dict[str, object]]] = {False: [], True: []}
    for file in manifest_files(export):
        output[file.is_deleted].append(
            {
                "type": "Bundle" if file.is_deleted else file.type,
                "url": f"{request.base}/bulk/{export.id}/{file.id}",
                "count": file.lines,
            }
        )
    assert export.taken_at is not None and export.expires_at is not None
    told = {
        "transactionTime": instant(export.taken_at),
        "request": export.request,
        "requiresAccessToken": True,
        "output": output[False],
        "deleted": output[True],
        "error": [],
    }
    if export.passed_over:
        told["error"] = [
            {
                "type": "OperationOutcome",
                "url": f"{request.base}/bulk/{export.id}/errors",
                "count": len(export.passed_over),
            }
        ]
    return HttpResponse(
        orjson.dumps(told),
        content_type="application/json",
        headers={"Expires": http_date(export.expires_at), "Cache-Control": "no-store"},
    )


@fhir_view("fhir.export-file", also=_LINES)
def errors(request: FhirRequest, export: UUID) -> HttpResponse:
    """What a finished export was asked for and did not serve: an OperationOutcome for each, one a line."""
    request.is_read()
    found = export_progress(request.client, export)
    if found is None or found[0].state != Export.State.DONE or not found[0].passed_over:
        raise _nothing()
    request.subjects.append(Subject("export", str(export)))
    lines = [outcome([Issue("not-supported", each, severity="warning")]) for each in found[0].passed_over]
    return HttpResponse(
        b"".join(each + b"\n" for each in lines), content_type=NDJSON, headers={"Cache-Control": "no-store"}
    )


@fhir_view("fhir.export-file", also=_LINES)
def file(request: FhirRequest, export: UUID, file: UUID) -> HttpResponseBase:
    """A file of a finished export, streamed as it is opened; compressed for those who take gzip."""
    request.is_read()
    found = export_file(request.client, export, file)
    if found is None:
        raise problem(404, "There is no such file of yours; its time may be over. Ask for the export once more.")
    request.subjects += [Subject("export", str(export)), Subject("file", str(found.file))]
    request.may("r", found.type)
    if not is_within(request.client.scopes, kept_scopes(found.export.scopes), found.type):
        raise problem(403, "The token's scopes are narrower than those the export was asked with.")
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-store"}
    gzip = "gzip" in request.raw.headers.get("Accept-Encoding", "")
    if gzip:
        headers["Content-Encoding"] = "gzip"
    else:
        headers["Content-Length"] = str(found.size)
    if request.method == "HEAD":
        return HttpResponse(content_type=NDJSON, headers=headers)
    stream = open_stream(found.file)
    return StreamingHttpResponse(_gzipped(stream) if gzip else stream, content_type=NDJSON, headers=headers)


def _gzipped(stream: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in stream:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _nothing() -> Exception:
    return problem(404, "There is no such export of yours; it may have been cancelled, or its time is over.")
