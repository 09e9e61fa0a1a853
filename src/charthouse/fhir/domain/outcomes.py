"""OperationOutcome: what went wrong, where, and what to do, in FHIR's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue. ``code`` is of IssueType (R4), ``expression`` the place as a FHIRPath (``Patient.name[0]``)."""

    code: str
    diagnostics: str
    expression: str = ""
    severity: str = "error"

    def as_json(self) -> dict[str, Any]:
        """The issue as an element of OperationOutcome."""
        told: dict[str, Any] = {"severity": self.severity, "code": self.code, "diagnostics": self.diagnostics}
        if self.expression:
            told["expression"] = [self.expression]
        return told


#: The code an HTTP status stands for where nothing closer is said.
CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    500: "exception",
    501: "not-supported",
    503: "transient",
}


@dataclass(slots=True)
class FhirProblem(Exception):
    """A request that cannot be answered as asked: the HTTP status and the issues that say why."""

    status: int
    issues: Sequence[Issue]
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The issues' sentences."""
        return " ".join(issue.diagnostics for issue in self.issues)


def problem(
    status: int,
    diagnostics: str,
    *,
    code: str = "",
    expression: str = "",
    headers: Mapping[str, str] | None = None,
) -> FhirProblem:
    """A problem with one issue; its code is the status's own unless given."""
    return FhirProblem(
        status, [Issue(code or CODES.get(status, "processing"), diagnostics, expression)], headers or {}
    )


def outcome_json(issues: Sequence[Issue]) -> dict[str, Any]:
    """An OperationOutcome; without issues it says that all went well."""
    told = issues or [Issue("informational", "All OK.", severity="information")]
    return {"resourceType": "OperationOutcome", "issue": [issue.as_json() for issue in told]}


def outcome(issues: Sequence[Issue]) -> bytes:
    """:func:`outcome_json` as bytes."""
    return orjson.dumps(outcome_json(issues))
