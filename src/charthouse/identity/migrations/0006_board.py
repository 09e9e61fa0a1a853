import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0005_dedupe_part'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='sourcepatient',
            index=models.Index(fields=['person', 'source'], include=('labels',), name='identity_source_patient_of'),
        ),
        migrations.AlterField(
            model_name='sourcepatient',
            name='person',
            field=models.ForeignKey(db_column='person', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='sources', to='identity.person'),
        ),
        migrations.AddIndex(
            model_name='link',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['at'], name='identity_link_at', pages_per_range=32),
        ),
    ]
