"""The master patient index: persons, the source patients that are theirs, how they are found, what was decided.

Written by :mod:`.store` in raw SQL, whole batches at a time; these models make the tables and name them.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from charthouse.foundation.tables import Split, TableClass, table


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


@table(TableClass.PATIENT, split=Split.REBUILT)
class SourcePatient(models.Model):
    """A patient as one sender knows them: the row of the Patient resource, whose person it is, what a list shows.

    ``digest`` is the hash of everything kept here and in :class:`PatientTraits`; an arrival with the same digest
    changes nothing. ``birth`` is YYYY, YYYY-MM or YYYY-MM-DD.
    """

    patient = models.BigIntegerField(primary_key=True)
    public_id = models.TextField(db_collation="C")
    source = models.IntegerField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="sources", db_column="person", db_index=False)
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
        indexes = [
            models.Index("birth", "patient", name="identity_birth"),
            # Whose a patient is; with the rest, persons with several records are counted from it alone.
            models.Index(fields=["person", "source"], include=["labels"], name="identity_source_patient_of"),
        ]


@table(TableClass.PATIENT, split=Split.REBUILT)
class PatientTraits(models.Model):
    """What is compared: the latest traits and the blocking keys made of them, under a version of both rules."""

    patient = models.BigIntegerField(primary_key=True)
    version = models.SmallIntegerField()
    traits = models.JSONField()
    keys = ArrayField(models.BigIntegerField())

    class Meta:
        db_table = "identity_traits"


@table(TableClass.PATIENT, split=Split.REBUILT)
class Key(models.Model):
    """A blocking key of a patient; the primary key's index answers a look-up alone."""

    pk = models.CompositePrimaryKey("key", "patient")
    key = models.BigIntegerField()
    patient = models.BigIntegerField()

    class Meta:
        db_table = "identity_key"


@table(TableClass.PATIENT, split=Split.REBUILT)
class PatientName(models.Model):
    """A word a patient is found by: one row a part of a name, folded."""

    pk = models.CompositePrimaryKey("patient", "folded")
    patient = models.BigIntegerField()
    folded = models.TextField(db_collation="C")
    use = models.TextField(blank=True)

    class Meta:
        db_table = "identity_name"
        indexes = [models.Index("folded", "patient", name="identity_name_word")]


@table(TableClass.PATIENT, split=Split.REBUILT)
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
    was compared with, ``person_from`` where it belonged before, ``decision`` what moved it. The events of a patient
    replay to its person."""

    class Kind(models.TextChoices):
        NEW = "new"
        MATCHED = "matched"
        PERHAPS = "perhaps"
        MERGE_NOTICE = "merge-notice"
        LINKED = "linked"
        UNLINKED = "unlinked"
        MERGED = "merged"
        SPLIT = "split"
        REJOINED = "rejoined"
        UNDONE = "undone"

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
    decision = models.BigIntegerField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_link"
        indexes = [
            models.Index("patient", "id", name="identity_link_patient"),
            models.Index("person_to", "id", name="identity_link_to"),
            models.Index("person_from", "id", name="identity_link_from"),
            models.Index("decision", name="identity_link_decision", condition=models.Q(decision__isnull=False)),
            # Links are written in the order of time: what came lately lies together.
            BrinIndex(fields=["at"], name="identity_link_at", pages_per_range=32),
        ]


@table(TableClass.MACHINERY)
class NotSame(models.Model):
    """Two source patients somebody found to be two persons, and nobody took that back since. ``low`` < ``high``."""

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


@table(TableClass.MACHINERY)
class NotSameEvent(models.Model):
    """That two source patients were found to be two persons, or that this was taken back; never changed."""

    class Verdict(models.TextChoices):
        APART = "apart"
        REVOKED = "revoked"

    id = models.BigAutoField(primary_key=True)
    low = models.BigIntegerField()
    high = models.BigIntegerField()
    verdict = models.TextField(choices=Verdict.choices)
    actor = models.TextField()
    reason = models.TextField()
    decision = models.BigIntegerField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_not_same_event"
        indexes = [
            models.Index("low", "high", name="identity_not_same_pair"),
            models.Index("high", name="identity_not_same_high"),
        ]


@table(TableClass.MACHINERY)
class Decision(models.Model):
    """What somebody decided about whose source patients are, as a whole that can be undone: never changed.

    ``person`` remains (of a merge or link) or was left (of an unlink or split); ``other`` is the one merged into
    it, or parted from it. ``undoes`` is the decision whose inverse this is; no decision is undone twice. ``detail``
    holds what it takes to explain and to undo it: ids and rules, no names.
    """

    class Kind(models.TextChoices):
        MERGE = "merge"
        LINK = "link"
        NOTICE = "notice"
        UNLINK = "unlink"
        SPLIT = "split"
        UNDO = "undo"

    id = models.BigAutoField(primary_key=True)
    kind = models.TextField(choices=Kind.choices)
    person = models.UUIDField()
    other = models.UUIDField()
    actor = models.TextField()
    reason = models.TextField()
    undoes = models.OneToOneField("self", models.PROTECT, null=True, related_name="undone_by", db_column="undoes")
    detail = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_decision"
        indexes = [
            models.Index("person", "id", name="identity_decision_person"),
            models.Index("other", "id", name="identity_decision_other"),
            models.Index("at", "id", name="identity_decision_at"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="undo", undoes__isnull=False)
                | (~models.Q(kind="undo") & models.Q(undoes=None)),
                name="identity_decision_undo_names_its_decision",
            )
        ]


@table(TableClass.PATIENT, split=Split.STAYS)
class HeldUpdate(models.Model):
    """An update of a source patient that spoke rather of somebody else, and so was not filed: the traits it
    brought, the evidence, and what somebody decided. ``parted`` is the public id of the patient it is filed under
    where it was found to be another's."""

    class State(models.TextChoices):
        OPEN = "open"
        SAME = "same"
        ANOTHER = "another"
        DROPPED = "dropped"

    id = models.BigAutoField(primary_key=True)
    patient = models.BigIntegerField()
    message = models.BigIntegerField()
    weight = models.FloatField()
    waterfall = models.JSONField()
    traits = models.JSONField()
    labels = models.IntegerField()
    display = models.JSONField()
    state = models.TextField(choices=State.choices, db_default=State.OPEN)
    parted = models.TextField(blank=True, db_default="", db_collation="C")
    decided_by = models.TextField(blank=True, db_default="")
    reason = models.TextField(blank=True, db_default="")
    found_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_held_update"
        constraints = [models.UniqueConstraint("patient", "message", name="identity_held_update_once")]
        indexes = [
            models.Index("message", name="identity_held_message"),
            models.Index("parted", name="identity_held_parted", condition=~models.Q(parted="")),
        ]


