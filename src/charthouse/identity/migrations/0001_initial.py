import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE identity_person_serial START 100001", "DROP SEQUENCE identity_person_serial"),
        migrations.CreateModel(
            name='Key',
            fields=[
                ('pk', models.CompositePrimaryKey('key', 'patient', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key', models.BigIntegerField()),
                ('patient', models.BigIntegerField()),
            ],
            options={
                'db_table': 'identity_key',
            },
        ),
        migrations.CreateModel(
            name='PatientTraits',
            fields=[
                ('patient', models.BigIntegerField(primary_key=True, serialize=False)),
                ('version', models.SmallIntegerField()),
                ('traits', models.JSONField()),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
            ],
            options={
                'db_table': 'identity_traits',
            },
        ),
        migrations.CreateModel(
            name='Person',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(unique=True)),
                ('state', models.SmallIntegerField(choices=[(1, 'Active'), (2, 'Empty')], db_default=1)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_person',
            },
        ),
        migrations.CreateModel(
            name='Link',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField()),
                ('person_from', models.UUIDField(null=True)),
                ('person_to', models.UUIDField()),
                ('other', models.BigIntegerField(null=True)),
                ('kind', models.TextField(choices=[('new', 'New'), ('matched', 'Matched'), ('perhaps', 'Perhaps'), ('merge-notice', 'Merge Notice'), ('linked', 'Linked'), ('unlinked', 'Unlinked')])),
                ('actor', models.TextField()),
                ('model', models.TextField(blank=True)),
                ('weight', models.FloatField(null=True)),
                ('waterfall', models.JSONField()),
                ('reason', models.TextField()),
                ('message', models.BigIntegerField(null=True)),
                ('occurred', models.DateTimeField(null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_link',
                'indexes': [models.Index(models.F('patient'), models.F('id'), name='identity_link_patient'), models.Index(models.F('person_to'), models.F('id'), name='identity_link_to'), models.Index(models.F('person_from'), models.F('id'), name='identity_link_from')],
            },
        ),
        migrations.CreateModel(
            name='NotSame',
            fields=[
                ('pk', models.CompositePrimaryKey('low', 'high', blank=True, editable=False, primary_key=True, serialize=False)),
                ('low', models.BigIntegerField()),
                ('high', models.BigIntegerField()),
                ('actor', models.TextField()),
                ('reason', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_not_same',
                'constraints': [models.CheckConstraint(condition=models.Q(('low__lt', models.F('high'))), name='identity_not_same_order')],
            },
        ),
        migrations.CreateModel(
            name='PatientIdentifier',
            fields=[
                ('pk', models.CompositePrimaryKey('patient', 'system', 'folded', blank=True, editable=False, primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField()),
                ('system', models.TextField(db_collation='C')),
                ('folded', models.TextField(db_collation='C')),
                ('value', models.TextField(db_collation='C')),
                ('kind', models.TextField(blank=True)),
                ('valid_from', models.TextField(blank=True)),
                ('valid_to', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'identity_identifier',
                'indexes': [models.Index(models.F('folded'), models.F('patient'), name='identity_identifier_number')],
            },
        ),
        migrations.CreateModel(
            name='PatientName',
            fields=[
                ('pk', models.CompositePrimaryKey('patient', 'folded', blank=True, editable=False, primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField()),
                ('folded', models.TextField(db_collation='C')),
                ('use', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'identity_name',
                'indexes': [models.Index(models.F('folded'), models.F('patient'), name='identity_name_word')],
            },
        ),
        migrations.CreateModel(
            name='SourcePatient',
            fields=[
                ('patient', models.BigIntegerField(primary_key=True, serialize=False)),
                ('public_id', models.TextField(db_collation='C')),
                ('source', models.IntegerField()),
                ('digest', models.BigIntegerField()),
                ('labels', models.IntegerField()),
                ('sex', models.CharField(blank=True, max_length=1)),
                ('birth', models.CharField(blank=True, db_collation='C', max_length=10)),
                ('deceased', models.CharField(blank=True, db_collation='C', max_length=10)),
                ('family', models.TextField(blank=True)),
                ('given', models.TextField(blank=True)),
                ('mrn', models.TextField(blank=True)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('person', models.ForeignKey(db_column='person', on_delete=django.db.models.deletion.PROTECT, related_name='sources', to='identity.person')),
            ],
            options={
                'db_table': 'identity_source_patient',
                'indexes': [models.Index(models.F('birth'), models.F('patient'), name='identity_birth')],
                'constraints': [models.UniqueConstraint(models.F('public_id'), name='identity_source_patient_public_id')],
            },
        ),
        append_only("identity_link"),
        append_only("identity_not_same"),
    ]
