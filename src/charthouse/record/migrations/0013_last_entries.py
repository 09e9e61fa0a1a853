"""The day of each source patient's last entry, from which charts are listed whose time is over."""

from django.db import migrations, models

from charthouse.record.domain.filing import STATE_NUMBER, State
from charthouse.record.domain.types import TYPE_ID

_FILL = f"""
INSERT INTO record_last_entry (patient, day, dated)
SELECT patient, coalesce(max(ended), max(filed)), max(ended) IS NOT NULL
  FROM (SELECT r.patient, (r.filed_at AT TIME ZONE 'UTC')::date AS filed,
               (CASE WHEN isfinite(r.main_high) THEN r.main_high WHEN isfinite(r.main_low) THEN r.main_low END
                AT TIME ZONE 'UTC')::date AS ended
          FROM record_resource r
         WHERE r.patient IS NOT NULL AND r.type <> {TYPE_ID["Patient"]}
           AND r.state <> {STATE_NUMBER[State.DESTROYED]}
           AND NOT (r.type = {TYPE_ID["Provenance"]}
                    AND EXISTS (SELECT FROM record_destruction d WHERE d.patient = r.patient))) entries
 GROUP BY patient
"""  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [("record", "0012_settled_words")]

    operations = [
        migrations.CreateModel(
            name="LastEntry",
            fields=[
                ("patient", models.BigIntegerField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("dated", models.BooleanField()),
                ("born", models.TextField(db_collation="C", null=True)),
            ],
            options={
                "db_table": "record_last_entry",
                "indexes": [models.Index(fields=["day", "patient"], name="record_last_entry_day")],
            },
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
    ]
