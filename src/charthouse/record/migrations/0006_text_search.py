"""Words of the record: the text of each item under its time, what waits to be indexed, and text read by machine.

What was filed before waits to be indexed, too. The row is narrow: its words and its text lie apart (TOAST), so that
a common word's many rows are few pages. Keys of the index go straight in, since a list of pending ones would have to
be read by every search.
"""

from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models

from charthouse.record.domain.text_rows import SEARCHED

_TYPES = ", ".join(map(str, sorted(SEARCHED)))

CREATE = [
    """CREATE TABLE record_text (
    resource bigint NOT NULL, patient bigint NOT NULL, at timestamptz NOT NULL,
    version integer NOT NULL, labels integer NOT NULL, machine_from integer,
    type smallint NOT NULL, section smallint NOT NULL,
    title text NOT NULL, service text NOT NULL, words tsvector NOT NULL, body bytea NOT NULL,
    PRIMARY KEY (type, resource)) WITH (toast_tuple_target = 128)""",
    # Compressed before it is sent.
    "ALTER TABLE record_text ALTER body SET STORAGE EXTERNAL",
    "CREATE INDEX record_text_words ON record_text USING gin (words) WITH (fastupdate = off)",
    "CREATE INDEX record_text_patient ON record_text (patient, at DESC)",
    """CREATE TABLE record_text_due (
    resource bigint NOT NULL, filed_at timestamptz NOT NULL, type smallint NOT NULL)""",
    """CREATE TABLE record_text_term (
    kind smallint NOT NULL, term text COLLATE "C" NOT NULL, PRIMARY KEY (kind, term))""",
    # Every bucket that has a text; how many is a help for the searches' planning, and need not be exact.
    "CREATE TABLE record_text_bucket (bucket smallint PRIMARY KEY, texts bigint NOT NULL)",
    "INSERT INTO record_text_due (resource, filed_at, type) "
    f"SELECT id, filed_at, type FROM record_resource WHERE type IN ({_TYPES}) AND patient IS NOT NULL",
]
DROP = ["DROP TABLE record_text_bucket", "DROP TABLE record_text_term", "DROP TABLE record_text_due", "DROP TABLE record_text"]


class Migration(migrations.Migration):
    dependencies = [("record", "0005_documents")]

    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.CreateModel(
            name="TextRow",
            fields=[
                ("resource", models.BigIntegerField(primary_key=True, serialize=False)),
                ("patient", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("version", models.IntegerField()),
                ("labels", models.IntegerField()),
                ("machine_from", models.IntegerField(null=True)),
                ("type", models.SmallIntegerField()),
                ("section", models.SmallIntegerField()),
                ("title", models.TextField()),
                ("service", models.TextField()),
                ("words", SearchVectorField()),
                ("body", models.BinaryField()),
            ],
            options={"db_table": "record_text", "managed": False},
        ),
        migrations.CreateModel(
            name="TextDue",
            fields=[
                ("resource", models.BigIntegerField(primary_key=True, serialize=False)),
                ("filed_at", models.DateTimeField()),
                ("type", models.SmallIntegerField()),
            ],
            options={"db_table": "record_text_due", "managed": False},
        ),
        migrations.CreateModel(
            name="TextTerm",
            fields=[
                ("kind", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("term", models.TextField()),
            ],
            options={"db_table": "record_text_term", "managed": False},
        ),
        migrations.CreateModel(
            name="TextBucket",
            fields=[
                ("bucket", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("texts", models.BigIntegerField()),
            ],
            options={"db_table": "record_text_bucket", "managed": False},
        ),
        migrations.CreateModel(
            name="MachineText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource", models.BigIntegerField()),
                ("type", models.SmallIntegerField()),
                ("version", models.IntegerField()),
                ("place", models.SmallIntegerField()),
                ("pages", models.IntegerField()),
                ("engine", models.CharField(max_length=60)),
                ("read_at", models.DateTimeField()),
                ("body", models.BinaryField()),
            ],
            options={
                "db_table": "record_machine_text",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["type", "resource", "version", "place"], name="record_machine_text_once"
                    )
                ],
            },
        ),
    ]
