"""Signatures, corrections, what nobody signed yet, and a digest beside each version.

What is in the record already is looked through once: who attests which version, and which document waits for its
author. Versions filed before have no digest of their own; the verification counts them.
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import orjson
from django.db import migrations, models

from charthouse.foundation.append_only import append_only

_BATCH = 500
_READ = """
SELECT r.id, r.public_id, r.patient, r.state, r.version, v.version, v.message, v.filed_at, v.content
  FROM record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id
 WHERE r.type = %s AND v.type = %s AND (v.resource, v.version) > (%s, %s)
 ORDER BY v.resource, v.version LIMIT %s
"""


def look_through(apps, schema_editor):
    from charthouse.record.actions.note_signing import add_signatures, signatures_told
    from charthouse.record.domain.filing import Filed, Outcome, prepare
    from charthouse.record.domain.packing import decompress
    from charthouse.record.domain.types import TYPE_ID

    for kind in ("DocumentReference", "Composition"):
        number, place = TYPE_ID[kind], (0, 0)
        while True:
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(_READ, [number, number, *place, _BATCH])
                rows = cursor.fetchall()
                for row, public_id, patient, state, newest, version, message, filed_at, stored in rows:
                    content = decompress(stored)
                    filing = prepare(orjson.loads(content), content)
                    filing.message = message
                    done = Filed(kind, public_id, row, version, patient, Outcome.CREATED)
                    if message:
                        add_signatures(cursor, signatures_told(filing, done, filed_at))
                    waits = filing.signing is not None and filing.signing.unsigned
                    if waits and version == newest and state == 0 and patient is not None:
                        cursor.execute(
                            "INSERT INTO record_unsigned (type, resource, authors, since) "
                            "VALUES (%s, %s, %s::text[], %s)",
                            [number, row, list(filing.signing.authors), filed_at],
                        )
            if len(rows) < _BATCH:
                break
            place = (rows[-1][0], rows[-1][5])


class Migration(migrations.Migration):
    dependencies = [("record", "0004_segments_follow")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE record_version ADD COLUMN digest bytea", "ALTER TABLE record_version DROP COLUMN digest"
        ),
        migrations.AddField("Version", "digest", models.BinaryField(null=True)),
        migrations.CreateModel(
            name="Signature",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource", models.BigIntegerField()),
                ("type", models.SmallIntegerField()),
                ("version", models.IntegerField()),
                ("as_version", models.IntegerField()),
                ("meaning", models.TextField(db_collation="C")),
                ("signer", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("role", models.TextField(db_collation="C")),
                ("signed_at", models.DateTimeField(null=True)),
                ("recorded_at", models.DateTimeField()),
                ("message", models.BigIntegerField()),
                ("statement", models.TextField()),
                ("sha256", models.BinaryField()),
                (
                    "files",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BinaryField(), size=None),
                ),
                ("seal", models.BinaryField()),
            ],
            options={
                "db_table": "record_signature",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("type", "resource", "version", "signer", "meaning", "name"),
                        name="record_signature_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource", models.BigIntegerField()),
                ("type", models.SmallIntegerField()),
                ("public_id", models.TextField(db_collation="C")),
                ("version", models.IntegerField()),
                ("patient", models.BigIntegerField(db_index=True)),
                ("kind", models.TextField(db_collation="C")),
                ("reason", models.TextField(db_collation="C")),
                ("note", models.TextField()),
                ("to_patient", models.BigIntegerField(null=True)),
                ("to_encounter", models.TextField(blank=True, db_collation="C", default="")),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "record_correction",
                "indexes": [models.Index(fields=["type", "resource"], name="record_correction_resource")],
            },
        ),
        migrations.CreateModel(
            name="CorrectionDecision",
            fields=[
                (
                    "correction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="decision",
                        serialize=False,
                        to="record.correction",
                    ),
                ),
                ("outcome", models.TextField(db_collation="C")),
                ("note", models.TextField()),
                ("made_version", models.IntegerField(null=True)),
                ("made_id", models.TextField(blank=True, db_collation="C", default="")),
                ("by", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "record_correction_decision"},
        ),
        migrations.CreateModel(
            name="Unsigned",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "type", "resource", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("type", models.SmallIntegerField()),
                ("resource", models.BigIntegerField()),
                (
                    "authors",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(db_collation="C"), size=None
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
            options={
                "db_table": "record_unsigned",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fields=["authors"], name="record_unsigned_authors")
                ],
            },
        ),
        append_only("record_signature"),
        append_only("record_correction"),
        append_only("record_correction_decision"),
        migrations.RunPython(look_through, migrations.RunPython.noop),
    ]
