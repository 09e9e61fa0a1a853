import django.contrib.postgres.fields
from django.db import migrations, models

from charthouse.foundation.append_only import append_only


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message', models.BigIntegerField(db_index=True)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=80)),
                ('outcome', models.CharField(max_length=20)),
                ('reason', models.TextField(blank=True, default='')),
                ('place', models.CharField(blank=True, default='', max_length=250)),
            ],
            options={
                'db_table': 'intake_attempt',
            },
        ),
        migrations.CreateModel(
            name='SenderToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, unique=True)),
                ('source', models.IntegerField()),
                ('digest', models.BinaryField()),
                ('created_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'intake_sender_token',
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.IntegerField()),
                ('connector', models.CharField(max_length=16)),
                ('format', models.CharField(max_length=8)),
                ('kind', models.CharField(max_length=64)),
                ('control_id', models.CharField(blank=True, default='', max_length=250)),
                ('batch', models.CharField(blank=True, default='', max_length=250)),
                ('digest', models.BinaryField()),
                ('size', models.BigIntegerField()),
                ('received_at', models.DateTimeField()),
                ('occurred', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('received', 'Received'), ('filed', 'Filed'), ('partly', 'Partly filed'), ('unfiled', 'Unfiled'), ('refused', 'Refused'), ('duplicate', 'Duplicate')], max_length=10)),
                ('state_at', models.DateTimeField()),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('duplicate_of', models.BigIntegerField(null=True)),
                ('corrects', models.BigIntegerField(null=True)),
                ('created', models.IntegerField(default=0)),
                ('updated', models.IntegerField(default=0)),
                ('unchanged', models.IntegerField(default=0)),
                ('unfiled', models.IntegerField(default=0)),
            ],
            options={
                'db_table': 'intake_message',
                'indexes': [models.Index(fields=['state', 'id'], name='intake_message_state'), models.Index(fields=['connector', '-received_at'], name='intake_message_health')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('duplicate_of__isnull', True)), fields=('source', 'digest'), name='intake_message_once')],
            },
        ),
        migrations.CreateModel(
            name='Original',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message', models.BigIntegerField()),
                ('seq', models.IntegerField()),
                ('size', models.IntegerField()),
                ('body', models.BinaryField()),
            ],
            options={
                'db_table': 'intake_original',
                'indexes': [models.Index(fields=['message', 'seq'], name='intake_original_message')],
            },
        ),
        migrations.CreateModel(
            name='QueuedMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message', models.BigIntegerField()),
                ('key', models.BigIntegerField()),
                ('actor', models.CharField(db_default='', max_length=80)),
            ],
            options={
                'db_table': 'intake_queue',
                'indexes': [models.Index(fields=['key', 'message'], name='intake_queue_key')],
                'constraints': [models.UniqueConstraint(fields=('message', 'key'), name='intake_queue_once')],
            },
        ),
        migrations.CreateModel(
            name='Unfiled',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message', models.BigIntegerField()),
                ('original', models.BigIntegerField(null=True)),
                ('source', models.IntegerField()),
                ('code', models.CharField(max_length=40)),
                ('reason', models.TextField()),
                ('place', models.CharField(blank=True, default='', max_length=250)),
                ('found_at', models.DateTimeField()),
                ('attempts', models.IntegerField(default=1)),
                ('state', models.CharField(choices=[('open', 'Open'), ('filed', 'Filed after mending'), ('dismissed', 'Set aside')], default='open', max_length=10)),
                ('settled_at', models.DateTimeField(null=True)),
                ('settled_by', models.CharField(blank=True, default='', max_length=80)),
                ('note', models.TextField(blank=True, default='')),
            ],
            options={
                'db_table': 'intake_unfiled',
                'indexes': [models.Index(fields=['state', '-id'], name='intake_unfiled_state'), models.Index(fields=['message'], name='intake_unfiled_message')],
            },
        ),
        # Bodies are compressed before they are sent.
        migrations.RunSQL(
            "ALTER TABLE intake_original ALTER COLUMN body SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
        append_only("intake_original"),
        append_only("intake_attempt"),
    ]
