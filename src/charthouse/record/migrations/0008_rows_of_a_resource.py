"""Dates, quantities and strings of one resource, for searches that are led by another parameter, and for orders;
resources of a type by when they were filed, and dates by their end, for those who ask what is new.

Rows come in the order of their resources, so an entry is added at the right end: the cheapest there is. The last two
do not end with the resource: a lookup by its number would be led through all that was filed at few moments.
"""

from django.db import migrations

_TABLES = ("record_index_date", "record_index_quantity", "record_index_string")


class Migration(migrations.Migration):
    dependencies = [("record", "0007_history")]

    operations = [
        migrations.RunSQL(
            [
                *(f"CREATE INDEX {name}_own ON {name} (resource, param)" for name in _TABLES),
                "CREATE INDEX record_resource_filed ON record_resource (type, filed_at)",
                "CREATE INDEX record_index_date_high ON record_index_date (param, high)",
            ],
            [
                *(f"DROP INDEX {name}_own" for name in _TABLES),
                "DROP INDEX record_resource_filed",
                "DROP INDEX record_index_date_high",
            ],
        )
    ]
