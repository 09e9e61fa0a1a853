"""Codes a site maps, what persons said of documents, and the orders of charts."""

import django.contrib.postgres.fields
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("completion", "0001_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChartOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("kind", models.TextField(db_collation="C")),
                ("version", models.IntegerField()),
                (
                    "pieces",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(db_collation="C"), size=None
                    ),
                ),
                ("restored", models.BooleanField(default=False)),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
            ],
            options={
                "db_table": "completion_chart_order",
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "version"), name="completion_chart_order_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="DocumentPiece",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("type", models.SmallIntegerField()),
                ("resource", models.BigIntegerField()),
                ("piece", models.TextField(db_collation="C")),
                ("said_at", models.DateTimeField()),
                ("said_by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
            ],
            options={
                "db_table": "completion_document_piece",
                "constraints": [
                    models.UniqueConstraint(fields=("type", "resource"), name="completion_document_piece_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PieceMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("source", models.IntegerField(default=0)),
                ("system", models.TextField(blank=True, db_collation="C", default="")),
                ("code", models.TextField(db_collation="C")),
                ("piece", models.TextField(db_collation="C")),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("changed", models.IntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True, db_collation="C", default="")),
            ],
            options={
                "db_table": "completion_piece_mapping",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("source", "system", "code"),
                        name="completion_piece_mapping_once",
                    )
                ],
            },
        ),
        append_only("completion_chart_order"),
    ]
