"""What arrived, as it arrived, and what could not be filed."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from charthouse.foundation.tables import Split, TableClass, table


class MessageState(models.TextChoices):
    """How far a message has come."""

    RECEIVED = "received", "Received"
    FILED = "filed", "Filed"
    PARTLY = "partly", "Partly filed"
    UNFILED = "unfiled", "Unfiled"
    REFUSED = "refused", "Refused"
    DUPLICATE = "duplicate", "Duplicate"


@table(TableClass.MACHINERY)
class Message(models.Model):
    """One message, bundle or chunk of NDJSON lines. The same bytes from the same sender are filed once.

    ``keys`` are the hashes of the patients it is about, for the order of filing."""

    source = models.IntegerField()
    connector = models.CharField(max_length=16)
    format = models.CharField(max_length=8)
    kind = models.CharField(max_length=64)
    control_id = models.CharField(max_length=250, blank=True, default="")
    batch = models.CharField(max_length=250, blank=True, default="")
    digest = models.BinaryField()
    size = models.BigIntegerField()
    received_at = models.DateTimeField()
    occurred = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=MessageState.choices)
    state_at = models.DateTimeField()
    keys = ArrayField(models.BigIntegerField(), default=list)
    duplicate_of = models.BigIntegerField(null=True)
    corrects = models.BigIntegerField(null=True)
    created = models.IntegerField(default=0)
    updated = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    unfiled = models.IntegerField(default=0)

    class Meta:
        db_table = "intake_message"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "digest"],
                condition=models.Q(duplicate_of__isnull=True),
                name="intake_message_once",
            )
        ]
        indexes = [
            models.Index(fields=["state", "id"], name="intake_message_state"),
            models.Index(fields=["connector", "-received_at"], name="intake_message_health"),
        ]


@table(TableClass.PATIENT, split=Split.STAYS)
class Original(models.Model):
    """The bytes of one message or bundle entry as they came (zstd), never changed.

    ``seq`` 0 is a bundle's envelope, the bundle without its entries; entries count from 1, as does the one
    original of an HL7 message. A corrected copy is a message of its own that says what it ``corrects``.
    """

    message = models.BigIntegerField()
    seq = models.IntegerField()
    size = models.IntegerField()
    body = models.BinaryField()

    class Meta:
        db_table = "intake_original"
        indexes = [models.Index(fields=["message", "seq"], name="intake_original_message")]


@table(TableClass.MACHINERY)
class QueuedMessage(models.Model):
    """A received message that waits to be filed, once for each patient whose order it must keep. ``actor`` is who
    asked for a retry, empty for a first try."""

    message = models.BigIntegerField()
    key = models.BigIntegerField()
    actor = models.CharField(max_length=80, db_default="")

    class Meta:
        db_table = "intake_queue"
        constraints = [models.UniqueConstraint(fields=["message", "key"], name="intake_queue_once")]
        indexes = [models.Index(fields=["key", "message"], name="intake_queue_key")]


@table(TableClass.MACHINERY)
class Unfiled(models.Model):
    """What could not be filed: a whole message or one entry of a bundle, with the reason and the place in it.
    ``connector`` and ``received_at`` are the message's."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        FILED = "filed", "Filed after mending"
        DISMISSED = "dismissed", "Set aside"

    message = models.BigIntegerField()
    original = models.BigIntegerField(null=True)
    source = models.IntegerField()
    connector = models.CharField(max_length=16)
    received_at = models.DateTimeField()
    code = models.CharField(max_length=40)
    reason = models.TextField()
    place = models.CharField(max_length=250, blank=True, default="")
    found_at = models.DateTimeField()
    attempts = models.IntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.CharField(max_length=80, blank=True, default="")
    note = models.TextField(blank=True, default="")

    class Meta:
        db_table = "intake_unfiled"
        indexes = [
            # All that the list is filtered by, so that counting it reads nothing else.
            models.Index(
                fields=["state", "message"],
                include=["code", "connector", "received_at"],
                name="intake_unfiled_list",
            ),
            models.Index(fields=["message"], name="intake_unfiled_message"),
        ]


@table(TableClass.MACHINERY)
class Attempt(models.Model):
    """One try at filing a message that could not be filed before, or a person's decision about it."""

    message = models.BigIntegerField(db_index=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    outcome = models.CharField(max_length=20)
    reason = models.TextField(blank=True, default="")
    place = models.CharField(max_length=250, blank=True, default="")

    class Meta:
        db_table = "intake_attempt"


@table(TableClass.DIRECTORY)
class SenderToken(models.Model):
    """A secret that lets a system send to ``/intake``; only its hash is kept."""

    name = models.CharField(max_length=200, unique=True)
    source = models.IntegerField()
    digest = models.BinaryField()
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "intake_sender_token"
