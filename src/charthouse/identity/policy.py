"""The numbers of the rule pack ``identity.matching`` and the model in use."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import connection

from charthouse.foundation.clock import now
from charthouse.foundation.rulepacks.api import parameter

from .domain.decision import Thresholds
from .domain.model import Model, default_model, read_model
from .domain.placeholders import FIELDS, Learnt

DECISION = "identity.decision"
BLOCKING = "identity.blocking"
SUSPICIOUS = "identity.suspicious-update"
REVIEW_DUE = "identity.review-due"
#: For so long, in seconds, a process goes on with the model it knows before it asks which is in force.
_ASKED_AGAIN = 10.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How arrivals are matched: the model, the limits of a decision, how many patients may share a key, the bits
    under which an update is suspected to tell of somebody else, and the values that are not believed here."""

    model: Model
    thresholds: Thresholds
    most_per_key: int
    suspect_below: float
    learnt: Learnt = field(default_factory=Learnt)


@dataclass(slots=True)
class _Known:
    policy: Policy | None = None
    database: str = ""
    asked: float = 0.0


_known = _Known()


def policy() -> Policy:
    """The policy in force. A model that is put in force or taken out is followed within ten seconds."""
    now, database = time.monotonic(), str(connection.settings_dict.get("NAME"))
    if _known.policy is None or _known.database != database or now - _known.asked > _ASKED_AGAIN:
        _known.policy = replace(_limits(), model=model_in_force(), learnt=placeholders_in_force())
        _known.database, _known.asked = database, now
    return _known.policy


def ask_again() -> None:
    """Ask at the next arrival which model is in force."""
    _known.policy = None


def placeholders_in_force() -> Learnt:
    """What was learnt here to stand for no value, and accepted by a person."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT field, value FROM identity_placeholder WHERE state = 'accepted'")
        return learnt_of(cursor.fetchall())


def learnt_of(rows: Iterable[tuple[str, str]]) -> Learnt:
    """Pairs of field and value as they are asked of arrivals."""
    found: dict[str, set[str]] = {name: set() for name in FIELDS}
    for name, value in rows:
        found[name].add(value)
    return Learnt(**{name: frozenset(values) for name, values in found.items()})


def model_in_force() -> Model:
    """The model learnt from the site's own patients that is in force, or the one that comes with Charthouse."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM identity_model WHERE in_force")
        row = cursor.fetchone()
    return saved_model(row[0]) if row else default_model()


@lru_cache(maxsize=4)
def saved_model(version: str) -> Model:
    """A model that was learnt here, by its version; what is saved under a version never changes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT saved, frequencies::text FROM identity_model WHERE version = %s", [version])
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"No model {version!r} is kept here.")
    return read_model(row[0], read_frequencies(row[1]))


def read_frequencies(text: str) -> dict[str, tuple[dict[str, float], float]]:
    """The shares of names as they are kept beside a model: field to (share by name, that of a name not listed)."""
    import orjson

    return {field: (listed, float(unlisted)) for field, (listed, unlisted) in orjson.loads(text).items()}


@lru_cache(maxsize=1)
def _limits() -> Policy:
    return Policy(
        model=default_model(),
        thresholds=Thresholds(
            same=float(parameter(DECISION, "same")),
            perhaps=float(parameter(DECISION, "perhaps")),
            margin=float(parameter(DECISION, "margin")),
            evidence=int(parameter(DECISION, "evidence")),
        ),
        most_per_key=int(parameter(BLOCKING, "most_per_key")),
        suspect_below=float(parameter(SUSPICIOUS, "suspect_below")),
    )


def review_due(question: str) -> datetime:
    """Until when somebody is to decide a question ("duplicate" or "overlay") that arises now."""
    return now() + timedelta(days=int(parameter(REVIEW_DUE, question)))
