import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from charthouse.foundation.append_only import append_only
from charthouse.foundation.database.api import application_role


def let_go(apps, schema_editor):
    """What is in force of the pairs told apart can be taken back; its history, kept from now on, cannot."""
    with schema_editor.connection.cursor() as cursor:
        for trigger in ("append_only_rows", "append_only_truncate"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger} ON identity_not_same")
        cursor.execute("SELECT current_user")
        if cursor.fetchone()[0] != application_role():
            role = schema_editor.connection.ops.quote_name(application_role())
            cursor.execute(f"GRANT DELETE ON identity_not_same TO {role}")
        cursor.execute(
            "INSERT INTO identity_not_same_event (low, high, verdict, actor, reason, at)"
            " SELECT low, high, 'apart', actor, reason, at FROM identity_not_same ORDER BY at, low, high"
        )


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField(choices=[('merge', 'Merge'), ('link', 'Link'), ('notice', 'Notice'), ('unlink', 'Unlink'), ('split', 'Split'), ('undo', 'Undo')])),
                ('person', models.UUIDField()),
                ('other', models.UUIDField()),
                ('actor', models.TextField()),
                ('reason', models.TextField()),
                ('detail', models.JSONField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('undoes', models.OneToOneField(db_column='undoes', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='identity.decision')),
            ],
            options={
                'db_table': 'identity_decision',
                'indexes': [models.Index(models.F('person'), models.F('id'), name='identity_decision_person'), models.Index(models.F('other'), models.F('id'), name='identity_decision_other'), models.Index(models.F('at'), models.F('id'), name='identity_decision_at')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('kind', 'undo'), ('undoes__isnull', False)), models.Q(models.Q(('kind', 'undo'), _negated=True), ('undoes', None)), _connector='OR'), name='identity_decision_undo_names_its_decision')],
            },
        ),
        migrations.CreateModel(
            name='HeldUpdate',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField()),
                ('message', models.BigIntegerField()),
                ('weight', models.FloatField()),
                ('waterfall', models.JSONField()),
                ('traits', models.JSONField()),
                ('labels', models.IntegerField()),
                ('display', models.JSONField()),
                ('state', models.TextField(choices=[('open', 'Open'), ('same', 'Same'), ('another', 'Another'), ('dropped', 'Dropped')], db_default='open')),
                ('parted', models.TextField(blank=True, db_collation='C', db_default='')),
                ('decided_by', models.TextField(blank=True, db_default='')),
                ('reason', models.TextField(blank=True, db_default='')),
                ('found_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('decided_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'identity_held_update',
                'indexes': [models.Index(models.F('message'), name='identity_held_message'), models.Index(models.F('parted'), condition=models.Q(('parted', ''), _negated=True), name='identity_held_parted')],
                'constraints': [models.UniqueConstraint(models.F('patient'), models.F('message'), name='identity_held_update_once')],
            },
        ),
        migrations.CreateModel(
            name='NoticeDestination',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField()),
                ('address', models.TextField(db_collation='C')),
                ('format', models.TextField(choices=[('hl7v2', 'Hl7V2'), ('fhir', 'Fhir')])),
                ('application', models.TextField(blank=True, db_default='')),
                ('facility', models.TextField(blank=True, db_default='')),
                ('added_by', models.TextField()),
                ('added_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('removed_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'identity_notice_destination',
                'constraints': [models.UniqueConstraint(models.F('name'), condition=models.Q(('removed_at', None)), name='identity_notice_destination_name')],
            },
        ),
        migrations.CreateModel(
            name='NotSameEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('low', models.BigIntegerField()),
                ('high', models.BigIntegerField()),
                ('verdict', models.TextField(choices=[('apart', 'Apart'), ('revoked', 'Revoked')])),
                ('actor', models.TextField()),
                ('reason', models.TextField()),
                ('decision', models.BigIntegerField(null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_not_same_event',
                'indexes': [models.Index(models.F('low'), models.F('high'), name='identity_not_same_pair'), models.Index(models.F('high'), name='identity_not_same_high')],
            },
        ),
        migrations.CreateModel(
            name='NumberCorrection',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('patient', models.BigIntegerField()),
                ('kind', models.TextField(choices=[('ended', 'Ended'), ('replaced', 'Replaced'), ('restored', 'Restored')])),
                ('system', models.TextField(db_collation='C')),
                ('value', models.TextField(db_collation='C')),
                ('replaced_by', models.TextField(blank=True, db_collation='C', db_default='')),
                ('day', models.DateField()),
                ('original', models.JSONField()),
                ('actor', models.TextField()),
                ('reason', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'identity_number_correction',
                'indexes': [models.Index(models.F('patient'), models.F('id'), name='identity_number_correction_of')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('message', models.UUIDField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('decision', models.ForeignKey(db_column='decision', on_delete=django.db.models.deletion.PROTECT, related_name='notices', to='identity.decision')),
                ('destination', models.ForeignKey(db_column='destination', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='identity.noticedestination')),
            ],
            options={
                'db_table': 'identity_notice',
            },
        ),
        migrations.AddField(
            model_name='link',
            name='decision',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='link',
            name='kind',
            field=models.TextField(choices=[('new', 'New'), ('matched', 'Matched'), ('perhaps', 'Perhaps'), ('merge-notice', 'Merge Notice'), ('linked', 'Linked'), ('unlinked', 'Unlinked'), ('merged', 'Merged'), ('split', 'Split'), ('rejoined', 'Rejoined'), ('undone', 'Undone')]),
        ),
        migrations.AddIndex(
            model_name='link',
            index=models.Index(models.F('decision'), condition=models.Q(('decision__isnull', False)), name='identity_link_decision'),
        ),
        migrations.RunPython(let_go, migrations.RunPython.noop),
        append_only("identity_decision"),
        append_only("identity_not_same_event"),
        append_only("identity_notice"),
        append_only("identity_number_correction"),
    ]
