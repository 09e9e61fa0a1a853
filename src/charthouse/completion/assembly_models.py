"""What a site says of its documents: the codes it maps, what a person said a document is, and its chart orders."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from charthouse.foundation.tables import Split, TableClass, table

_KEY = "C"


@table(TableClass.REFERENCE)
class PieceMapping(models.Model):
    """That a code means a piece of the chart: from one sender (``source``), or from all (0). Ended, never changed.

    ``system`` is the code's system, empty for a sender's own and for a type that is told in words alone.
    """

    source = models.IntegerField(default=0)
    system = models.TextField(db_collation=_KEY, blank=True, default="")
    code = models.TextField(db_collation=_KEY)
    piece = models.TextField(db_collation=_KEY)
    made_at = models.DateTimeField()
    made_by = models.TextField(db_collation=_KEY)
    name = models.TextField()
    changed = models.IntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(db_collation=_KEY, blank=True, default="")

    class Meta:
        db_table = "completion_piece_mapping"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "system", "code"],
                condition=models.Q(ended_at=None),
                name="completion_piece_mapping_once",
            )
        ]


@table(TableClass.PATIENT, split=Split.WITH)
class DocumentPiece(models.Model):
    """What a person said a document is, whatever its codes say. ``resource`` is its row in the record."""

    type = models.SmallIntegerField()
    resource = models.BigIntegerField()
    piece = models.TextField(db_collation=_KEY)
    said_at = models.DateTimeField()
    said_by = models.TextField(db_collation=_KEY)
    name = models.TextField()

    class Meta:
        db_table = "completion_document_piece"
        constraints = [models.UniqueConstraint(fields=["type", "resource"], name="completion_document_piece_once")]


@table(TableClass.REFERENCE)
class ChartOrder(models.Model):
    """A version of the order in which the pieces of one kind of encounter's chart stand; the newest is in force."""

    kind = models.TextField(db_collation=_KEY)
    version = models.IntegerField()
    pieces = ArrayField(models.TextField(db_collation=_KEY))
    restored = models.BooleanField(default=False)
    made_at = models.DateTimeField()
    made_by = models.TextField(db_collation=_KEY)
    name = models.TextField()

    class Meta:
        db_table = "completion_chart_order"
        constraints = [models.UniqueConstraint(fields=["kind", "version"], name="completion_chart_order_once")]
