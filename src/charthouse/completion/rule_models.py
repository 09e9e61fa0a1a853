"""Rules that were tried."""

from __future__ import annotations

from django.db import models

from charthouse.foundation.ids import new_id
from charthouse.foundation.tables import TableClass, table


@table(TableClass.MACHINERY)
class RuleTrial(models.Model):
    """Rules that somebody tried over charts, and what came of it.

    ``recipe`` is how they came about from those of version ``base``; ``content`` are the rules themselves and
    ``digest`` the SHA-256 of them, by which they are adopted. ``over`` says which charts. ``job`` tries them and
    ``result`` holds what it found: counts, and rows of the record, no words. ``adopted`` is the version they
    became; ``analysing`` the job that analyses the charts again and ``analysed`` what that came to so far, and
    when it ended, for jobs that are over are cleared away.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    recipe = models.JSONField()
    base = models.IntegerField()
    content = models.JSONField()
    digest = models.TextField(db_collation="C")
    over = models.JSONField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()
    job = models.BigIntegerField(null=True)
    result = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)
    adopted = models.IntegerField(null=True)
    analysing = models.BigIntegerField(null=True)
    analysed = models.JSONField(null=True)

    class Meta:
        app_label = "completion"
        db_table = "completion_rule_trial"
        indexes = [models.Index(fields=["-at"], name="completion_rule_trial_newest")]
