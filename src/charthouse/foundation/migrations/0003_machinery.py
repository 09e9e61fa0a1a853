"""Events, work, files, outbox, the progress of jobs. Run by the schema's owner; the application's role only uses the tables."""

import charthouse.foundation.events.models
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

# A history that can be rewritten proves nothing: not even the owner changes rows without dropping the trigger first.
ADD_ONLY = """
CREATE FUNCTION work_history_add_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The history of work is only added to.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER work_history_add_only BEFORE UPDATE OR DELETE OR TRUNCATE ON work_history
  FOR EACH STATEMENT EXECUTE FUNCTION work_history_add_only();
"""
ADD_ONLY_UNDONE = "DROP TRIGGER work_history_add_only ON work_history; DROP FUNCTION work_history_add_only();"


class Migration(migrations.Migration):

    initial = True

    dependencies = [("foundation", "0002_disclosure")]

    operations = [
        migrations.CreateModel(
            name='EventCursor',
            fields=[
                ('name', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('kinds', models.JSONField(default=list)),
                ('done', charthouse.foundation.events.models.SnapshotField()),
                ('reading', charthouse.foundation.events.models.SnapshotField(null=True)),
                ('last_id', models.BigIntegerField()),
                ('high_id', models.BigIntegerField()),
                ('seen_id', models.BigIntegerField()),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'events_cursor',
            },
        ),
        migrations.CreateModel(
            name='JobProgress',
            fields=[
                ('job_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('done', models.BigIntegerField()),
                ('total', models.BigIntegerField()),
                ('message', models.TextField()),
                ('result', models.JSONField(null=True)),
                ('error', models.TextField(db_default='')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'jobs_progress',
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.TextField(db_collation='C')),
                ('key', models.TextField(db_collation='C')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('payload', models.JSONField()),
                ('xid', charthouse.foundation.events.models.TransactionIdField(db_default=charthouse.foundation.events.models.CurrentTransaction())),
            ],
            options={
                'db_table': 'events_event',
                'indexes': [models.Index(fields=['xid', 'id'], name='events_event_xid')],
            },
        ),
        migrations.CreateModel(
            name='EventCluster',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('system_identifier', models.BigIntegerField()),
            ],
            options={
                'db_table': 'events_cluster',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='events_cluster_one')],
            },
        ),
        migrations.CreateModel(
            name='EventParked',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('consumer', models.TextField(db_collation='C')),
                ('event_id', models.BigIntegerField()),
                ('kind', models.TextField(db_collation='C')),
                ('key', models.TextField(db_collation='C')),
                ('at', models.DateTimeField()),
                ('payload', models.JSONField()),
                ('state', models.TextField(db_collation='C')),
                ('attempts', models.IntegerField(default=0)),
                ('error', models.TextField(default='')),
                ('next_try', models.DateTimeField(null=True)),
                ('parked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'events_parked',
                'indexes': [models.Index(fields=['consumer', 'next_try'], name='events_parked_due')],
                'constraints': [models.UniqueConstraint(fields=('consumer', 'key', 'event_id'), name='events_parked_once'), models.CheckConstraint(condition=models.Q(('state__in', ['failing', 'parked', 'waiting'])), name='events_parked_state')],
            },
        ),
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('sha256', models.BinaryField(max_length=32)),
                ('name', models.TextField(db_collation='C', help_text="in the store: a keyed hash of the content's hash")),
                ('size', models.BigIntegerField()),
                ('media_type', models.TextField(db_collation='C')),
                ('key_id', models.TextField(db_collation='C')),
                ('stored_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('state', models.TextField(db_collation='C', db_default='stored')),
                ('destroyed_at', models.DateTimeField(null=True)),
                ('destroyed_by', models.TextField(db_collation='C', null=True)),
                ('destroyed_reason', models.TextField(null=True)),
            ],
            options={
                'db_table': 'files_file',
                'indexes': [models.Index(condition=models.Q(('state', 'stored')), fields=['key_id'], name='files_file_key')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'stored')), fields=('name', 'media_type'), name='files_file_once'), models.CheckConstraint(condition=models.Q(('state__in', ['stored', 'destroyed'])), name='files_file_state')],
            },
        ),
        migrations.CreateModel(
            name='OutboxMessage',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('message_id', models.UUIDField()),
                ('destination', models.TextField(db_collation='C')),
                ('kind', models.TextField(db_collation='C')),
                ('key', models.TextField(db_collation='C')),
                ('payload', models.BinaryField()),
                ('state', models.TextField(db_collation='C', db_default='waiting')),
                ('attempts', models.IntegerField(db_default=0)),
                ('next_try', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('claim', models.UUIDField(null=True)),
                ('error', models.TextField(db_default='')),
                ('enqueued_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('sent_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'outbox_message',
                'indexes': [models.Index(condition=models.Q(('state__in', ['waiting', 'sending', 'dead'])), fields=['destination', 'key', 'id'], name='outbox_message_order'), models.Index(condition=models.Q(('state__in', ['waiting', 'sending'])), fields=['next_try', 'id'], name='outbox_message_due'), models.Index(condition=models.Q(('state', 'sent')), fields=['sent_at'], name='outbox_message_sent')],
                'constraints': [models.UniqueConstraint(fields=('message_id',), name='outbox_message_once'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'sending', 'sent', 'dead', 'discarded'])), name='outbox_message_state')],
            },
        ),
        migrations.CreateModel(
            name='WorkItem',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('queue', models.TextField(db_collation='C')),
                ('subject_kind', models.TextField(db_collation='C')),
                ('subject_id', models.TextField(db_collation='C')),
                ('patient', models.TextField(db_collation='C', null=True)),
                ('person', models.TextField(db_collation='C', null=True)),
                ('reason', models.TextField()),
                ('rule', models.TextField(db_collation='C', null=True)),
                ('due', models.DateTimeField(null=True)),
                ('priority', models.SmallIntegerField()),
                ('facility', models.IntegerField(null=True)),
                ('state', models.TextField(db_collation='C', db_default='open')),
                ('owner', models.TextField(db_collation='C', null=True)),
                ('taken_at', models.DateTimeField(null=True)),
                ('hold_reason', models.TextField(null=True)),
                ('hold_until', models.DateTimeField(null=True)),
                ('outcome', models.TextField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('dedupe', models.TextField(db_collation='C')),
                ('detail', models.JSONField()),
                ('version', models.IntegerField(db_default=1)),
                ('opened', models.DateTimeField(help_text='by the business clock')),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='by the wall clock')),
            ],
            options={
                'db_table': 'work_item',
                'indexes': [models.Index(models.F('queue'), models.F('priority'), django.db.models.functions.comparison.Coalesce('due', django.db.models.functions.comparison.Cast(models.Value('infinity'), models.DateTimeField())), models.F('id'), condition=models.Q(('state', 'open')), name='work_item_offer'), models.Index(models.F('queue'), models.F('priority'), django.db.models.functions.comparison.Coalesce('due', django.db.models.functions.comparison.Cast(models.Value('infinity'), models.DateTimeField())), models.F('id'), condition=models.Q(('state__in', ['open', 'taken', 'held'])), name='work_item_list'), models.Index(condition=models.Q(('state__in', ['open', 'taken', 'held'])), fields=['queue', 'state'], include=('due', 'owner', 'facility'), name='work_item_count'), models.Index(condition=models.Q(('state__in', ['open', 'taken', 'held'])), fields=['owner'], name='work_item_owner'), models.Index(condition=models.Q(('state', 'held')), fields=['hold_until'], name='work_item_hold'), models.Index(condition=models.Q(('patient__isnull', False)), fields=['patient'], name='work_item_patient'), models.Index(fields=['subject_kind', 'subject_id'], name='work_item_subject')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['open', 'taken', 'held'])), fields=('queue', 'dedupe'), name='work_item_once'), models.CheckConstraint(condition=models.Q(('state__in', ['open', 'taken', 'held', 'finished'])), name='work_item_state'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'taken'), _negated=True), ('owner__isnull', False), _connector='OR'), name='work_item_taken_by')],
            },
        ),
        migrations.CreateModel(
            name='WorkHistory',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor', models.TextField(db_collation='C')),
                ('action', models.TextField(db_collation='C')),
                ('note', models.TextField(default='')),
                ('detail', models.JSONField(default=dict)),
                ('item', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='foundation.workitem')),
            ],
            options={
                'db_table': 'work_history',
                'indexes': [models.Index(fields=['item', 'id'], name='work_history_item')],
            },
        ),
        migrations.RunSQL(ADD_ONLY, ADD_ONLY_UNDONE),
    ]
