"""Encounters by when they end, for the census: who was here since yesterday, whoever was here before.

An entry is written for each version of an Encounter or Appointment, beside the two entries its date has already.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("record", "0002_superseded")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX record_index_date_encounter_end ON record_index_date_encounter (param, high, low, resource)",
            "DROP INDEX record_index_date_encounter_end",
        )
    ]
