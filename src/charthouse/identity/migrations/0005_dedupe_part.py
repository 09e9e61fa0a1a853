import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0004_placeholder'),
    ]

    operations = [
        migrations.CreateModel(
            name='DedupePart',
            fields=[
                ('pk', models.CompositePrimaryKey('index', 'pairs', 'part', blank=True, editable=False, primary_key=True, serialize=False)),
                ('index', models.TextField(db_collation='C')),
                ('pairs', models.TextField(db_collation='C')),
                ('part', models.IntegerField()),
                ('low', models.BinaryField()),
                ('high', models.BinaryField()),
                ('compared_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_dedupe_part',
            },
        ),
    ]
