"""What the board stands on: counts that are kept with every change, and a snapshot of each day that is over."""

from __future__ import annotations

from django.db import models

from charthouse.foundation.tables import TableClass, table

_KEY = "C"
#: The day of a chart that nobody was discharged from: before any that PostgreSQL knows.
NO_DAY = -3_000_000


@table(TableClass.MACHINERY)
class Tally(models.Model):
    """How many charts or open deficiencies are of one sort: the sum of ``number`` over the rows of that sort.

    Triggers add rows (``fresh``) in the transaction that changes a chart or a deficiency, so the sums are exact and
    nobody waits for anybody; now and then rows of one sort become one. ``what`` says what is counted:

    * ``chart``: charts that are not complete, by kind, service (``detail``) and state;
    * ``day``: charts by kind, state and the UTC day of the discharge, counted from 1970;
    * ``lack``: open deficiencies by kind, what of it (``detail``) and ``late``;
    * ``owed``: open deficiencies by who owes them (``detail``) and ``late``.

    Each is by ``facility`` as well, 0 for none.
    """

    what = models.TextField(db_collation=_KEY)
    facility = models.IntegerField()
    kind = models.TextField(db_collation=_KEY)
    detail = models.TextField(db_collation=_KEY)
    state = models.TextField(db_collation=_KEY)
    late = models.BooleanField()
    day = models.IntegerField()
    number = models.BigIntegerField()
    fresh = models.BooleanField(default=True, db_default=True)

    class Meta:
        db_table = "completion_tally"
        app_label = "completion"
        indexes = [
            # What is summed is read from the index.
            models.Index(
                fields=["what", "state", "day"],
                name="completion_tally_sort",
                include=["facility", "kind", "detail", "late", "number"],
            ),
            models.Index(fields=["id"], name="completion_tally_fresh", condition=models.Q(fresh=True)),
        ]

    def __str__(self) -> str:
        return f"Tally {self.pk}"


@table(TableClass.MACHINERY)
class Snapshot(models.Model):
    """That the charts of a ``day`` of the site were counted once it was over, and at what moment. Never changed; a
    day that was missed has none.

    ``months``, ``since`` and ``until`` are those of the delinquency rate: the discharges its average is of.
    """

    day = models.DateField(primary_key=True)
    at = models.DateTimeField()
    months = models.IntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        db_table = "completion_snapshot"
        app_label = "completion"

    def __str__(self) -> str:
        return f"Snapshot {self.day}"


@table(TableClass.MACHINERY)
class SnapshotCount(models.Model):
    """What was counted of one facility, kind of encounter and service.

    ``incomplete`` charts were in time and ``delinquent`` ones were not, at the moment of the snapshot;
    ``discharges`` are of the day, ``opened`` and ``closed`` deficiencies too; ``averaged`` are the discharges of
    the rate's months.
    """

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="counts")
    facility = models.IntegerField(null=True)
    kind = models.TextField(db_collation=_KEY)
    service = models.TextField()
    incomplete = models.IntegerField()
    delinquent = models.IntegerField()
    discharges = models.IntegerField()
    opened = models.IntegerField()
    closed = models.IntegerField()
    averaged = models.IntegerField()

    class Meta:
        db_table = "completion_snapshot_count"
        app_label = "completion"
        constraints = [
            models.UniqueConstraint(
                fields=["snapshot", "facility", "kind", "service"],
                name="completion_snapshot_count_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"Count {self.pk}"


@table(TableClass.MACHINERY)
class SnapshotPart(models.Model):
    """A further part of a snapshot by facility: charts by age (``key`` is the number of the age, ``late`` the
    delinquent among them), open deficiencies by kind (``lacking``; ``detail`` is what of it) and by who owes them
    (``owing``; ``late`` are the overdue)."""

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="parts")
    facility = models.IntegerField(null=True)
    part = models.TextField(db_collation=_KEY)
    key = models.TextField(db_collation=_KEY)
    detail = models.TextField(db_collation=_KEY, blank=True, default="")
    number = models.IntegerField()
    late = models.IntegerField()

    class Meta:
        db_table = "completion_snapshot_part"
        app_label = "completion"
        indexes = [models.Index(fields=["snapshot", "part"], name="completion_snapshot_part_of")]

    def __str__(self) -> str:
        return f"Part {self.pk}"
