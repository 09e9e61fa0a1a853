"""Destructions of single documents."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("record", "0010_retention")]

    operations = [
        migrations.AddField(
            model_name="destruction",
            name="documents",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(db_collation="C"), default=list, size=None
            ),
        ),
    ]
