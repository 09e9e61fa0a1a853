"""Keep a model that was learnt here, and put one in force or take it out again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.identity.domain.model import default_model
from charthouse.identity.permissions import CHANGE_MATCHING
from charthouse.identity.policy import ask_again


class NoSuchModel(ValueError):
    """No model of this version is kept; the message says which are."""


def keep_model(
    ctx: AccessContext,
    version: str,
    saved: str,
    frequencies: Mapping[str, tuple[Mapping[str, float], float]],
    report: Mapping[str, Any],
) -> None:
    """Keep a model under its version; the same once more changes nothing. Nothing is matched by it yet."""
    require(ctx, CHANGE_MATCHING)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_model (version, saved, frequencies, report, learnt_by, learnt_at)"
            " VALUES (%s, %s, %s::jsonb, %s::jsonb, %s, %s) ON CONFLICT (version) DO NOTHING",
            [
                version,
                saved,
                orjson.dumps(frequencies).decode(),
                orjson.dumps(report).decode(),
                ctx.actor,
                wall(),
            ],
        )
        append_ledger(ctx, "identity.learn-model", detail={"model": version})


def put_in_force(ctx: AccessContext, version: str) -> None:
    """Match by this model from now on; that which comes with Charthouse is named by its version too.

    Who was linked stays linked; ``charthouse identity rescore`` shows what would be decided otherwise. Raises
    PermissionRefused, NoSuchModel.
    """
    require(ctx, CHANGE_MATCHING)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT version FROM identity_model ORDER BY version FOR UPDATE")
        kept = [row[0] for row in cursor.fetchall()]
        if version not in kept and version != default_model().version:
            raise NoSuchModel(
                f"No model {version!r} is kept here. There are {', '.join([default_model().version, *kept])}."
            )
        cursor.execute("UPDATE identity_model SET in_force = false WHERE in_force AND version <> %s", [version])
        cursor.execute("UPDATE identity_model SET in_force = true WHERE version = %s", [version])
        append_ledger(ctx, "identity.use-model", detail={"model": version})
    ask_again()
