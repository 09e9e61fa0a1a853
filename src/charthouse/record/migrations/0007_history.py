"""Versions by when they were filed, for the history of a type and of everything.

All versions of a message share their moment, so an entry takes about eight bytes.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("record", "0006_text_search")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX record_version_filed ON record_version (filed_at)", "DROP INDEX record_version_filed"
        )
    ]
