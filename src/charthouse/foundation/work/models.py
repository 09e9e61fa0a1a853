"""Tables of the work queue."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Cast, Coalesce, Now

from charthouse.foundation.tables import TableClass, table

_DUE = Coalesce("due", Cast(models.Value("infinity"), models.DateTimeField()))
_UNFINISHED = models.Q(state__in=["open", "taken", "held"])
_DATED = models.Q(state__in=["open", "taken", "held"], due__isnull=False)


@table(TableClass.MACHINERY)
class WorkItem(models.Model):
    """One thing that waits for a person. ``detail`` holds ids and codes, no clinical text."""

    id = models.BigAutoField(primary_key=True)
    queue = models.TextField(db_collation="C")
    subject_kind = models.TextField(db_collation="C")
    subject_id = models.TextField(db_collation="C")
    patient = models.TextField(null=True, db_collation="C")
    person = models.TextField(null=True, db_collation="C")
    reason = models.TextField()
    rule = models.TextField(null=True, db_collation="C")
    due = models.DateTimeField(null=True)
    priority = models.SmallIntegerField()
    facility = models.IntegerField(null=True)
    state = models.TextField(db_collation="C", db_default="open")
    owner = models.TextField(null=True, db_collation="C")
    taken_at = models.DateTimeField(null=True)
    hold_reason = models.TextField(null=True)
    hold_until = models.DateTimeField(null=True)
    outcome = models.TextField(null=True)
    finished_at = models.DateTimeField(null=True)
    dedupe = models.TextField(db_collation="C")
    detail = models.JSONField()
    version = models.IntegerField(db_default=1)
    opened = models.DateTimeField(help_text="by the business clock")
    opened_at = models.DateTimeField(db_default=Now(), help_text="by the wall clock")

    class Meta:
        app_label = "foundation"
        db_table = "work_item"
        constraints = [
            models.UniqueConstraint(fields=["queue", "dedupe"], condition=_UNFINISHED, name="work_item_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["open", "taken", "held", "finished"]), name="work_item_state"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="taken") | models.Q(owner__isnull=False), name="work_item_taken_by"
            ),
        ]
        indexes = [
            # The order in which items are offered: most urgent, soonest due (none last), oldest.
            models.Index(
                "queue",
                "priority",
                _DUE,
                "id",
                condition=models.Q(state="open"),
                name="work_item_offer",
            ),
            models.Index(
                "queue",
                "priority",
                _DUE,
                "id",
                condition=_UNFINISHED,
                name="work_item_list",
            ),
            models.Index(
                fields=["queue", "state"],
                include=["due", "owner", "facility"],
                condition=_UNFINISHED,
                name="work_item_count",
            ),
            # Nothing to write when an item is opened: it has no owner then.
            models.Index(
                "queue",
                "owner",
                "priority",
                _DUE,
                "id",
                condition=_UNFINISHED & models.Q(owner__isnull=False),
                name="work_item_mine",
            ),
            models.Index(
                "queue",
                "facility",
                "priority",
                _DUE,
                "id",
                condition=_UNFINISHED,
                name="work_item_place",
            ),
            models.Index(
                fields=["queue", "due", "id"], include=["facility", "state"], condition=_DATED, name="work_item_due"
            ),
            models.Index(
                "queue",
                "rule",
                "priority",
                _DUE,
                "id",
                condition=_UNFINISHED & models.Q(rule__isnull=False),
                name="work_item_rule",
            ),
            models.Index(
                models.F("queue"),
                models.F("finished_at").desc(),
                models.F("id").desc(),
                condition=models.Q(state="finished"),
                name="work_item_finished",
            ),
            models.Index(fields=["hold_until"], condition=models.Q(state="held"), name="work_item_hold"),
            models.Index(fields=["patient"], condition=models.Q(patient__isnull=False), name="work_item_patient"),
            models.Index(fields=["subject_kind", "subject_id"], name="work_item_subject"),
        ]


@table(TableClass.MACHINERY)
class WorkHistory(models.Model):
    """What happened to an item; rows are only ever added."""

    id = models.BigAutoField(primary_key=True)
    item = models.ForeignKey(WorkItem, on_delete=models.PROTECT, db_index=False)
    at = models.DateTimeField(db_default=Now())
    actor = models.TextField(db_collation="C")
    action = models.TextField(db_collation="C")
    note = models.TextField(default="")
    detail = models.JSONField(default=dict)

    class Meta:
        app_label = "foundation"
        db_table = "work_history"
        indexes = [models.Index(fields=["item", "id"], name="work_history_item")]


@table(TableClass.MACHINERY)
class WorkView(models.Model):
    """A person's own view of a queue: a name for a set of filters. ``filters`` holds codes and days, no PHI."""

    id = models.BigAutoField(primary_key=True)
    actor = models.TextField(db_collation="C")
    queue = models.TextField(db_collation="C")
    name = models.TextField()
    filters = models.JSONField()
    saved_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "foundation"
        db_table = "work_view"
        constraints = [models.UniqueConstraint(fields=["actor", "queue", "name"], name="work_view_once")]
