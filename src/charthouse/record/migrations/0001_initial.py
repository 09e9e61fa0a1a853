from django.db import migrations, models

from charthouse.foundation.append_only import append_only
from charthouse.record import schema


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.RunSQL(list(schema.create()), list(schema.drop())),
        migrations.CreateModel(
            name='DateRow',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('param', models.SmallIntegerField()),
                ('low', models.DateTimeField()),
                ('high', models.DateTimeField()),
            ],
            options={
                'db_table': 'record_index_date',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='QuantityRow',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('param', models.SmallIntegerField()),
                ('low', models.FloatField()),
                ('high', models.FloatField()),
                ('unit', models.BigIntegerField()),
            ],
            options={
                'db_table': 'record_index_quantity',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='ReferenceRow',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('param', models.SmallIntegerField()),
                ('target', models.BigIntegerField()),
            ],
            options={
                'db_table': 'record_index_reference',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Resource',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField(null=True)),
                ('encounter', models.BigIntegerField(null=True)),
                ('main_low', models.DateTimeField()),
                ('main_high', models.DateTimeField()),
                ('filed_at', models.DateTimeField()),
                ('source', models.IntegerField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('state', models.SmallIntegerField()),
                ('public_id', models.TextField()),
                ('digest', models.BinaryField()),
            ],
            options={
                'db_table': 'record_resource',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='StringRow',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('param', models.SmallIntegerField()),
                ('value', models.TextField()),
            ],
            options={
                'db_table': 'record_index_string',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='TokenRow',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('version', models.IntegerField()),
                ('labels', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('param', models.SmallIntegerField()),
                ('code', models.BigIntegerField()),
                ('system', models.BigIntegerField()),
            ],
            options={
                'db_table': 'record_index_token',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Version',
            fields=[
                ('resource', models.BigIntegerField(primary_key=True, serialize=False)),
                ('message', models.BigIntegerField()),
                ('original', models.BigIntegerField()),
                ('filed_at', models.DateTimeField()),
                ('authored', models.DateTimeField(null=True)),
                ('version', models.IntegerField()),
                ('type', models.SmallIntegerField()),
                ('state', models.SmallIntegerField()),
                ('place', models.TextField(null=True)),
                ('content', models.BinaryField()),
            ],
            options={
                'db_table': 'record_version',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='DirectoryAlias',
            fields=[
                ('key', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('type', models.SmallIntegerField()),
                ('public_id', models.TextField()),
            ],
            options={
                'db_table': 'record_directory_alias',
            },
        ),
        migrations.CreateModel(
            name='Source',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, unique=True)),
                ('time_zone', models.CharField(blank=True, default='', max_length=64)),
                ('charset', models.CharField(blank=True, default='', max_length=40)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'record_source',
            },
        ),
        migrations.CreateModel(
            name='AccountSegment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.BigIntegerField()),
                ('patient', models.BigIntegerField(db_index=True)),
                ('encounter', models.BigIntegerField(null=True)),
                ('message', models.BigIntegerField()),
                ('name', models.CharField(max_length=3)),
                ('place', models.SmallIntegerField()),
                ('text', models.TextField()),
                ('filed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'record_account_segment',
                'constraints': [models.UniqueConstraint(fields=('account', 'message', 'place'), name='record_account_segment_once')],
            },
        ),
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource', models.BigIntegerField()),
                ('type', models.SmallIntegerField()),
                ('version', models.IntegerField()),
                ('place', models.SmallIntegerField()),
                ('public_id', models.CharField(db_index=True, max_length=64)),
                ('file', models.UUIDField()),
                ('media_type', models.CharField(max_length=100)),
                ('size', models.BigIntegerField()),
            ],
            options={
                'db_table': 'record_attachment',
                'constraints': [models.UniqueConstraint(fields=('resource', 'type', 'version', 'place'), name='one_attachment_a_place')],
            },
        ),
        append_only("record_version"),
        append_only("record_account_segment"),
    ]
