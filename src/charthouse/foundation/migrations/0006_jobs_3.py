"""procrastinate's schema, third part."""

from django.db import migrations
from procrastinate.contrib.django.migrations_utils import RunProcrastinateSQL

STEPS = (
    "03.04.00_50_post_add_retry_failed_job_procedure.sql",
)


class Migration(migrations.Migration):
    dependencies = [("foundation", "0005_jobs_2")]
    operations = [RunProcrastinateSQL(name=name) for name in STEPS]
