"""procrastinate's schema, second part: up to the next added value."""

from django.db import migrations
from procrastinate.contrib.django.migrations_utils import RunProcrastinateSQL

STEPS = (
    "02.08.00_01_add_additional_params_to_retry_job.sql",
    "02.14.01_01_add_indexes_for_fetch_job.sql",
    "03.00.00_01_pre_cancel_notification.sql",
    "03.00.00_50_post_cancel_notification.sql",
    "03.01.00_01_pre_add_heartbeat.sql",
    "03.01.00_50_post_add_heartbeat.sql",
    "03.02.00_01_pre_batch_defer_jobs.sql",
    "03.02.00_50_post_batch_defer_jobs.sql",
    "03.03.00_01_pre_priority_lock_fetch_job.sql",
    "03.04.00_01_pre_add_retry_failed_job_procedure.sql",
)


class Migration(migrations.Migration):
    dependencies = [("foundation", "0004_jobs_1")]
    operations = [RunProcrastinateSQL(name=name) for name in STEPS]
