"""The record of letters, and the suspension list."""

from __future__ import annotations

from django.db import models

from charthouse.foundation.ids import new_id
from charthouse.foundation.tables import TableClass, table

from .domain.bylaws import LetterKind

_KINDS = [kind.value for kind in LetterKind]


@table(TableClass.REFERENCE)
class LetterTemplate(models.Model):
    """One version of a site's own text for a kind of letter. Never changed; the highest version holds."""

    kind = models.TextField(db_collation="C")
    version = models.PositiveIntegerField()
    title = models.TextField()
    body = models.TextField()
    mail_subject = models.TextField()
    mail_text = models.TextField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        app_label = "completion"
        db_table = "completion_letter_template"
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="completion_letter_template_once"),
            models.CheckConstraint(condition=models.Q(kind__in=_KINDS), name="completion_letter_template_kind"),
        ]


@table(TableClass.MACHINERY)
class LetterBatch(models.Model):
    """That letters of a kind were asked for in a period, the first time. ``mail``: they are announced by mail.
    ``job`` is the last that made them, ``finished_at`` when one had made all."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.TextField(db_collation="C")
    period = models.DateField()
    mail = models.BooleanField()
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()
    job = models.BigIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "completion"
        db_table = "completion_letter_batch"
        constraints = [
            models.UniqueConstraint(fields=["kind", "period"], name="completion_letter_batch_once"),
            models.CheckConstraint(condition=models.Q(kind__in=_KINDS), name="completion_letter_batch_kind"),
        ]
        indexes = [models.Index(fields=["-at"], name="completion_letter_batch_newest")]


@table(TableClass.MACHINERY)
class Letter(models.Model):
    """A letter as it was made, for good: its text, and what it listed of which charts. Never changed.

    ``practitioner`` is named as deficiencies name them, by the entry that stood for all of theirs then.
    ``made_at`` is the business clock's. ``template`` is the version of its text, 0 as Charthouse came. ``lines``
    are the rows of its list: the record's row of the ``encounter``, and the ``cells`` under ``columns``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    batch = models.ForeignKey(LetterBatch, models.PROTECT, related_name="letters")
    practitioner = models.TextField(db_collation="C")
    practitioner_name = models.TextField()
    kind = models.TextField(db_collation="C")
    period = models.DateField()
    made_at = models.DateTimeField()
    template = models.PositiveIntegerField()
    title = models.TextField()
    body = models.TextField()
    columns = models.JSONField()
    lines = models.JSONField()
    charts = models.PositiveIntegerField()
    delinquent = models.PositiveIntegerField()
    deficiencies = models.PositiveIntegerField()
    days = models.PositiveIntegerField()

    class Meta:
        app_label = "completion"
        db_table = "completion_letter"
        constraints = [
            models.UniqueConstraint(fields=["practitioner", "kind", "period"], name="completion_letter_once")
        ]
        indexes = [
            models.Index(fields=["practitioner", "-made_at"], name="completion_letter_of"),
            models.Index(fields=["batch", "practitioner_name"], name="completion_letter_in_batch"),
            models.Index(fields=["-made_at", "-id"], name="completion_letter_newest"),
        ]


class SendingState(models.TextChoices):
    """How far the mail that announces a letter has come. UNCERTAIN: it may have arrived; a person settles that.
    GIVEN_UP: it failed, and somebody decided to leave it so."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    GIVEN_UP = "given-up"


@table(TableClass.MACHINERY)
class LetterSending(models.Model):
    """The mail that announces a letter. ``message`` is the outbox's."""

    letter = models.OneToOneField(Letter, models.PROTECT, related_name="sending", primary_key=True)
    message = models.UUIDField(unique=True)
    address = models.TextField()
    subject = models.TextField()
    text = models.TextField()
    state = models.TextField(choices=SendingState, default=SendingState.WAITING, db_collation="C")
    error = models.TextField(default="")
    changed_at = models.DateTimeField()

    class Meta:
        app_label = "completion"
        db_table = "completion_letter_sending"
        indexes = [
            models.Index(
                fields=["changed_at"],
                condition=models.Q(state__in=["failed", "uncertain"]),
                name="completion_sending_unsettled",
            )
        ]


@table(TableClass.MACHINERY)
class LetterEvent(models.Model):
    """What happened to a letter: made, mailed, sent, uncertain, settled, printed … Rows are only ever added."""

    letter = models.ForeignKey(Letter, models.PROTECT, related_name="events")
    what = models.TextField(db_collation="C")
    note = models.TextField(default="")
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        app_label = "completion"
        db_table = "completion_letter_event"
        indexes = [models.Index(fields=["letter", "id"], name="completion_letter_event_of")]


class SuspensionState(models.TextChoices):
    """PROPOSED by the bylaws' thresholds; then SUSPENDED or SPARED by a person, or WITHDRAWN because it was
    completed before; LIFTED when nothing delinquent was left, or by a person."""

    PROPOSED = "proposed"
    SUSPENDED = "suspended"
    SPARED = "spared"
    WITHDRAWN = "withdrawn"
    LIFTED = "lifted"


@table(TableClass.MACHINERY)
class Suspension(models.Model):
    """One time on the list, from the proposal to its end. ``reached`` says by what threshold; the counts are those
    of the proposal. ``suspended_at`` and ``ended_at`` (business clock) tell who was suspended when."""

    practitioner = models.TextField(db_collation="C")
    practitioner_name = models.TextField()
    state = models.TextField(choices=SuspensionState, default=SuspensionState.PROPOSED, db_collation="C")
    reached = models.TextField()
    charts = models.PositiveIntegerField()
    delinquent = models.PositiveIntegerField()
    days = models.PositiveIntegerField()
    proposed_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True)
    spared_until = models.DateField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "completion"
        db_table = "completion_suspension"
        constraints = [
            models.UniqueConstraint(
                fields=["practitioner"],
                condition=models.Q(ended_at=None),
                name="completion_suspension_open_once",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, state__in=["proposed", "suspended"])
                | models.Q(ended_at__isnull=False, state__in=["spared", "withdrawn", "lifted"]),
                name="completion_suspension_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["practitioner", "-proposed_at"], name="completion_suspension_of"),
            models.Index(fields=["-proposed_at", "-id"], name="completion_suspension_newest"),
        ]


@table(TableClass.MACHINERY)
class SuspensionEvent(models.Model):
    """A step of a suspension: proposed, suspended, spared, withdrawn, lifted; by whom and why. Rows are only
    added."""

    suspension = models.ForeignKey(Suspension, models.PROTECT, related_name="events")
    what = models.TextField(db_collation="C")
    note = models.TextField(default="")
    by = models.TextField(db_collation="C")
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        app_label = "completion"
        db_table = "completion_suspension_event"
        indexes = [models.Index(fields=["suspension", "id"], name="completion_suspension_ev_of")]
