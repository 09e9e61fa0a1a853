"""What left the house: one row a disclosure and patient, with the items that went."""

from __future__ import annotations

from django.db import models

from charthouse.foundation.tables import Split, TableClass, table


@table(TableClass.PATIENT, split=Split.STAYS)
class Disclosure(models.Model):
    """Items of one patient that went to one recipient.

    ``patient`` is the source patient's id. ``at`` is the business instant, ``recorded_at`` the wall clock's.
    ``description`` says in general words what was disclosed, for the accounting (45 CFR 164.528(b)(2)(iii)).
    """

    id = models.BigAutoField(primary_key=True)
    patient = models.TextField(db_collation="C")
    recipient = models.TextField()
    recipient_address = models.TextField(blank=True)
    purpose = models.TextField(db_collation="C")
    basis = models.TextField(db_collation="C")
    how = models.TextField(db_collation="C")
    description = models.TextField(blank=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor = models.TextField(db_collation="C")
    actor_name = models.TextField()

    class Meta:
        app_label = "foundation"
        db_table = "disclosure"
        indexes = [models.Index(fields=["patient", "at"], name="disclosure_patient_at")]

    def __str__(self) -> str:
        return f"Disclosure {self.pk}"


@table(TableClass.PATIENT, split=Split.STAYS)
class DisclosureItem(models.Model):
    """One thing that went with a disclosure."""

    id = models.BigAutoField(primary_key=True)
    disclosure = models.ForeignKey(Disclosure, models.PROTECT, related_name="items")
    kind = models.TextField(db_collation="C")
    item = models.TextField(db_collation="C")

    class Meta:
        app_label = "foundation"
        db_table = "disclosure_item"
        indexes = [models.Index(fields=["kind", "item"], name="disclosure_item_kind_item")]

    def __str__(self) -> str:
        return f"{self.kind} of disclosure {self.disclosure_id}"