@table(TableClass.DIRECTORY)
class NoticeDestination(models.Model):
    """Another system that is told of merges, their undoing and splits. ``address`` is of the outbox (mllp:, http:,
    https:, file:); ``application`` and ``facility`` are how an HL7 message names the receiver."""

    class Format(models.TextChoices):
        HL7V2 = "hl7v2"
        FHIR = "fhir"

    name = models.TextField()
    address = models.TextField(db_collation="C")
    format = models.TextField(choices=Format.choices)
    application = models.TextField(blank=True, db_default="")
    facility = models.TextField(blank=True, db_default="")
    added_by = models.TextField()
    added_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_notice_destination"
        constraints = [
            models.UniqueConstraint(
                "name", name="identity_notice_destination_name", condition=models.Q(removed_at=None)
            )
        ]


@table(TableClass.MACHINERY)
class Notice(models.Model):
    """That a destination is told of a decision, by a message of the outbox."""

    id = models.BigAutoField(primary_key=True)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="notices", db_column="decision")
    destination = models.ForeignKey(NoticeDestination, models.PROTECT, related_name="+", db_column="destination")
    message = models.UUIDField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_notice"


@table(TableClass.PATIENT, split=Split.STAYS)
class NumberCorrection(models.Model):
    """That somebody ended the validity of a patient's number, replaced it, or took that back; never changed. The
    last word on a number counts, also against what its sender says later. ``original`` is the FHIR Identifier as it
    was."""

    class Kind(models.TextChoices):
        ENDED = "ended"
        REPLACED = "replaced"
        RESTORED = "restored"

    id = models.BigAutoField(primary_key=True)
    patient = models.BigIntegerField()
    kind = models.TextField(choices=Kind.choices)
    system = models.TextField(db_collation="C")
    value = models.TextField(db_collation="C")
    replaced_by = models.TextField(blank=True, db_default="", db_collation="C")
    day = models.DateField()
    original = models.JSONField()
    actor = models.TextField()
    reason = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_number_correction"
        indexes = [models.Index("patient", "id", name="identity_number_correction_of")]


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


@table(TableClass.REFERENCE)
class Placeholder(models.Model):
    """A value that far more persons have than chance would have it, so that it may stand for none; and what
    somebody decided. An accepted one is neither blocked on nor scored. ``persons`` and ``reason`` are as of
    ``found_at``."""

    class State(models.TextChoices):
        FOUND = "found"
        ACCEPTED = "accepted"
        REJECTED = "rejected"

    id = models.BigAutoField(primary_key=True)
    field = models.TextField()
    value = models.TextField(db_collation="C")
    persons = models.IntegerField()
    reason = models.TextField()
    state = models.TextField(choices=State.choices, db_default=State.FOUND)
    found_at = models.DateTimeField(db_default=Now())
    decided_by = models.TextField(blank=True, db_default="")
    decided_why = models.TextField(blank=True, db_default="")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_placeholder"
        constraints = [models.UniqueConstraint("field", "value", name="identity_placeholder_once")]


@table(TableClass.MACHINERY)
class DedupePart(models.Model):
    """A part of the whole index's pairs that was compared, while going over it is under way. ``index`` says what
    the index held and ``pairs`` which pairs were divided, by which weights and limits; ``low`` and ``high`` are the
    rows of the pairs that may be one person, four bytes each."""

    pk = models.CompositePrimaryKey("index", "pairs", "part")
    index = models.TextField(db_collation="C")
    pairs = models.TextField(db_collation="C")
    part = models.IntegerField()
    low = models.BinaryField()
    high = models.BinaryField()
    compared_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "identity_dedupe_part"
