"""The record's tables. The large ones are made by :mod:`charthouse.record.schema`; these models name them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from charthouse.foundation.tables import Follows, Split, TableClass, table


@table(TableClass.DIRECTORY)
class Source(models.Model):
    """A system that sends records: an HL7 application and facility, a FHIR sender, our own front desk.

    ``time_zone`` (IANA) is what its times without offset mean; empty means the site's own. ``charset`` is what
    its HL7 messages are written in where MSH-18 does not say; empty leaves that to the bytes.
    """

    name = models.CharField(max_length=200, unique=True)
    time_zone = models.CharField(max_length=64, blank=True, default="")
    charset = models.CharField(max_length=40, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "record_source"


@table(TableClass.PATIENT, split=Split.FILED)
class Resource(models.Model):
    """A FHIR resource as it stands: its compartment, times, labels and current version."""

    id = models.BigIntegerField(primary_key=True)
    patient = models.BigIntegerField(null=True)
    encounter = models.BigIntegerField(null=True)
    main_low = models.DateTimeField()
    main_high = models.DateTimeField()
    filed_at = models.DateTimeField()
    source = models.IntegerField()
    version = models.IntegerField()
    labels = models.IntegerField()
    type = models.SmallIntegerField()
    state = models.SmallIntegerField()
    public_id = models.TextField()
    digest = models.BinaryField()

    class Meta:
        managed = False
        db_table = "record_resource"


@table(TableClass.PATIENT, split=Split.WITH)
class Version(models.Model):
    """One version of a resource, never changed: its bytes and where they came from (``place`` is the segment of
    an HL7 message; a FHIR original is one entry, and all of it)."""

    resource = models.BigIntegerField(primary_key=True)
    message = models.BigIntegerField()
    original = models.BigIntegerField()
    filed_at = models.DateTimeField()
    authored = models.DateTimeField(null=True)
    version = models.IntegerField()
    type = models.SmallIntegerField()
    state = models.SmallIntegerField()
    place = models.TextField(null=True)
    content = models.BinaryField()
    digest = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "record_version"


class _IndexRow(models.Model):
    resource = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    version = models.IntegerField()
    labels = models.IntegerField()
    type = models.SmallIntegerField()
    param = models.SmallIntegerField()

    class Meta:
        abstract = True


@table(TableClass.PATIENT, split=Split.WITH)
class TokenRow(_IndexRow):
    """A code, identifier or URI a search may name; 64-bit hashes."""

    code = models.BigIntegerField()
    system = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "record_index_token"


@table(TableClass.PATIENT, split=Split.WITH)
class StringRow(_IndexRow):
    """A folded string a search may begin or match."""

    value = models.TextField()

    class Meta:
        managed = False
        db_table = "record_index_string"


@table(TableClass.PATIENT, split=Split.WITH)
class DateRow(_IndexRow):
    """A date or period, as the instants it spans."""

    low = models.DateTimeField()
    high = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "record_index_date"


@table(TableClass.PATIENT, split=Split.WITH)
class QuantityRow(_IndexRow):
    """A number or quantity, as the range its precision spans."""

    low = models.FloatField()
    high = models.FloatField()
    unit = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "record_index_quantity"


@table(TableClass.PATIENT, split=Split.WITH)
class ReferenceRow(_IndexRow):
    """A reference to another resource, by the hash of ``Type/id``."""

    target = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "record_index_reference"


@table(TableClass.PATIENT, split=Split.WITH)
class Attachment(models.Model):
    """The bytes of a document kept in the file store because they are too large for the resource itself."""

    resource = models.BigIntegerField()
    type = models.SmallIntegerField()
    version = models.IntegerField()
    place = models.SmallIntegerField()
    public_id = models.CharField(max_length=64, db_index=True)
    file = models.UUIDField()
    media_type = models.CharField(max_length=100)
    size = models.BigIntegerField()

    class Meta:
        db_table = "record_attachment"
        constraints = [
            models.UniqueConstraint(fields=["resource", "type", "version", "place"], name="one_attachment_a_place")
        ]


@table(TableClass.MACHINERY)
class Superseded(models.Model):
    """A resource that got a new version since its index rows were last swept."""

    pk = models.CompositePrimaryKey("type", "resource")
    type = models.SmallIntegerField()
    resource = models.BigIntegerField()

    class Meta:
        db_table = "record_superseded"


@table(TableClass.DIRECTORY)
class DirectoryAlias(models.Model):
    """A name by which a sender refers to a shared resource: its own id there, or an identifier.

    ``key`` is ``id|source|Type|sender's id`` or ``identifier|Type|system|value``.
    """

    key = models.TextField(primary_key=True, db_collation="C")
    type = models.SmallIntegerField()
    public_id = models.TextField()

    class Meta:
        db_table = "record_directory_alias"


@table(TableClass.PATIENT, split=Follows("patient", "account", "Account"))
class AccountSegment(models.Model):
    """A billing or coding segment of an HL7 message, as it came, kept with its account."""

    account = models.BigIntegerField()
    patient = models.BigIntegerField(db_index=True)
    encounter = models.BigIntegerField(null=True)
    message = models.BigIntegerField()
    name = models.CharField(max_length=3)
    place = models.SmallIntegerField()
    text = models.TextField()
    filed_at = models.DateTimeField()

    class Meta:
        db_table = "record_account_segment"
        constraints = [
            models.UniqueConstraint(fields=["account", "message", "place"], name="record_account_segment_once")
        ]


@table(TableClass.PATIENT, split=Split.WITH)
class Signature(models.Model):
    """A signature, by hand here or told by a message: who says what of which bytes, when. Never changed.

    ``sha256`` is of the bytes of ``version``, which the signer saw; ``as_version`` is the version that says so of
    itself (the same where it arrived signed). ``files`` are the hashes of the files that belong to it. ``message``
    is 0 for one made here. ``seal`` covers all of it under a key that no database holds.
    """

    resource = models.BigIntegerField()
    type = models.SmallIntegerField()
    version = models.IntegerField()
    as_version = models.IntegerField()
    meaning = models.TextField(db_collation="C")
    signer = models.TextField(db_collation="C")
    name = models.TextField()
    role = models.TextField(db_collation="C")
    signed_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    message = models.BigIntegerField()
    statement = models.TextField()
    sha256 = models.BinaryField()
    files = ArrayField(models.BinaryField())
    seal = models.BinaryField()

    class Meta:
        db_table = "record_signature"
        constraints = [
            models.UniqueConstraint(
                fields=["type", "resource", "version", "signer", "meaning", "name"], name="record_signature_once"
            )
        ]


@table(TableClass.PATIENT, split=Split.STAYS)
class Correction(models.Model):
    """A correction of a document, asked for or done: which kind, of which version, why, by whom. Never changed.

    ``patient`` is whose chart it was in. ``to_patient`` (a row) and ``to_encounter`` (a public id) are where the
    document is to go. What became of it stands in its decision; one that needs no second person has it at once.
    """

    resource = models.BigIntegerField()
    type = models.SmallIntegerField()
    public_id = models.TextField(db_collation="C")
    version = models.IntegerField()
    patient = models.BigIntegerField(db_index=True)
    kind = models.TextField(db_collation="C")
    reason = models.TextField(db_collation="C")
    note = models.TextField()
    to_patient = models.BigIntegerField(null=True)
    to_encounter = models.TextField(db_collation="C", blank=True, default="")
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_correction"
        indexes = [models.Index(fields=["type", "resource"], name="record_correction_resource")]


@table(TableClass.PATIENT, split=Split.WITH)
class CorrectionDecision(models.Model):
    """What became of a correction: ``done``, ``refused`` or ``withdrawn``; by whom. Once, never changed.

    ``made_version`` is the version it made of the document, ``made_id`` the document it made beside it (an
    addition, or what stays behind in the chart a document was taken out of).
    """

    correction = models.OneToOneField(Correction, models.PROTECT, related_name="decision", primary_key=True)
    outcome = models.TextField(db_collation="C")
    note = models.TextField()
    made_version = models.IntegerField(null=True)
    made_id = models.TextField(db_collation="C", blank=True, default="")
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_correction_decision"


@table(TableClass.PATIENT, split=Split.WITH)
class Unsigned(models.Model):
    """A document that nobody authenticated yet: whose it is, and who wrote it (accounts and references)."""

    pk = models.CompositePrimaryKey("type", "resource")
    type = models.SmallIntegerField()
    resource = models.BigIntegerField()
    authors = ArrayField(models.TextField(db_collation="C"))
    since = models.DateTimeField()

    class Meta:
        db_table = "record_unsigned"
        indexes = [GinIndex(fields=["authors"], name="record_unsigned_authors")]


@table(TableClass.PATIENT, split=Split.REBUILT)
class TextRow(models.Model):
    """The words of an item as it stands, to be searched: ``words`` (a tsvector, see
    :mod:`charthouse.record.domain.time_buckets`) and ``body``, its text in zstd. Text read by machine begins at the
    character ``machine_from``."""

    resource = models.BigIntegerField(primary_key=True)
    patient = models.BigIntegerField()
    at = models.DateTimeField()
    version = models.IntegerField()
    labels = models.IntegerField()
    machine_from = models.IntegerField(null=True)
    type = models.SmallIntegerField()
    section = models.SmallIntegerField()
    title = models.TextField()
    service = models.TextField()
    words = SearchVectorField()
    body = models.BinaryField()

    class Meta:
        managed = False
        db_table = "record_text"


@table(TableClass.MACHINERY)
class TextDue(models.Model):
    """An item filed or changed whose words are not indexed yet."""

    resource = models.BigIntegerField(primary_key=True)
    filed_at = models.DateTimeField()
    type = models.SmallIntegerField()

    class Meta:
        managed = False
        db_table = "record_text_due"


@table(TableClass.MACHINERY)
class TextTerm(models.Model):
    """A word that some text has (kind 0, for beginnings of words), or a service that some document names (1)."""

    kind = models.SmallIntegerField(primary_key=True)
    term = models.TextField()

    class Meta:
        managed = False
        db_table = "record_text_term"


@table(TableClass.MACHINERY)
class TextBucket(models.Model):
    """A span of time of which there are texts, and about how many."""

    bucket = models.SmallIntegerField(primary_key=True)
    texts = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "record_text_bucket"


@table(TableClass.PATIENT, split=Split.WITH)
class MachineText(models.Model):
    """The text a machine read in a scanned part of a document, in zstd; empty where it found none."""

    resource = models.BigIntegerField()
    type = models.SmallIntegerField()
    version = models.IntegerField()
    place = models.SmallIntegerField()
    pages = models.IntegerField()
    engine = models.CharField(max_length=60)
    read_at = models.DateTimeField()
    body = models.BinaryField()

    class Meta:
        db_table = "record_machine_text"
        constraints = [
            models.UniqueConstraint(
                fields=["type", "resource", "version", "place"], name="record_machine_text_once"
            )
        ]


@table(TableClass.PATIENT, split=Split.STAYS)
class Hold(models.Model):
    """A legal hold on a chart, or on one encounter or document of it (``type`` and ``public_id``; empty for all of
    it). ``matter`` says what needs it. Never changed; it ends by its lift."""

    patient = models.BigIntegerField(db_index=True)
    type = models.SmallIntegerField(null=True)
    public_id = models.TextField(db_collation="C", blank=True, default="")
    matter = models.TextField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_hold"


@table(TableClass.PATIENT, split=Split.WITH)
class HoldLift(models.Model):
    """That a hold was lifted, why and by whom. Once, never changed."""

    hold = models.OneToOneField(Hold, models.PROTECT, related_name="lift", primary_key=True)
    reason = models.TextField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_hold_lift"


@table(TableClass.PATIENT, split=Split.STAYS)
class Destruction(models.Model):
    """That somebody asked for a chart to be destroyed, or for some ``documents`` of it alone (``Type/id``): of
    which source patients, how many ``items`` in how many ``versions``, from which day it may be and by which rule.
    Never changed."""

    patient = models.BigIntegerField(db_index=True)
    patients = ArrayField(models.BigIntegerField())
    documents = ArrayField(models.TextField(db_collation="C"), default=list)
    items = models.IntegerField()
    versions = models.IntegerField()
    rule = models.TextField(db_collation="C")
    due = models.DateField()
    reason = models.TextField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_destruction"


@table(TableClass.PATIENT, split=Split.WITH)
class DestructionDecision(models.Model):
    """What became of it: ``done``, ``refused`` or ``withdrawn``; by whom. Once, never changed."""

    destruction = models.OneToOneField(Destruction, models.PROTECT, related_name="decision", primary_key=True)
    outcome = models.TextField(db_collation="C")
    note = models.TextField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "record_destruction_decision"


@table(TableClass.PATIENT, split=Split.STAYS)
class Tombstone(models.Model):
    """What is left of one thing that was destroyed lawfully: a ``version`` of a resource, a ``segment`` of an
    account (``item`` its row), or an ``original`` of a message (``item`` its row).

    ``sha256`` and ``size`` are of its bytes; ``seal`` covers all of it under a key that no database holds.
    ``made_in`` is the transaction: the database lets go of a row only in the one that leaves its tombstone. The
    application cannot write here but by the function that destroys.
    """

    destruction = models.ForeignKey(Destruction, models.PROTECT, related_name="tombstones")
    kind = models.TextField(db_collation="C")
    type = models.SmallIntegerField()
    item = models.BigIntegerField()
    version = models.IntegerField()
    sha256 = models.BinaryField()
    size = models.BigIntegerField()
    seal = models.BinaryField()
    made_in = models.BigIntegerField()

    class Meta:
        db_table = "record_tombstone"
        constraints = [
            models.UniqueConstraint(fields=["kind", "type", "item", "version"], name="record_tombstone_once")
        ]


@table(TableClass.PATIENT, split=Split.REBUILT)
class LastEntry(models.Model):
    """The latest day (UTC) that any item of a source patient tells of; where none has a date, not ``dated``, the
    day the last was filed. Kept up by a consumer of events, to list charts by; what is done to a chart is decided
    by its items. ``born`` is the birth date as it is recorded, empty without one, null where it was not looked at
    yet."""

    patient = models.BigIntegerField(primary_key=True)
    day = models.DateField()
    dated = models.BooleanField()
    born = models.TextField(db_collation="C", null=True)

    class Meta:
        db_table = "record_last_entry"
        indexes = [models.Index(fields=["day", "patient"], name="record_last_entry_day")]
