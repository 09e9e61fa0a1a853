"""The ledger: entries and their subjects by month, lanes for the writers, seals.

The tables are made by SQL, because Django knows no partitions; the state operations tell Django their shape.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

from charthouse.foundation.append_only import append_only

TABLES = """
CREATE TABLE ledger_entry (
  lane smallint NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL,
  actor text COLLATE "C" NOT NULL,
  actor_name text NOT NULL,
  roles text[] NOT NULL,
  purpose text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  session text COLLATE "C" NOT NULL,
  remote text COLLATE "C" NOT NULL,
  subjects text[] NOT NULL,
  detail json,
  PRIMARY KEY (lane, seq, at)
) PARTITION BY RANGE (at);
CREATE INDEX ledger_entry_at ON ledger_entry (at, lane, seq);
CREATE INDEX ledger_entry_actor ON ledger_entry (actor, at, lane, seq);

CREATE TABLE ledger_subject (
  kind text COLLATE "C" NOT NULL,
  subject_id text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL,
  lane smallint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (kind, subject_id, at, lane, seq)
) PARTITION BY RANGE (at);

CREATE TABLE ledger_entry_default PARTITION OF ledger_entry DEFAULT;
CREATE TABLE ledger_subject_default PARTITION OF ledger_subject DEFAULT;

CREATE TABLE ledger_seal (
  round bigint PRIMARY KEY,
  sealed_at timestamptz NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  positions bigint[] NOT NULL,
  missing bigint[] NOT NULL,
  digests bytea NOT NULL,
  root bytea NOT NULL,
  key bytea NOT NULL,
  signature bytea NOT NULL
);
ALTER TABLE ledger_seal ALTER COLUMN digests SET STORAGE EXTERNAL;

-- The months in which a lane's last entry is looked for first: a plan over six years of partitions would lock all.
CREATE VIEW ledger_recent AS SELECT lane, seq FROM ledger_entry_default;
"""

DROP = """
DROP FUNCTION ledger_append(json, boolean);
DROP FUNCTION ledger_take_lane();
DROP FUNCTION ledger_make_partitions(integer);
DROP VIEW ledger_recent;
DROP TABLE ledger_seal, ledger_subject, ledger_entry;
"""

# {schema} becomes the schema in use: a function that runs with the owner's rights must not follow the caller's path.
FUNCTIONS = """
CREATE FUNCTION ledger_make_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {schema}, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
-- Makes the partitions of this month and of the `ahead` (at most 24) months after it; answers how many it made.
-- A month whose first entries already lie in the default partition stays there.
DECLARE
  this_month CONSTANT timestamptz := date_trunc('month', clock_timestamp());
  month timestamptz;
  name text;
  made integer := 0;
BEGIN
  FOR i IN 0..least(ahead, 24) LOOP
    month := this_month + make_interval(months => i);
    name := to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('ledger_entry_' || name) IS NOT NULL;
    IF made = 0 THEN
      PERFORM pg_advisory_xact_lock(1128811591, -1);
      CONTINUE WHEN to_regclass('ledger_entry_' || name) IS NOT NULL;
    END IF;
    CONTINUE WHEN EXISTS (SELECT FROM ledger_entry_default
                          WHERE at >= month AND at < month + interval '1 month');
    EXECUTE format('CREATE TABLE ledger_entry_%s PARTITION OF ledger_entry FOR VALUES FROM (%L) TO (%L)',
                   name, month, month + interval '1 month');
    EXECUTE format('CREATE TABLE ledger_subject_%s PARTITION OF ledger_subject FOR VALUES FROM (%L) TO (%L)',
                   name, month, month + interval '1 month');
    PERFORM append_only_protect(('ledger_entry_' || name)::regclass, false);
    PERFORM append_only_protect(('ledger_subject_' || name)::regclass, false);
    made := made + 1;
  END LOOP;
  IF made > 0 THEN
    EXECUTE 'CREATE OR REPLACE VIEW ledger_recent AS ' || (
      SELECT string_agg(format('SELECT lane, seq FROM %I', relname), ' UNION ALL ' ORDER BY relname)
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = 'ledger_entry'::regclass
        AND relname >= 'ledger_entry_' || to_char(this_month - interval '1 month', 'YYYY_MM'));
  END IF;
  RETURN made;
EXCEPTION WHEN lock_not_available THEN
  RETURN 0;
END $$;

