"""What charts say, kept flat: one row for each encounter, from which the whole house is analysed."""

from __future__ import annotations

from django.db import models

from charthouse.foundation.tables import Follows, TableClass, table


@table(TableClass.PATIENT, split=Follows("patient", "encounter", "Encounter"))
class ChartFacts(models.Model):
    """The facts of one encounter as they were read from the record; made anew from it at any time.

    ``stamp`` tells of what: the encounter and all that belongs to it, in these versions and states, read in this
    manner. Where it is another by now, or none, the row is behind and the record itself is asked. ``labels`` are
    those of all that was read, so that who may not see one of them does not read the row. ``content`` is packed by
    :mod:`charthouse.completion.domain.packed`.
    """

    encounter = models.BigIntegerField(primary_key=True)
    patient = models.BigIntegerField(db_index=True)
    stamp = models.BigIntegerField(null=True)
    labels = models.IntegerField(default=0)
    content = models.BinaryField(default=b"")

    class Meta:
        db_table = "completion_chart_facts"
        verbose_name_plural = "chart facts"

    def __str__(self) -> str:
        return f"Facts of {self.encounter}"
