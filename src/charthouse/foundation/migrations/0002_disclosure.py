"""Disclosures and their items, written once."""

import django.db.models.deletion
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("foundation", "0001_ledger")]
    operations = [
        migrations.CreateModel(
            name="Disclosure",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("patient", models.TextField(db_collation="C")),
                ("recipient", models.TextField()),
                ("recipient_address", models.TextField(blank=True)),
                ("purpose", models.TextField(db_collation="C")),
                ("basis", models.TextField(db_collation="C")),
                ("how", models.TextField(db_collation="C")),
                ("description", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("actor", models.TextField(db_collation="C")),
                ("actor_name", models.TextField()),
            ],
            options={
                "db_table": "disclosure",
                "indexes": [models.Index(fields=["patient", "at"], name="disclosure_patient_at")],
            },
        ),
        migrations.CreateModel(
            name="DisclosureItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.TextField(db_collation="C")),
                ("item", models.TextField(db_collation="C")),
                (
                    "disclosure",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="foundation.disclosure",
                    ),
                ),
            ],
            options={
                "db_table": "disclosure_item",
                "indexes": [models.Index(fields=["kind", "item"], name="disclosure_item_kind_item")],
            },
        ),
        append_only("disclosure"),
        append_only("disclosure_item"),
    ]
