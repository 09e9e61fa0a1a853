"""What a bulk export is filtered by, and what it was asked for leniently and does not serve."""

from __future__ import annotations

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fhir", "0002_findings")]

    operations = [
        migrations.AddField(
            model_name="export",
            name=name,
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(), default=list, size=None
            ),
        )
        for name in ("filters", "passed_over")
    ]
