"""What is unfiled says itself by which connector it came and when, so that its list is counted from one index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("intake", "0001_initial")]

    operations = [
        migrations.AddField("unfiled", "connector", models.CharField(max_length=16, null=True)),
        migrations.AddField("unfiled", "received_at", models.DateTimeField(null=True)),
        migrations.RunSQL(
            "UPDATE intake_unfiled u SET connector = m.connector, received_at = m.received_at"
            " FROM intake_message m WHERE m.id = u.message",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField("unfiled", "connector", models.CharField(max_length=16)),
        migrations.AlterField("unfiled", "received_at", models.DateTimeField()),
        migrations.RemoveIndex("unfiled", "intake_unfiled_state"),
        migrations.AddIndex(
            "unfiled",
            models.Index(
                fields=["state", "message"], include=["code", "connector", "received_at"], name="intake_unfiled_list"
            ),
        ),
    ]
