"""The table of kept files."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import TableClass, table


@table(TableClass.MACHINERY)
class File(models.Model):
    """One kept file under one media type. A destroyed one leaves its row, with the content's hash, as a
    tombstone."""

    id = models.UUIDField(primary_key=True)
    sha256 = models.BinaryField(max_length=32)
    name = models.TextField(db_collation="C", help_text="in the store: a keyed hash of the content's hash")
    size = models.BigIntegerField()
    media_type = models.TextField(db_collation="C")
    key_id = models.TextField(db_collation="C")
    stored_at = models.DateTimeField(db_default=Now())
    state = models.TextField(db_collation="C", db_default="stored")
    destroyed_at = models.DateTimeField(null=True)
    destroyed_by = models.TextField(null=True, db_collation="C")
    destroyed_reason = models.TextField(null=True)

    class Meta:
        app_label = "foundation"
        db_table = "files_file"
        constraints = [
            models.UniqueConstraint(
                fields=["name", "media_type"], condition=models.Q(state="stored"), name="files_file_once"
            ),
            models.CheckConstraint(condition=models.Q(state__in=["stored", "destroyed"]), name="files_file_state"),
        ]
        indexes = [
            models.Index(fields=["key_id"], condition=models.Q(state="stored"), name="files_file_key"),
        ]
