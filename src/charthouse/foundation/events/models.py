"""Tables of the event log and its readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import TableClass, table

if TYPE_CHECKING:
    IntField = models.Field[int, int]
    TextualField = models.Field[str | None, str | None]
else:
    IntField = TextualField = models.Field


class TransactionIdField(IntField):
    """PostgreSQL's 64-bit transaction id (xid8), as an int."""

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else str(value)


class CurrentTransaction(models.Func):
    """The id of the writing transaction."""

    function = "pg_current_xact_id"
    output_field = TransactionIdField()


@table(TableClass.MACHINERY)
class Event(models.Model):
    """One piece of news. ``key`` is what its order is kept by; ``xid`` tells when it may be read."""

    id = models.BigAutoField(primary_key=True)
    kind = models.TextField(db_collation="C")
    key = models.TextField(db_collation="C")
    at = models.DateTimeField(db_default=Now())
    payload = models.JSONField()
    xid = TransactionIdField(db_default=CurrentTransaction())

    class Meta:
        app_label = "foundation"
        db_table = "events_event"
        indexes = [
            models.Index(fields=["xid", "id"], name="events_event_xid"),
        ]


class SnapshotField(TextualField):
    """PostgreSQL's pg_snapshot, as its text; see ``snapshot.Snapshot``."""

    def db_type(self, connection: Any) -> str:
        return "pg_snapshot"


@table(TableClass.MACHINERY)
class EventCursor(models.Model):
    """How far a consumer has read.

    Events of transactions that had ended at ``done`` are done. ``reading`` is the next such moment while the
    events between the two are being handed over: those up to ``last_id`` are done, and none lies above
    ``high_id``. ``seen_id`` is the greatest id ever handed over, which still says something when transaction
    ids start anew after a restore.
    """

    name = models.TextField(primary_key=True, db_collation="C")
    kinds = models.JSONField(default=list)
    done = SnapshotField()
    reading = SnapshotField(null=True)
    last_id = models.BigIntegerField()
    high_id = models.BigIntegerField()
    seen_id = models.BigIntegerField()
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "foundation"
        db_table = "events_cursor"


@table(TableClass.MACHINERY)
class EventParked(models.Model):
    """An event a consumer could not handle, or one that waits behind such an event of the same key."""

    id = models.BigAutoField(primary_key=True)
    consumer = models.TextField(db_collation="C")
    event_id = models.BigIntegerField()
    kind = models.TextField(db_collation="C")
    key = models.TextField(db_collation="C")
    at = models.DateTimeField()
    payload = models.JSONField()
    state = models.TextField(db_collation="C")
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")
    next_try = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "foundation"
        db_table = "events_parked"
        constraints = [
            models.UniqueConstraint(fields=["consumer", "key", "event_id"], name="events_parked_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["failing", "parked", "waiting"]), name="events_parked_state"
            ),
        ]
        indexes = [
            models.Index(fields=["consumer", "next_try"], name="events_parked_due"),
        ]


@table(TableClass.MACHINERY)
class EventCluster(models.Model):
    """The database cluster whose transaction ids the events carry; one row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    system_identifier = models.BigIntegerField()

    class Meta:
        app_label = "foundation"
        db_table = "events_cluster"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="events_cluster_one")]
