"""Charts under completion, their deficiencies with their history, absences, closures, and adopted rules."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):
    initial = True

    dependencies = [("foundation", "0008_desk_filters"), ("record", "0010_retention")]

    operations = [
        migrations.CreateModel(
            name="AdoptedRules",
            fields=[
                ("version", models.AutoField(primary_key=True, serialize=False)),
                ("digest", models.TextField(db_collation="C")),
                ("content", models.JSONField()),
                ("note", models.TextField(blank=True, default="")),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "adopted rules",
                "db_table": "completion_adopted_rules",
            },
        ),
        migrations.CreateModel(
            name="PractitionerAway",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("practitioner", models.TextField(db_collation="C", db_index=True)),
                ("gone", models.BooleanField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("stand_in", models.TextField(blank=True, db_collation="C", default="")),
                ("reason", models.TextField()),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True, db_collation="C", default="")),
            ],
            options={
                "verbose_name_plural": "practitioners away",
                "db_table": "completion_practitioner_away",
            },
        ),
        migrations.CreateModel(
            name="Chart",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("encounter", models.BigIntegerField(unique=True)),
                ("encounter_id", models.TextField(db_collation="C")),
                ("patient", models.BigIntegerField(db_index=True)),
                ("facility", models.IntegerField(null=True)),
                ("kind", models.TextField(db_collation="C")),
                ("service", models.TextField(blank=True, default="")),
                ("started", models.DateTimeField(null=True)),
                ("discharged", models.DateTimeField(null=True)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("incomplete", "Incomplete"),
                            ("complete", "Complete"),
                            ("delinquent", "Delinquent"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        db_collation="C",
                    ),
                ),
                ("since", models.DateTimeField()),
                ("due", models.DateTimeField(null=True)),
                ("open", models.IntegerField(default=0)),
                ("analysed_at", models.DateTimeField()),
                ("rules", models.IntegerField()),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("reviewed_by", models.TextField(blank=True, db_collation="C", default="")),
                ("reviewer", models.TextField(blank=True, default="")),
                ("version", models.IntegerField(default=1)),
            ],
            options={
                "db_table": "completion_chart",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["incomplete", "delinquent"])),
                        fields=["due", "id"],
                        include=("state", "kind", "service", "discharged", "facility"),
                        name="completion_chart_undone",
                    ),
                    models.Index(fields=["state", "due", "id"], name="completion_chart_state"),
                    models.Index(
                        condition=models.Q(("state__in", ["incomplete", "delinquent"])),
                        fields=["kind", "due", "id"],
                        name="completion_chart_kind",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["incomplete", "delinquent"])),
                        fields=["service", "due", "id"],
                        name="completion_chart_service",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["incomplete", "delinquent"])),
                        fields=["facility", "due", "id"],
                        name="completion_chart_place",
                    ),
                    models.Index(
                        fields=["discharged", "id"],
                        include=("kind", "facility"),
                        name="completion_chart_discharged",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["incomplete", "complete", "delinquent", "withdrawn"])),
                        name="completion_chart_known_state",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Deficiency",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("key", models.TextField(db_collation="C")),
                ("manual", models.BooleanField(default=False)),
                ("rule", models.TextField(blank=True, db_collation="C", default="")),
                ("kind", models.TextField(db_collation="C")),
                ("piece", models.TextField(blank=True, db_collation="C", default="")),
                ("what", models.TextField(db_collation="C")),
                ("about", models.TextField(blank=True, db_collation="C", default="")),
                ("says", models.TextField()),
                ("reason", models.TextField(blank=True, db_collation="C", default="")),
                ("owed_by", models.TextField(blank=True, db_collation="C", default="")),
                ("owed_name", models.TextField(blank=True, default="")),
                ("owed_because", models.TextField(blank=True, default="")),
                ("by_hand", models.BooleanField(default=False)),
                ("edited", models.BooleanField(default=False)),
                ("opened", models.DateTimeField()),
                ("due", models.DateTimeField(null=True)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("open", "Open"),
                            ("closed", "Closed"),
                            ("noted", "Noted"),
                            ("waived", "Waived"),
                            ("administrative", "Closed administratively"),
                        ],
                        db_collation="C",
                    ),
                ),
                ("judgement", models.BooleanField(default=False)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("disputed", models.BooleanField(default=False)),
                ("ended", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True, db_collation="C", default="")),
                ("ended_how", models.TextField(blank=True, default="")),
                ("version", models.IntegerField(default=1)),
                (
                    "chart",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deficiencies",
                        to="completion.chart",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deficiencies",
                "db_table": "completion_deficiency",
            },
        ),
        migrations.CreateModel(
            name="DeficiencyEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("what", models.TextField(db_collation="C")),
                ("why", models.TextField(blank=True, default="")),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                (
                    "chart",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="completion.chart"
                    ),
                ),
                (
                    "deficiency",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="completion.deficiency",
                    ),
                ),
            ],
            options={
                "db_table": "completion_deficiency_event",
            },
        ),
        migrations.CreateModel(
            name="Closure",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                (
                    "deficiencies",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                ("reason", models.TextField()),
                ("approval", models.TextField(blank=True, default="")),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
                ("outcome", models.TextField(blank=True, db_collation="C", default="")),
                ("note", models.TextField(blank=True, default="")),
                ("decided_by", models.TextField(blank=True, db_collation="C", default="")),
                ("decider", models.TextField(blank=True, default="")),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "chart",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="closures", to="completion.chart"
                    ),
                ),
            ],
            options={
                "db_table": "completion_closure",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("outcome", "")), fields=("chart",), name="completion_closure_one_waits"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="deficiency",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "proposed"])),
                fields=["owed_by", "due", "id"],
                include=("state", "chart", "kind"),
                name="completion_deficiency_owed",
            ),
        ),
        migrations.AddIndex(
            model_name="deficiency",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "proposed"])),
                fields=["due", "id"],
                name="completion_deficiency_due",
            ),
        ),
        migrations.AddIndex(
            model_name="deficiency",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "proposed"])),
                fields=["kind", "due", "id"],
                include=("chart",),
                name="completion_deficiency_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="deficiency",
            constraint=models.UniqueConstraint(fields=("chart", "key"), name="completion_deficiency_once"),
        ),
        migrations.AddConstraint(
            model_name="deficiency",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "open", "closed", "noted", "waived", "administrative"])
                ),
                name="completion_deficiency_known_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="deficiency",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended", None), ("state__in", ["open", "proposed"])),
                    models.Q(
                        models.Q(("state__in", ["open", "proposed"]), _negated=True),
                        models.Q(("ended", None), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="completion_deficiency_ended_says_when",
            ),
        ),
        append_only("completion_deficiency_event"),
        append_only("completion_adopted_rules"),
    ]
