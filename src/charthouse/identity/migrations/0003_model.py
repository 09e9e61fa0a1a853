import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0002_decisions'),
    ]

    operations = [
        migrations.CreateModel(
            name='MatchingModel',
            fields=[
                ('version', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('saved', models.TextField()),
                ('frequencies', models.JSONField()),
                ('report', models.JSONField()),
                ('in_force', models.BooleanField(db_default=False)),
                ('learnt_by', models.TextField()),
                ('learnt_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_model',
                'constraints': [models.UniqueConstraint(models.F('in_force'), condition=models.Q(('in_force', True)), name='identity_model_one')],
            },
        ),
    ]
