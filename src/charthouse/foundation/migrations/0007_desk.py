"""The desk: saved views, and indexes for what is overdue, under a rule, and finished."""

from django.db import migrations, models
from django.db.models.functions import Cast, Coalesce, Now

_DUE = Coalesce("due", Cast(models.Value("infinity"), models.DateTimeField()))


class Migration(migrations.Migration):
    dependencies = [("foundation", "0006_jobs_3")]

    operations = [
        migrations.CreateModel(
            name="WorkView",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("actor", models.TextField(db_collation="C")),
                ("queue", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("filters", models.JSONField()),
                ("saved_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "work_view",
                "constraints": [
                    models.UniqueConstraint(fields=["actor", "queue", "name"], name="work_view_once"),
                ],
            },
        ),
        migrations.AddIndex(
            "workitem",
            models.Index(
                fields=["queue", "due", "id"],
                include=["facility"],
                condition=models.Q(("due__isnull", False), ("state__in", ["open", "taken"])),
                name="work_item_due",
            ),
        ),
        migrations.AddIndex(
            "workitem",
            models.Index(
                models.F("queue"),
                models.F("rule"),
                models.F("priority"),
                _DUE,
                models.F("id"),
                condition=models.Q(("state__in", ["open", "taken", "held"]), ("rule__isnull", False)),
                name="work_item_rule",
            ),
        ),
        migrations.AddIndex(
            "workitem",
            models.Index(
                models.F("queue"),
                models.F("finished_at").desc(),
                models.F("id").desc(),
                condition=models.Q(("state", "finished")),
                name="work_item_finished",
            ),
        ),
    ]
