"""The record of letters to practitioners, how their mails went, and the suspension list."""

import charthouse.foundation.ids
import django.db.models.deletion
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('completion', '0002_assembly'),
    ]

    operations = [
        migrations.CreateModel(
            name='LetterBatch',
            fields=[
                ('id', models.UUIDField(default=charthouse.foundation.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.TextField(db_collation='C')),
                ('period', models.DateField()),
                ('mail', models.BooleanField()),
                ('by', models.TextField(db_collation='C')),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
                ('job', models.BigIntegerField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'completion_letter_batch',
                'indexes': [models.Index(fields=['-at'], name='completion_letter_batch_newest')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'period'), name='completion_letter_batch_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['reminder', 'delinquency', 'suspension-warning'])), name='completion_letter_batch_kind')],
            },
        ),
        migrations.CreateModel(
            name='Letter',
            fields=[
                ('id', models.UUIDField(default=charthouse.foundation.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('practitioner', models.TextField(db_collation='C')),
                ('practitioner_name', models.TextField()),
                ('kind', models.TextField(db_collation='C')),
                ('period', models.DateField()),
                ('made_at', models.DateTimeField()),
                ('template', models.PositiveIntegerField()),
                ('title', models.TextField()),
                ('body', models.TextField()),
                ('columns', models.JSONField()),
                ('lines', models.JSONField()),
                ('charts', models.PositiveIntegerField()),
                ('delinquent', models.PositiveIntegerField()),
                ('deficiencies', models.PositiveIntegerField()),
                ('days', models.PositiveIntegerField()),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='letters', to='completion.letterbatch')),
            ],
            options={
                'db_table': 'completion_letter',
            },
        ),
        migrations.CreateModel(
            name='LetterEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.TextField(db_collation='C')),
                ('note', models.TextField(default='')),
                ('by', models.TextField(db_collation='C')),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
                ('letter', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='completion.letter')),
            ],
            options={
                'db_table': 'completion_letter_event',
            },
        ),
        migrations.CreateModel(
            name='LetterTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.TextField(db_collation='C')),
                ('version', models.PositiveIntegerField()),
                ('title', models.TextField()),
                ('body', models.TextField()),
                ('mail_subject', models.TextField()),
                ('mail_text', models.TextField()),
                ('by', models.TextField(db_collation='C')),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'completion_letter_template',
                'constraints': [models.UniqueConstraint(fields=('kind', 'version'), name='completion_letter_template_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['reminder', 'delinquency', 'suspension-warning'])), name='completion_letter_template_kind')],
            },
        ),
        migrations.CreateModel(
            name='Suspension',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('practitioner', models.TextField(db_collation='C')),
                ('practitioner_name', models.TextField()),
                ('state', models.TextField(choices=[('proposed', 'Proposed'), ('suspended', 'Suspended'), ('spared', 'Spared'), ('withdrawn', 'Withdrawn'), ('lifted', 'Lifted')], db_collation='C', default='proposed')),
                ('reached', models.TextField()),
                ('charts', models.PositiveIntegerField()),
                ('delinquent', models.PositiveIntegerField()),
                ('days', models.PositiveIntegerField()),
                ('proposed_at', models.DateTimeField()),
                ('suspended_at', models.DateTimeField(null=True)),
                ('spared_until', models.DateField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'completion_suspension',
                'indexes': [models.Index(fields=['practitioner', '-proposed_at'], name='completion_suspension_of'), models.Index(fields=['-proposed_at', '-id'], name='completion_suspension_newest')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('practitioner',), name='completion_suspension_open_once'), models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('state__in', ['proposed', 'suspended'])), models.Q(('ended_at__isnull', False), ('state__in', ['spared', 'withdrawn', 'lifted'])), _connector='OR'), name='completion_suspension_ends')],
            },
        ),
        migrations.CreateModel(
            name='SuspensionEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.TextField(db_collation='C')),
                ('note', models.TextField(default='')),
                ('by', models.TextField(db_collation='C')),
                ('name', models.TextField()),
                ('at', models.DateTimeField()),
                ('suspension', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='completion.suspension')),
            ],
            options={
                'db_table': 'completion_suspension_event',
            },
        ),
        migrations.CreateModel(
            name='LetterSending',
            fields=[
                ('letter', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='sending', serialize=False, to='completion.letter')),
                ('message', models.UUIDField(unique=True)),
                ('address', models.TextField()),
                ('subject', models.TextField()),
                ('text', models.TextField()),
                ('state', models.TextField(choices=[('waiting', 'Waiting'), ('sent', 'Sent'), ('failed', 'Failed'), ('uncertain', 'Uncertain'), ('given-up', 'Given Up')], db_collation='C', default='waiting')),
                ('error', models.TextField(default='')),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'completion_letter_sending',
                'indexes': [models.Index(condition=models.Q(('state__in', ['failed', 'uncertain'])), fields=['changed_at'], name='completion_sending_unsettled')],
            },
        ),
        migrations.AddIndex(
            model_name='letter',
            index=models.Index(fields=['practitioner', '-made_at'], name='completion_letter_of'),
        ),
        migrations.AddIndex(
            model_name='letter',
            index=models.Index(fields=['batch', 'practitioner_name'], name='completion_letter_in_batch'),
        ),
        migrations.AddIndex(
            model_name='letter',
            index=models.Index(fields=['-made_at', '-id'], name='completion_letter_newest'),
        ),
        migrations.AddConstraint(
            model_name='letter',
            constraint=models.UniqueConstraint(fields=('practitioner', 'kind', 'period'), name='completion_letter_once'),
        ),
        migrations.AddIndex(
            model_name='letterevent',
            index=models.Index(fields=['letter', 'id'], name='completion_letter_event_of'),
        ),
        migrations.AddIndex(
            model_name='suspensionevent',
            index=models.Index(fields=['suspension', 'id'], name='completion_suspension_ev_of'),
        ),
        append_only("completion_letter_template"),
        append_only("completion_letter"),
        append_only("completion_letter_event"),
        append_only("completion_suspension_event"),
    ]
