"""Change the order in which a kind of encounter's chart stands."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from charthouse.completion.assembly_models import ChartOrder
from charthouse.completion.chart_orders import OrderLine, chart_order
from charthouse.completion.domain.chart_orders import default_orders, moved, whole
from charthouse.completion.domain.facts import EncounterKind
from charthouse.completion.errors import ChangedMeanwhile, CompletionError
from charthouse.completion.permissions import CHANGE_ORDER
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import append


def move_piece(ctx: AccessContext, kind: EncounterKind, piece: str, by: int, *, version: int) -> OrderLine:
    """Move a piece by so many places. ``version`` is the order that was seen. Raises PermissionRefused,
    CompletionError, ChangedMeanwhile."""
    require(ctx, CHANGE_ORDER)
    order = chart_order(kind)
    _require_seen(order, version)
    if piece not in order.pieces:
        raise CompletionError("There is no such piece in the order.")
    return set_chart_order(ctx, kind, moved(order.pieces, piece, by), version=version)


def set_chart_order(ctx: AccessContext, kind: EncounterKind, pieces: Sequence[str], *, version: int) -> OrderLine:
    """Put the pieces in this order; those it does not name stand behind. The versions before are kept.

    Raises PermissionRefused; CompletionError for a piece there is not; ChangedMeanwhile where somebody changed it.
    """
    require(ctx, CHANGE_ORDER)
    try:
        wanted = whole(pieces)
    except ValueError as error:
        raise CompletionError(str(error)) from None
    return _write(ctx, kind, wanted, version)


def restore_chart_order(ctx: AccessContext, kind: EncounterKind, *, version: int) -> OrderLine:
    """Put the pieces in the order they stood in before any change. Raises PermissionRefused, ChangedMeanwhile."""
    require(ctx, CHANGE_ORDER)
    return _write(ctx, kind, default_orders()[kind], version, restored=True)


def _require_seen(order: OrderLine, version: int) -> None:
    if order.version != version:
        raise ChangedMeanwhile(
            "Somebody changed this order since it was shown. It is shown anew; nothing was changed."
        )


def _write(
    ctx: AccessContext, kind: EncounterKind, pieces: tuple[str, ...], version: int, *, restored: bool = False
) -> OrderLine:
    order = chart_order(kind)
    _require_seen(order, version)
    if order.pieces == pieces:
        return order
    try:
        with transaction.atomic():
            ChartOrder.objects.create(
                kind=kind.value,
                version=version + 1,
                pieces=list(pieces),
                restored=restored,
                made_at=now(),
                made_by=ctx.actor,
                name=ctx.name or ctx.actor,
            )
            append(
                ctx,
                "completion.chart-order",
                detail={"kind": kind.value, "version": version + 1, "restored": restored},
            )
    except IntegrityError:
        raise ChangedMeanwhile(
            "Somebody changed this order at the same moment. It is shown anew; nothing was changed."
        ) from None
    return chart_order(kind)
