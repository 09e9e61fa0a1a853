"""The table of messages to be sent."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import TableClass, table


@table(TableClass.MACHINERY)
class OutboxMessage(models.Model):
    """A message to another system. ``message_id`` stays the same over all attempts, so a receiver can know
    repeats."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.UUIDField()
    destination = models.TextField(db_collation="C")
    kind = models.TextField(db_collation="C")
    key = models.TextField(db_collation="C")
    payload = models.BinaryField()
    state = models.TextField(db_collation="C", db_default="waiting")
    attempts = models.IntegerField(db_default=0)
    next_try = models.DateTimeField(db_default=Now())
    claim = models.UUIDField(null=True)
    error = models.TextField(db_default="")
    enqueued_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "foundation"
        db_table = "outbox_message"
        constraints = [
            models.UniqueConstraint(fields=["message_id"], name="outbox_message_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "sending", "sent", "dead", "discarded"]),
                name="outbox_message_state",
            ),
        ]
        indexes = [
            # The first unsent message of each key is the only one that may go.
            models.Index(
                fields=["destination", "key", "id"],
                condition=models.Q(state__in=["waiting", "sending", "dead"]),
                name="outbox_message_order",
            ),
            models.Index(
                fields=["next_try", "id"],
                condition=models.Q(state__in=["waiting", "sending"]),
                name="outbox_message_due",
            ),
            models.Index(fields=["sent_at"], condition=models.Q(state="sent"), name="outbox_message_sent"),
        ]
