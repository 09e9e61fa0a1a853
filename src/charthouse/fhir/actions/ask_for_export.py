"""Begin a bulk export: check who may have what, and let the worker do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.db import connection, transaction

from charthouse.fhir.access.api import Client
from charthouse.fhir.domain.asks import ID, resource_types
from charthouse.fhir.domain.export_asks import ExportAsk, Level
from charthouse.fhir.domain.outcomes import FhirProblem, problem
from charthouse.fhir.models import Export
from charthouse.fhir.narrowing import filter_of, fits
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import hash64, new_id
from charthouse.foundation.jobs.api import defer
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.rulepacks.api import parameter
from charthouse.record.api import Kept, SearchError, as_it_stands, rows_of_patients, types_in

OPEN = (Export.State.WAITING, Export.State.RUNNING)
#: What a request may say of itself in the manifest.
_LONGEST_REQUEST = 8_000


@dataclass(frozen=True, slots=True)
class _Of:
    """Whose resources: everybody's (None), or those of these source patients."""

    patients: list[int] | None


def ask_for_export(client: Client, level: Level, ask: ExportAsk, request: str, *, group: str = "") -> UUID:
    """Note an export and defer its job; its id. ``request`` is the address as the client called it.

    Raises FhirProblem: 403 for types that the token's scopes do not allow, 404 for a group that is not there,
    429 where too many exports are under way.
    """
    types = _types(client, level, ask)
    filters, passed_over = _filters(ask)
    of = _patients(client, level, ask, group)
    from charthouse.fhir.jobs import EXPORT

    with transaction.atomic():
        _refuse_too_many(client)
        export = Export.objects.create(
            id=new_id(),
            client_id=client.row,
            request=request[:_LONGEST_REQUEST],
            level=level.value,
            types=types,
            since=ask.since,
            patients=of.patients,
            elements=list(ask.elements),
            scopes=str(client.scopes),
            filters=filters,
            passed_over=[*ask.passed_over, *passed_over],
            asked_at=wall(),
        )
        export.job = defer(EXPORT, export=str(export.id))
        export.save(update_fields=["job"])
        append(
            client.ctx,
            "fhir.export-asked",
            subjects=[Subject("export", str(export.id))],
            detail={"level": level.value, "types": types if ask.types else "all"},
        )
    return export.id


def _types(client: Client, level: Level, ask: ExportAsk) -> list[str]:
    if ask.types is not None:
        if refused := [kind for kind in ask.types if not _may(client, kind)]:
            raise problem(
                403,
                f"The token's scopes do not allow to read and search for {', '.join(refused)}. Ask for a token "
                f"with system/{refused[0]}.rs, or leave the type out of _type.",
            )
        return list(ask.types)
    kinds = [kind for kind in resource_types() if _may(client, kind)]
    if not kinds:
        raise problem(403, "The token's scopes allow to read and search for nothing. Ask for system/*.rs.")
    return types_in(client.ctx, kinds, of_patients=level is not Level.SYSTEM)


def _filters(ask: ExportAsk) -> tuple[list[str], list[str]]:
    """The filters that are understood, and sentences of those that are not where the client is lenient.

    Raises SearchError for one that cannot be told of a resource, FhirProblem for one of a type that is not asked.
    """
    understood, passed_over = [], []
    for each in ask.filters:
        try:
            kind, _ = filter_of(each)
            if ask.types is not None and kind not in ask.types:
                raise problem(400, f"_typeFilter names {kind}, and _type does not. Name it there, too.")
            understood.append(each)
        except (SearchError, FhirProblem) as error:
            if not ask.lenient:
                raise
            passed_over.append(f"A _typeFilter was passed over: {error}")
    return understood, passed_over


def _may(client: Client, kind: str) -> bool:
    return client.may("r", kind) and client.may("s", kind)


def _patients(client: Client, level: Level, ask: ExportAsk, group: str) -> _Of:
    named = ask.patients
    if level is Level.GROUP:
        members = _members(client, group)
        named = tuple(each for each in members if ask.patients is None or each in ask.patients)
    if named is None:
        return _Of(None)
    rows = rows_of_patients(client.ctx, named)
    if ask.patients is not None and len(rows) < len(set(ask.patients)):
        raise problem(400, "A patient that is named is not here, or not in the group.", code="not-found")
    return _Of(rows)


def _members(client: Client, group: str) -> Sequence[str]:
    kept = as_it_stands(client.ctx, "Group", group) if ID.fullmatch(group) else None
    if kept is None or kept.is_deleted or not _sees(client, kept):
        raise problem(404, "There is no Group with this id.")
    if not client.may("r", "Group"):
        raise problem(403, "The token's scopes do not allow to read the Group. Ask for one with system/Group.rs.")
    found: dict[str, None] = {}
    for member in orjson.loads(kept.content).get("member", ()):
        reference = (member.get("entity") or {}).get("reference", "")
        if not member.get("inactive") and reference.startswith("Patient/"):
            found[reference.removeprefix("Patient/").partition("/")[0]] = None
    return list(found)


def _sees(client: Client, group: Kept) -> bool:
    return all(fits(client.ctx, client.scopes, "Group", [(group.row, group.content)]))


def _refuse_too_many(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [hash64("fhir:exports")])
    open_ones = Export.objects.filter(state__in=OPEN)
    if open_ones.filter(client=client.row).count() >= int(
        parameter("fhir.export", "of_client")
    ) or open_ones.count() >= int(parameter("fhir.export", "of_all")):
        raise problem(
            429,
            "As many exports as may be are under way. Wait until one has ended, or cancel one.",
            headers={"Retry-After": "60"},
        )
