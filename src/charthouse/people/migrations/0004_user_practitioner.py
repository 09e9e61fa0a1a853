"""An account may name the practitioner of the directory that its owner is."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0003_tour'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='practitioner',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='account', to='people.practitioner'),
        ),
    ]
