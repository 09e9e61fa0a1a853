"""Rules that were tried before they were adopted."""

import charthouse.foundation.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('completion', '0005_chart_facts'),
    ]

    operations = [
        migrations.CreateModel(
            name='RuleTrial',
            fields=[
                ('id', models.UUIDField(default=charthouse.foundation.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('recipe', models.JSONField()),
                ('base', models.IntegerField()),
                ('content', models.JSONField()),
                ('digest', models.TextField(db_collation='C')),
                ('over', models.JSONField()),
                ('by', models.TextField(db_collation='C')),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
                ('job', models.BigIntegerField(null=True)),
                ('result', models.JSONField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('adopted', models.IntegerField(null=True)),
                ('analysing', models.BigIntegerField(null=True)),
                ('analysed', models.JSONField(null=True)),
            ],
            options={
                'db_table': 'completion_rule_trial',
                'indexes': [models.Index(fields=['-at'], name='completion_rule_trial_newest')],
            },
        ),
    ]
