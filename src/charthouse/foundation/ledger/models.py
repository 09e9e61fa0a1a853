"""The ledger's tables, as Django sees them. Rows are written by ``ledger_append`` and the sealer alone."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from charthouse.foundation.tables import TableClass, table


@table(TableClass.MACHINERY)
class LedgerEntry(models.Model):
    """One request or action: who, in which role, for which purpose, did what, with which outcome, when.

    ``lane`` and ``seq`` name the entry; numbers in a lane begin with 1 and leave none out. ``subjects`` are
    ``kind/id``. Partitioned by the month of ``at`` (UTC).
    """

    pk = models.CompositePrimaryKey("lane", "seq", "at")
    lane = models.SmallIntegerField()
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.TextField(db_collation="C")
    actor_name = models.TextField()
    roles = ArrayField(models.TextField())
    purpose = models.TextField(db_collation="C")
    action = models.TextField(db_collation="C")
    outcome = models.TextField(db_collation="C")
    session = models.TextField(db_collation="C")
    remote = models.TextField(db_collation="C")
    subjects = ArrayField(models.TextField())
    detail = models.JSONField(null=True)

    class Meta:
        app_label = "foundation"
        db_table = "ledger_entry"

    def __str__(self) -> str:
        return f"{self.lane}-{self.seq}"


@table(TableClass.MACHINERY)
class LedgerSubject(models.Model):
    """The index from a person, patient or thing to the entries about it."""

    pk = models.CompositePrimaryKey("kind", "subject_id", "at", "lane", "seq")
    kind = models.TextField(db_collation="C")
    subject_id = models.TextField(db_collation="C")
    at = models.DateTimeField()
    lane = models.SmallIntegerField()
    seq = models.BigIntegerField()

    class Meta:
        app_label = "foundation"
        db_table = "ledger_subject"

    def __str__(self) -> str:
        return f"{self.kind} in {self.lane}-{self.seq}"


@table(TableClass.MACHINERY)
class LedgerSeal(models.Model):
    """One round of sealing; see :mod:`charthouse.foundation.ledger.seals` for what is hashed and signed."""

    round = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    positions = ArrayField(models.BigIntegerField())
    missing = ArrayField(models.BigIntegerField())
    digests = models.BinaryField()
    root = models.BinaryField()
    key = models.BinaryField()
    signature = models.BinaryField()

    class Meta:
        app_label = "foundation"
        db_table = "ledger_seal"

    def __str__(self) -> str:
        return f"Round {self.round}"
