"""The progress of jobs; the jobs themselves are in procrastinate's tables."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import TableClass, table


@table(TableClass.MACHINERY)
class JobProgress(models.Model):
    """How far a job is: ``done`` of ``total`` (0 when unknown) in its own unit, and what it does now, without
    PHI."""

    job_id = models.BigIntegerField(primary_key=True)
    done = models.BigIntegerField()
    total = models.BigIntegerField()
    message = models.TextField()
    result = models.JSONField(null=True)
    error = models.TextField(db_default="")
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "foundation"
        db_table = "jobs_progress"
