"""Charts under completion, what each still lacks, and what became of it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from charthouse.foundation.tables import Follows, Split, TableClass, table

from . import letter_models as letter_models
from . import rule_models as rule_models
from .domain.states import ChartState, State

_KEY = "C"
_OPEN = [State.OPEN.value, State.PROPOSED.value]
_UNDONE = [ChartState.INCOMPLETE.value, ChartState.DELINQUENT.value]


@table(TableClass.PATIENT, split=Follows("patient", "encounter", "Encounter"))
class Chart(models.Model):
    """The chart of one encounter under completion.

    ``encounter`` and ``patient`` are rows of the record, so that a merge of persons carries the chart and a split
    takes it where its encounter goes. ``since`` is when its state began, ``due`` when an incomplete one becomes
    delinquent, ``open`` how many of its deficiencies are not settled. ``rules`` is the adopted version it was last
    analysed by. Who ``reviewed`` it looked it through after discharge and confirmed what it lacks.
    """

    encounter = models.BigIntegerField(unique=True)
    encounter_id = models.TextField(db_collation=_KEY)
    patient = models.BigIntegerField(db_index=True)
    facility = models.IntegerField(null=True)
    kind = models.TextField(db_collation=_KEY)
    service = models.TextField(blank=True, default="")
    started = models.DateTimeField(null=True)
    discharged = models.DateTimeField(null=True)
    state = models.TextField(db_collation=_KEY, choices=[(each.value, each.words) for each in ChartState])
    since = models.DateTimeField()
    due = models.DateTimeField(null=True)
    open = models.IntegerField(default=0)
    analysed_at = models.DateTimeField()
    rules = models.IntegerField()
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.TextField(db_collation=_KEY, blank=True, default="")
    reviewer = models.TextField(blank=True, default="")
    version = models.IntegerField(default=1)

    class Meta:
        db_table = "completion_chart"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=[each.value for each in ChartState]),
                name="completion_chart_known_state",
            )
        ]
        indexes = [
            # The lists of what is not complete, each in its order.
            models.Index(
                fields=["due", "id"], name="completion_chart_undone", condition=models.Q(state__in=_UNDONE)
            ),
            models.Index(fields=["state", "due", "id"], name="completion_chart_state"),
            models.Index(
                fields=["kind", "due", "id"], name="completion_chart_kind", condition=models.Q(state__in=_UNDONE)
            ),
            models.Index(
                fields=["service", "due", "id"],
                name="completion_chart_service",
                condition=models.Q(state__in=_UNDONE),
            ),
            models.Index(
                fields=["facility", "due", "id"],
                name="completion_chart_place",
                condition=models.Q(state__in=_UNDONE),
            ),
            # Lists of one facility, of a state and by discharge.
            models.Index(fields=["facility", "state", "due", "id"], name="completion_chart_place_state"),
            models.Index(fields=["facility", "discharged", "id"], name="completion_chart_place_gone"),
            # Discharges of a time, for the rate and its list; the columns after it are read from the index.
            models.Index(
                fields=["discharged", "id"],
                name="completion_chart_discharged",
                include=["kind", "facility", "service"],
            ),
            models.Index(
                fields=["discharged", "id"],
                name="completion_chart_aging",
                include=["state", "facility"],
                condition=models.Q(state__in=_UNDONE),
            ),
        ]

    def __str__(self) -> str:
        return f"Chart {self.pk}"


@table(TableClass.PATIENT, split=Split.WITH)
class Deficiency(models.Model):
    """Something a chart lacks: missing, late, unsigned, unfit or unanswered; who owes it, and since when.

    ``key`` names the matter, so that the same is one deficiency however often the chart is analysed. ``about`` is
    the item it speaks of (``Type/id``), empty where that is not there. ``owed_by`` names who owes it
    as records do (``Practitioner/id``, or an account), empty for nobody; reads follow merges in the directory. What
    a person assigned (``by_hand``) or ``edited`` an analysis leaves as it is. ``facility`` and ``service`` are the
    chart's; the database keeps them so. ``late`` is whether it was overdue at the last round of the clock: counts
    begin from it and put right what changed since.
    """

    chart = models.ForeignKey(Chart, models.PROTECT, related_name="deficiencies")
    key = models.TextField(db_collation=_KEY)
    manual = models.BooleanField(default=False)
    rule = models.TextField(db_collation=_KEY, blank=True, default="")
    kind = models.TextField(db_collation=_KEY)
    piece = models.TextField(db_collation=_KEY, blank=True, default="")
    what = models.TextField(db_collation=_KEY)
    about = models.TextField(db_collation=_KEY, blank=True, default="")
    says = models.TextField()
    reason = models.TextField(db_collation=_KEY, blank=True, default="")
    owed_by = models.TextField(db_collation=_KEY, blank=True, default="")
    owed_name = models.TextField(blank=True, default="")
    owed_because = models.TextField(blank=True, default="")
    by_hand = models.BooleanField(default=False)
    edited = models.BooleanField(default=False)
    opened = models.DateTimeField()
    due = models.DateTimeField(null=True)
    state = models.TextField(db_collation=_KEY, choices=[(each.value, each.words) for each in State])
    judgement = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(null=True)
    disputed = models.BooleanField(default=False)
    ended = models.DateTimeField(null=True)
    ended_by = models.TextField(db_collation=_KEY, blank=True, default="")
    ended_how = models.TextField(blank=True, default="")
    version = models.IntegerField(default=1)
    facility = models.IntegerField(null=True)
    service = models.TextField(blank=True, default="", db_default="")
    late = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "completion_deficiency"
        verbose_name_plural = "deficiencies"
        constraints = [
            models.UniqueConstraint(fields=["chart", "key"], name="completion_deficiency_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=[each.value for each in State]),
                name="completion_deficiency_known_state",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=_OPEN, ended=None)
                | (~models.Q(state__in=_OPEN) & ~models.Q(ended=None)),
                name="completion_deficiency_ended_says_when",
            ),
        ]
        indexes = [
            models.Index(
                fields=["owed_by", "due", "id"],
                name="completion_deficiency_owed",
                include=["state", "chart", "kind"],
                condition=models.Q(state__in=_OPEN),
            ),
            models.Index(
                fields=["due", "id"],
                name="completion_deficiency_due",
                condition=models.Q(state__in=_OPEN),
            ),
            models.Index(
                fields=["kind", "due", "id"],
                name="completion_deficiency_kind",
                include=["chart"],
                condition=models.Q(state__in=_OPEN),
            ),
            *(
                models.Index(
                    fields=[column, "due", "id"],
                    name=f"completion_deficiency_{name}",
                    condition=models.Q(state__in=_OPEN),
                )
                for column, name in (("facility", "place"), ("service", "service"), ("what", "what"))
            ),
            # What became overdue, or is no longer, since the last round.
            models.Index(
                fields=["late", "due"],
                name="completion_deficiency_late",
                include=["facility", "kind", "what", "owed_by"],
                condition=models.Q(state__in=_OPEN),
            ),
            models.Index(
                fields=["due", "id"],
                name="completion_deficiency_disputed",
                condition=models.Q(state__in=_OPEN, disputed=True),
            ),
            models.Index(
                fields=["state", "ended", "id"],
                name="completion_deficiency_ended",
                condition=~models.Q(state__in=_OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"Deficiency {self.pk}"


@table(TableClass.PATIENT, split=Split.WITH)
class DeficiencyEvent(models.Model):
    """What happened to a deficiency, or (``deficiency`` null) to the chart: who, when, why, how it was and became.

    Rows are only ever added. ``before`` and ``after`` hold what changed, in codes and numbers and no clinical text.
    """

    chart = models.ForeignKey(Chart, models.PROTECT, related_name="events")
    deficiency = models.ForeignKey(Deficiency, models.PROTECT, null=True, related_name="events")
    what = models.TextField(db_collation=_KEY)
    why = models.TextField(blank=True, default="")
    by = models.TextField(db_collation=_KEY)
    name = models.TextField()
    at = models.DateTimeField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        db_table = "completion_deficiency_event"
        indexes = [models.Index(fields=["at"], name="completion_event_at")]

    def __str__(self) -> str:
        return f"{self.what} {self.pk}"


@table(TableClass.DIRECTORY)
class PractitionerAway(models.Model):
    """That a practitioner is away for a time (``until``), or ``gone`` for good; who stands in. Ended, never
    deleted.

    ``practitioner`` and ``stand_in`` are named as records do, by an entry of theirs at that time.
    """

    practitioner = models.TextField(db_collation=_KEY, db_index=True)
    gone = models.BooleanField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    stand_in = models.TextField(db_collation=_KEY, blank=True, default="")
    reason = models.TextField()
    by = models.TextField(db_collation=_KEY)
    name = models.TextField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(db_collation=_KEY, blank=True, default="")

    class Meta:
        db_table = "completion_practitioner_away"
        verbose_name_plural = "practitioners away"

    def __str__(self) -> str:
        return f"Away {self.pk}"


@table(TableClass.PATIENT, split=Split.WITH)
class Closure(models.Model):
    """That somebody asked for deficiencies of a chart to be closed although they are not met, and what became of
    it: ``done``, ``refused`` or ``withdrawn``, by a second person. ``approval`` says where the committee approved
    it."""

    chart = models.ForeignKey(Chart, models.PROTECT, related_name="closures")
    deficiencies = ArrayField(models.BigIntegerField())
    reason = models.TextField()
    approval = models.TextField(blank=True, default="")
    by = models.TextField(db_collation=_KEY)
    name = models.TextField()
    at = models.DateTimeField()
    outcome = models.TextField(db_collation=_KEY, blank=True, default="")
    note = models.TextField(blank=True, default="")
    decided_by = models.TextField(db_collation=_KEY, blank=True, default="")
    decider = models.TextField(blank=True, default="")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "completion_closure"
        constraints = [
            models.UniqueConstraint(
                fields=["chart"], condition=models.Q(outcome=""), name="completion_closure_one_waits"
            )
        ]

    def __str__(self) -> str:
        return f"Closure {self.pk}"


@table(TableClass.REFERENCE)
class AdoptedRules(models.Model):
    """A version of the rules by which charts are analysed, as it was switched on. Never changed.

    ``digest`` is the SHA-256 of ``content``, the rules as canonical JSON.
    """

    version = models.AutoField(primary_key=True)
    digest = models.TextField(db_collation=_KEY)
    content = models.JSONField()
    note = models.TextField(blank=True, default="")
    by = models.TextField(db_collation=_KEY)
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "completion_adopted_rules"
        verbose_name_plural = "adopted rules"

    def __str__(self) -> str:
        return f"Version {self.version}"


# The app's other tables: of a chart's assembly, of the board's counts, and of facts kept flat.
from .assembly_models import ChartOrder, DocumentPiece, PieceMapping  # noqa: E402, F401
from .board_models import Snapshot, SnapshotCount, SnapshotPart, Tally  # noqa: E402, F401
from .facts_models import ChartFacts  # noqa: E402, F401
