"""What the board stands on: counts kept by triggers, snapshots of days, and deficiencies with their chart's place.

A count is the sum of the rows of its sort. Triggers only ever add rows, so that two transactions never wait for
each other's count; the view ``completion_counted`` is what the sums have to be.
"""

import django.db.models.deletion
from django.db import migrations, models

from charthouse.foundation.append_only import append_only

_UNDONE = "('incomplete', 'delinquent')"
_OPEN = "('open', 'proposed')"
#: Before any day that PostgreSQL knows.
_NO_DAY = -3_000_000
_SORT = "what, facility, kind, detail, state, late, day"


def _charts(rows: str, sign: int) -> str:
    return f"""
      SELECT 'chart' AS what, coalesce(c.facility, 0) AS facility, c.kind, c.service AS detail, c.state,
             false AS late, {_NO_DAY} AS day, {sign}::bigint AS number
        FROM {rows} c WHERE c.state IN {_UNDONE}
      UNION ALL
      SELECT 'day', coalesce(c.facility, 0), c.kind, '', c.state, false,
             coalesce(floor(extract(epoch FROM c.discharged) / 86400)::int, {_NO_DAY}), {sign}::bigint
        FROM {rows} c WHERE c.discharged IS NOT NULL OR c.state IN {_UNDONE}"""


def _deficiencies(rows: str, sign: int) -> str:
    return f"""
      SELECT 'lack' AS what, coalesce(d.facility, 0) AS facility, d.kind, d.what AS detail, '' AS state,
             d.late, {_NO_DAY} AS day, {sign}::bigint AS number
        FROM {rows} d WHERE d.state IN {_OPEN}
      UNION ALL
      SELECT 'owed', coalesce(d.facility, 0), '', d.owed_by, '', d.late, {_NO_DAY}, {sign}::bigint
        FROM {rows} d WHERE d.state IN {_OPEN}"""


def _added(cells: str) -> str:
    return f"""
    INSERT INTO completion_tally ({_SORT}, number)
    SELECT {_SORT}, sum(number) FROM ({cells}) AS cells GROUP BY {_SORT} HAVING sum(number) <> 0;"""


def _triggers(table: str, cells) -> str:
    name = f"{table}_tally"
    made = f"""
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN {_added(cells("new_rows", 1))}
  ELSIF TG_OP = 'DELETE' THEN {_added(cells("old_rows", -1))}
  ELSE {_added(cells("new_rows", 1) + " UNION ALL " + cells("old_rows", -1))}
  END IF;
  RETURN NULL;
END $$;
"""
    for what, referencing in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ):
        made += (
            f"CREATE TRIGGER {name}_{what.lower()} AFTER {what} ON {table} REFERENCING {referencing} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}();\n"
        )
    return made