CREATE FUNCTION ledger_take_lane(OUT lane smallint, OUT last bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
-- Takes a lane until the transaction ends, so that in a lane the order of numbers is the order of commits, and
-- answers the lane's last number. A transaction that holds a lane gets it again and never waits.
DECLARE
  lanes CONSTANT integer := 32;
  held CONSTANT text := current_setting('charthouse.ledger_lane', true);
  preferred CONSTANT integer := coalesce(nullif(held, '')::integer, pg_backend_pid()) % lanes;
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE EXCEPTION 'The ledger cannot be written in a % transaction.', current_setting('transaction_isolation')
      USING HINT = 'Such a transaction does not see the last number of its lane. Use READ COMMITTED.';
  END IF;
  FOR i IN 0..lanes - 1 LOOP
    lane := (preferred + i) % lanes;
    EXIT WHEN pg_try_advisory_xact_lock(1128811591, lane);
    lane := NULL;
  END LOOP;
  IF lane IS NULL THEN
    lane := preferred;
    PERFORM pg_advisory_xact_lock(1128811591, lane);
  END IF;
  IF held IS DISTINCT FROM lane::text THEN
    PERFORM set_config('charthouse.ledger_lane', lane::text, true);
  END IF;
  -- A statement of its own, after the lock: its snapshot sees what the lane's last holder committed.
  SELECT seq INTO last FROM ledger_recent r WHERE r.lane = ledger_take_lane.lane ORDER BY seq DESC LIMIT 1;
  IF last IS NULL THEN
    SELECT seq INTO last FROM ledger_entry e WHERE e.lane = ledger_take_lane.lane ORDER BY seq DESC LIMIT 1;
  END IF;
  last := coalesce(last, 0);
END $$;

CREATE FUNCTION ledger_append(entries json, relaxed boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
-- Appends a JSON array of entries in one lane. With `relaxed` the transaction's commit does not wait for the disk.
DECLARE
  taken record;
  now CONSTANT timestamptz := clock_timestamp();
BEGIN
  IF relaxed THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  SELECT * INTO taken FROM ledger_take_lane();
  WITH given AS MATERIALIZED (
    SELECT taken.last + row_number() OVER () AS seq, e.*
    FROM json_to_recordset(entries) AS e(
      actor text, actor_name text, roles text[], purpose text, action text, outcome text, session text,
      remote text, subjects text[], detail json)
  ), entered AS (
    INSERT INTO ledger_entry (lane, seq, at, actor, actor_name, roles, purpose, action, outcome, session, remote,
                              subjects, detail)
    SELECT taken.lane, seq, now, actor, actor_name, roles, purpose, action, outcome, session, remote, subjects,
           detail
    FROM given
  )
  INSERT INTO ledger_subject (kind, subject_id, at, lane, seq)
  SELECT split_part(subject, '/', 1), substr(subject, strpos(subject, '/') + 1), now, taken.lane, seq
  FROM given CROSS JOIN unnest(subjects) AS subject;
END $$;
"""


def make_functions(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        (schema,) = cursor.fetchone()
        cursor.execute(FUNCTIONS.replace("{schema}", schema))
        cursor.execute("SELECT ledger_make_partitions(3)")


text_array = django.contrib.postgres.fields.ArrayField(models.TextField())
numbers = django.contrib.postgres.fields.ArrayField(models.BigIntegerField())


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name="LedgerEntry",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "lane", "seq", "at", blank=True, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("lane", models.SmallIntegerField()),
                        ("seq", models.BigIntegerField()),
                        ("at", models.DateTimeField()),
                        ("actor", models.TextField(db_collation="C")),
                        ("actor_name", models.TextField()),
                        ("roles", text_array),
                        ("purpose", models.TextField(db_collation="C")),
                        ("action", models.TextField(db_collation="C")),
                        ("outcome", models.TextField(db_collation="C")),
                        ("session", models.TextField(db_collation="C")),
                        ("remote", models.TextField(db_collation="C")),
                        ("subjects", text_array.clone()),
                        ("detail", models.JSONField(null=True)),
                    ],
                    options={"db_table": "ledger_entry"},
                ),
                migrations.CreateModel(
                    name="LedgerSubject",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "kind",
                                "subject_id",
                                "at",
                                "lane",
                                "seq",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("kind", models.TextField(db_collation="C")),
                        ("subject_id", models.TextField(db_collation="C")),
                        ("at", models.DateTimeField()),
                        ("lane", models.SmallIntegerField()),
                        ("seq", models.BigIntegerField()),
                    ],
                    options={"db_table": "ledger_subject"},
                ),
                migrations.CreateModel(
                    name="LedgerSeal",
                    fields=[
                        ("round", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("sealed_at", models.DateTimeField()),
                        ("since", models.DateTimeField()),
                        ("until", models.DateTimeField()),
                        ("positions", numbers),
                        ("missing", numbers.clone()),
                        ("digests", models.BinaryField()),
                        ("root", models.BinaryField()),
                        ("key", models.BinaryField()),
                        ("signature", models.BinaryField()),
                    ],
                    options={"db_table": "ledger_seal"},
                ),
            ],
        ),
        append_only("ledger_entry", may_insert=False),
        append_only("ledger_subject", may_insert=False),
        append_only("ledger_seal"),
        migrations.RunPython(make_functions, migrations.RunPython.noop),
    ]
