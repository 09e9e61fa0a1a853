"""The numbers of the rule pack ``identity.matching`` and the model in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from charthouse.foundation.clock import now
from charthouse.foundation.rulepacks.api import parameter

from .domain.decision import Thresholds
from .domain.model import Model, default_model

DECISION = "identity.decision"
BLOCKING = "identity.blocking"
SUSPICIOUS = "identity.suspicious-update"
REVIEW_DUE = "identity.review-due"


@dataclass(frozen=True, slots=True)
class Policy:
    """How arrivals are matched: the model, the limits of a decision, how many patients may share a key, and the
    bits under which an update is suspected to tell of somebody else."""

    model: Model
    thresholds: Thresholds
    most_per_key: int
    suspect_below: float


@lru_cache(maxsize=1)
def policy() -> Policy:
    """The policy in force, read once a process."""
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