_PLACES = """
UPDATE completion_deficiency d SET facility = c.facility, service = c.service
  FROM completion_chart c WHERE c.id = d.chart_id;
"""
_KEPT = f"""
CREATE FUNCTION completion_deficiency_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT c.facility, c.service INTO NEW.facility, NEW.service FROM completion_chart c WHERE c.id = NEW.chart_id;
  RETURN NEW;
END $$;
CREATE TRIGGER completion_deficiency_place BEFORE INSERT OR UPDATE OF chart_id, facility, service
  ON completion_deficiency FOR EACH ROW EXECUTE FUNCTION completion_deficiency_place();

CREATE FUNCTION completion_chart_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE completion_deficiency SET facility = NEW.facility, service = NEW.service WHERE chart_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER completion_chart_place AFTER UPDATE ON completion_chart FOR EACH ROW
  WHEN (OLD.facility IS DISTINCT FROM NEW.facility OR OLD.service IS DISTINCT FROM NEW.service)
  EXECUTE FUNCTION completion_chart_place();

CREATE VIEW completion_counted AS SELECT {_SORT}, sum(number)::bigint AS number FROM (
{_charts("completion_chart", 1)} UNION ALL {_deficiencies("completion_deficiency", 1)}) AS cells GROUP BY {_SORT};
INSERT INTO completion_tally ({_SORT}, number, fresh) SELECT {_SORT}, number, false FROM completion_counted;
{_triggers("completion_chart", _charts)}
{_triggers("completion_deficiency", _deficiencies)}
"""
_UNDO = """
DROP VIEW completion_counted;
DROP FUNCTION completion_chart_tally() CASCADE;
DROP FUNCTION completion_deficiency_tally() CASCADE;
DROP FUNCTION completion_chart_place() CASCADE;
DROP FUNCTION completion_deficiency_place() CASCADE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('completion', '0003_letters'),
    ]

    operations = [
        migrations.CreateModel(
            name='Snapshot',
            fields=[
                ('day', models.DateField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('months', models.IntegerField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
            ],
            options={
                'db_table': 'completion_snapshot',
            },
        ),
        migrations.CreateModel(
            name='SnapshotCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.IntegerField(null=True)),
                ('kind', models.TextField(db_collation='C')),
                ('service', models.TextField()),
                ('incomplete', models.IntegerField()),
                ('delinquent', models.IntegerField()),
                ('discharges', models.IntegerField()),
                ('opened', models.IntegerField()),
                ('closed', models.IntegerField()),
                ('averaged', models.IntegerField()),
            ],
            options={
                'db_table': 'completion_snapshot_count',
            },
        ),
        migrations.CreateModel(
            name='SnapshotPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facility', models.IntegerField(null=True)),
                ('part', models.TextField(db_collation='C')),
                ('key', models.TextField(db_collation='C')),
                ('detail', models.TextField(blank=True, db_collation='C', default='')),
                ('number', models.IntegerField()),
                ('late', models.IntegerField()),
            ],
            options={
                'db_table': 'completion_snapshot_part',
            },
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.TextField(db_collation='C')),
                ('facility', models.IntegerField()),
                ('kind', models.TextField(db_collation='C')),
                ('detail', models.TextField(db_collation='C')),
                ('state', models.TextField(db_collation='C')),
                ('late', models.BooleanField()),
                ('day', models.IntegerField()),
                ('number', models.BigIntegerField()),
                ('fresh', models.BooleanField(db_default=True, default=True)),
            ],
            options={
                'db_table': 'completion_tally',
            },
        ),
        migrations.RemoveIndex(
            model_name='chart',
            name='completion_chart_undone',
        ),
        migrations.RemoveIndex(
            model_name='chart',
            name='completion_chart_discharged',
        ),
        migrations.AddField(
            model_name='deficiency',
            name='facility',
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name='deficiency',
            name='late',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='deficiency',
            name='service',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.RunSQL(_PLACES, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='chart',
            index=models.Index(condition=models.Q(('state__in', ['incomplete', 'delinquent'])), fields=['due', 'id'], name='completion_chart_undone'),
        ),
        migrations.AddIndex(
            model_name='chart',
            index=models.Index(fields=['discharged', 'id'], include=('kind', 'facility', 'service'), name='completion_chart_discharged'),
        ),
        migrations.AddIndex(
            model_name='chart',
            index=models.Index(condition=models.Q(('state__in', ['incomplete', 'delinquent'])), fields=['discharged', 'id'], include=('state', 'facility'), name='completion_chart_aging'),
        ),
        migrations.AddIndex(
            model_name='chart',
            index=models.Index(fields=['facility', 'state', 'due', 'id'], name='completion_chart_place_state'),
        ),
        migrations.AddIndex(
            model_name='chart',
            index=models.Index(fields=['facility', 'discharged', 'id'], name='completion_chart_place_gone'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed'])), fields=['facility', 'due', 'id'], name='completion_deficiency_place'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed'])), fields=['service', 'due', 'id'], name='completion_deficiency_service'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed'])), fields=['what', 'due', 'id'], name='completion_deficiency_what'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed'])), fields=['late', 'due'], include=('facility', 'kind', 'what', 'owed_by'), name='completion_deficiency_late'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed']), _negated=True), fields=['state', 'ended', 'id'], name='completion_deficiency_ended'),
        ),
        migrations.AddIndex(
            model_name='deficiency',
            index=models.Index(condition=models.Q(('disputed', True), ('state__in', ['open', 'proposed'])), fields=['due', 'id'], name='completion_deficiency_disputed'),
        ),
        migrations.AddIndex(
            model_name='deficiencyevent',
            index=models.Index(fields=['at'], name='completion_event_at'),
        ),
        migrations.AddField(
            model_name='snapshotcount',
            name='snapshot',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='counts', to='completion.snapshot'),
        ),
        migrations.AddField(
            model_name='snapshotpart',
            name='snapshot',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='completion.snapshot'),
        ),
        migrations.AddIndex(
            model_name='tally',
            index=models.Index(fields=['what', 'state', 'day'], include=('facility', 'kind', 'detail', 'late', 'number'), name='completion_tally_sort'),
        ),
        migrations.AddIndex(
            model_name='tally',
            index=models.Index(condition=models.Q(('fresh', True)), fields=['id'], name='completion_tally_fresh'),
        ),
        migrations.AddConstraint(
            model_name='snapshotcount',
            constraint=models.UniqueConstraint(fields=('snapshot', 'facility', 'kind', 'service'), name='completion_snapshot_count_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='snapshotpart',
            index=models.Index(fields=['snapshot', 'part'], name='completion_snapshot_part_of'),
        ),
        migrations.RunSQL(_KEPT, _UNDO),
        append_only("completion_snapshot"),
        append_only("completion_snapshot_count"),
        append_only("completion_snapshot_part"),
    ]
