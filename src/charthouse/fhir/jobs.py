"""Background work of the API: bulk exports, and the end of what has expired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from charthouse.foundation.jobs.api import JobCancelled, Progress, periodic, task
from charthouse.foundation.logging import where

from .actions.check_resources import settle_findings
from .actions.end_exports import destroy_files, expire_exports
from .actions.grant_token import sweep_tokens
from .actions.run_export import fail_export, run_export


@task("fhir.export", "Export records in bulk", queue="exports")
def EXPORT(progress: Progress, *, export: str) -> Mapping[str, Any]:
    """Do an export; ``export`` is its id."""
    id = UUID(export)
    try:
        return run_export(id, lambda done, kind: progress.update(done, message=kind))
    except JobCancelled:
        destroy_files(id, "The export was cancelled by who asked for it.")
        raise
    except Exception as error:
        fail_export(id, where(error))
        raise


@periodic("23 * * * *", "fhir.expire", "Destroy files of exports that have expired; forget tokens that ended")
def expire(progress: Progress) -> Mapping[str, Any]:
    """Destroy what has expired."""
    return {"files": expire_exports(), "tokens": sweep_tokens()}


@periodic("*/5 * * * *", "fhir.settle_findings", "Bring the work over what senders send up to date")
def settle(progress: Progress) -> Mapping[str, Any]:
    """Count what was found, and open and close the work over it."""
    return {"kinds": settle_findings()}
