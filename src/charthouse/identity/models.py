"""The master patient index: persons, the source patients that are theirs, their links, how they are found.

Written by :mod:`.store` in raw SQL, whole batches at a time; these models make the tables and name them.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import TableClass, table


@table(TableClass.DIRECTORY)
class Person(models.Model):
    """One human being, above all that senders know of them. ``number`` is the enterprise number; its last digit is
    Damm's check digit. Never deleted, never used again: a person without source patients is *empty*."""

    class State(models.IntegerChoices):
        ACTIVE = 1
        EMPTY = 2

    id = models.UUIDField(primary_key=True)
    number = models.BigIntegerField(unique=True)
    state = models.SmallIntegerField(choices=State.choices, db_default=State.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_person"


@table(TableClass.PATIENT)
class SourcePatient(models.Model):
    """A patient as one sender knows them: the row of the Patient resource, whose person it is, what a list shows.

    ``digest`` is the hash of everything kept here and in :class:`PatientTraits`; an arrival with the same digest
    changes nothing. ``birth`` is YYYY, YYYY-MM or YYYY-MM-DD.
    """

    patient = models.BigIntegerField(primary_key=True)
    public_id = models.TextField(db_collation="C")
    source = models.IntegerField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="sources", db_column="person")
    digest = models.BigIntegerField()
    labels = models.IntegerField()
    sex = models.CharField(max_length=1, blank=True)
    birth = models.CharField(max_length=10, blank=True, db_collation="C")
    deceased = models.CharField(max_length=10, blank=True, db_collation="C")
    family = models.TextField(blank=True)
    given = models.TextField(blank=True)
    mrn = models.TextField(blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_source_patient"
        constraints = [models.UniqueConstraint("public_id", name="identity_source_patient_public_id")]
        indexes = [models.Index("birth", "patient", name="identity_birth")]


@table(TableClass.PATIENT)
class PatientTraits(models.Model):
    """What is compared: the latest traits and the blocking keys made of them, under a version of both rules."""

    patient = models.BigIntegerField(primary_key=True)
    version = models.SmallIntegerField()
    traits = models.JSONField()
    keys = ArrayField(models.BigIntegerField())

    class Meta:
        db_table = "identity_traits"


@table(TableClass.PATIENT)
class Key(models.Model):
    """A blocking key of a patient; the primary key's index answers a look-up alone."""

    pk = models.CompositePrimaryKey("key", "patient")
    key = models.BigIntegerField()
    patient = models.BigIntegerField()

    class Meta:
        db_table = "identity_key"


@table(TableClass.PATIENT)
class PatientName(models.Model):
    """A word a patient is found by: one row a part of a name, folded."""

    pk = models.CompositePrimaryKey("patient", "folded")
    patient = models.BigIntegerField()
    folded = models.TextField(db_collation="C")
    use = models.TextField(blank=True)

    class Meta:
        db_table = "identity_name"
        indexes = [models.Index("folded", "patient", name="identity_name_word")]


@table(TableClass.PATIENT)
class PatientIdentifier(models.Model):
    """A number a patient is found by. Telephone numbers and mail addresses have the systems ``tel`` and ``mailto``.

    ``folded`` is in capitals without punctuation; a telephone number also stands without its area code.
    """

    pk = models.CompositePrimaryKey("patient", "system", "folded")
    patient = models.BigIntegerField()
    system = models.TextField(db_collation="C")
    folded = models.TextField(db_collation="C")
    value = models.TextField(db_collation="C")
    kind = models.TextField(blank=True)
    valid_from = models.TextField(blank=True)
    valid_to = models.TextField(blank=True)

    class Meta:
        db_table = "identity_identifier"
        indexes = [models.Index("folded", "patient", name="identity_identifier_number")]


@table(TableClass.MACHINERY)
class Link(models.Model):
    """Why a source patient belongs to a person: one row an event, never changed. ``other`` is the source patient it
    was compared with, ``person_from`` where it belonged before. The events of a patient replay to its person."""

    class Kind(models.TextChoices):
        NEW = "new"
        MATCHED = "matched"
        PERHAPS = "perhaps"
        MERGE_NOTICE = "merge-notice"
        LINKED = "linked"
        UNLINKED = "unlinked"

    id = models.BigAutoField(primary_key=True)
    patient = models.BigIntegerField()
    person_from = models.UUIDField(null=True)
    person_to = models.UUIDField()
    other = models.BigIntegerField(null=True)
    kind = models.TextField(choices=Kind.choices)
    actor = models.TextField()
    model = models.TextField(blank=True)
    weight = models.FloatField(null=True)
    waterfall = models.JSONField()
    reason = models.TextField()
    message = models.BigIntegerField(null=True)
    occurred = models.DateTimeField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_link"
        indexes = [
            models.Index("patient", "id", name="identity_link_patient"),
            models.Index("person_to", "id", name="identity_link_to"),
            models.Index("person_from", "id", name="identity_link_from"),
        ]


@table(TableClass.MACHINERY)
class NotSame(models.Model):
    """Two source patients somebody found to be two persons; remembered for good. ``low`` < ``high``."""

    pk = models.CompositePrimaryKey("low", "high")
    low = models.BigIntegerField()
    high = models.BigIntegerField()
    actor = models.TextField()
    reason = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_not_same"
        constraints = [
            models.CheckConstraint(condition=models.Q(low__lt=models.F("high")), name="identity_not_same_order")
        ]


@table(TableClass.REFERENCE)
class MatchingModel(models.Model):
    """Weights learnt from the site's own patients. ``saved`` is Splink's JSON, ``frequencies`` the shares of names
    beside it, ``report`` what they would change when they were learnt. One is in force at the most; where none is,
    those that come with Charthouse are."""

    version = models.TextField(primary_key=True, db_collation="C")
    saved = models.TextField()
    frequencies = models.JSONField()
    report = models.JSONField()
    in_force = models.BooleanField(db_default=False)
    learnt_by = models.TextField()
    learnt_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_model"
        constraints = [
            models.UniqueConstraint("in_force", name="identity_model_one", condition=models.Q(in_force=True))
        ]
