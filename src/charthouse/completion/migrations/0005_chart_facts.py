"""Facts of charts, flat."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('completion', '0004_board'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChartFacts',
            fields=[
                ('encounter', models.BigIntegerField(primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField(db_index=True)),
                ('stamp', models.BigIntegerField(null=True)),
                ('labels', models.IntegerField(default=0)),
                ('content', models.BinaryField(default=b'')),
            ],
            options={
                'verbose_name_plural': 'chart facts',
                'db_table': 'completion_chart_facts',
            },
        ),
    ]
