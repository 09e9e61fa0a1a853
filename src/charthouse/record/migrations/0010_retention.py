"""Legal holds, destructions, tombstones; and the one door by which what is kept for good is let go.

A row is let go only where its tombstone was written in the same transaction; tombstones are written only by the
functions that destroy, and those act only for a destruction that a second person confirmed.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from charthouse.foundation.append_only import append_only

_REFUSE = """  RAISE EXCEPTION 'Rows of % are kept for good: % is refused.', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'A chart is destroyed lawfully, by two persons.';"""

# {schema} becomes the schema in use: a function that runs with the owner's rights must not follow the caller's path.
FUNCTIONS = """
CREATE FUNCTION record_is_let_go(what text, of_type integer, of_item bigint, of_version integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = {schema}, pg_temp AS $$
  SELECT EXISTS (SELECT FROM record_tombstone t WHERE t.kind = what AND t.type = of_type AND t.item = of_item
    AND t.version = of_version AND t.made_in = pg_current_xact_id()::text::bigint)
$$;

CREATE FUNCTION record_version_door() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND {schema}.record_is_let_go('version', OLD.type, OLD.resource, OLD.version) THEN
    RETURN OLD;
  END IF;
{refuse}
END $$;

CREATE FUNCTION record_segment_door() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND {schema}.record_is_let_go('segment', 0, OLD.id, 0) THEN
    RETURN OLD;
  END IF;
{refuse}
END $$;

CREATE FUNCTION record_require_confirmed(number bigint) RETURNS void LANGUAGE plpgsql
SET search_path = {schema}, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM record_destruction a JOIN record_destruction_decision d ON d.destruction_id = a.id
                 WHERE a.id = number AND d.outcome = 'done' AND d.by <> a.by) THEN
    RAISE EXCEPTION 'Destruction % was not confirmed by a second person.', number
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF EXISTS (SELECT FROM record_tombstone t WHERE t.destruction_id = number
             AND t.made_in <> pg_current_xact_id()::text::bigint) THEN
    RAISE EXCEPTION 'Destruction % is done and cannot be used again.', number
      USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

CREATE FUNCTION record_leave_tombstones(number bigint, what text, types integer[], items bigint[], versions integer[],
                                        hashes bytea[], sizes bigint[], seals bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
-- Writes the tombstones of what the caller is about to destroy.
BEGIN
  PERFORM record_require_confirmed(number);
  INSERT INTO record_tombstone (destruction_id, kind, type, item, version, sha256, size, seal, made_in)
  SELECT number, what, n.type, n.item, n.version, n.sha256, n.size, n.seal, pg_current_xact_id()::text::bigint
    FROM unnest(types, items, versions, hashes, sizes, seals) AS n (type, item, version, sha256, size, seal);
END $$;

CREATE FUNCTION record_destroy_marked(number bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
-- Deletes the versions and segments whose tombstones this transaction left; answers how many rows that were.
DECLARE
  gone integer;
  more integer;
BEGIN
  PERFORM record_require_confirmed(number);
  DELETE FROM record_version v USING record_tombstone t, record_resource r, record_destruction a
   WHERE t.destruction_id = number AND t.kind = 'version' AND v.type = t.type AND v.resource = t.item
     AND v.version = t.version AND a.id = number AND r.type = t.type AND r.id = t.item AND r.patient = ANY(a.patients);
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM record_account_segment s USING record_tombstone t, record_destruction a
   WHERE t.destruction_id = number AND t.kind = 'segment' AND s.id = t.item AND a.id = number
     AND s.patient = ANY(a.patients);
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN gone + more;
END $$;
"""
_DOORS = """
DROP TRIGGER append_only_rows ON record_version;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON record_version
  FOR EACH ROW EXECUTE FUNCTION record_version_door();
DROP TRIGGER append_only_rows ON record_account_segment;
CREATE TRIGGER append_only_rows
  BEFORE DELETE OR UPDATE OF id, account, encounter, message, name, place, text, filed_at ON record_account_segment
  FOR EACH ROW EXECUTE FUNCTION record_segment_door();
"""
_WALLS = """
DROP TRIGGER append_only_rows ON record_version;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON record_version
  FOR EACH ROW EXECUTE FUNCTION append_only_refuse();
DROP TRIGGER append_only_rows ON record_account_segment;
CREATE TRIGGER append_only_rows
  BEFORE DELETE OR UPDATE OF id, account, encounter, message, name, place, text, filed_at ON record_account_segment
  FOR EACH ROW EXECUTE FUNCTION append_only_refuse();
DROP FUNCTION record_destroy_marked, record_leave_tombstones, record_require_confirmed, record_segment_door,
  record_version_door, record_is_let_go;
"""


def make_doors(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
        cursor.execute(FUNCTIONS.replace("{schema}", schema).replace("{refuse}", _REFUSE))
        cursor.execute(_DOORS)


def take_doors(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_WALLS)


def _id():
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def _who():
    return [
        ("by", models.TextField(db_collation="C")),
        ("name", models.TextField()),
        ("at", models.DateTimeField()),
    ]


def _once(to, name):
    return models.OneToOneField(
        on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name=name, serialize=False, to=to
    )


class Migration(migrations.Migration):
    dependencies = [("record", "0009_pending_words")]

    operations = [
        migrations.CreateModel(
            name="Hold",
            fields=[
                _id(),
                ("patient", models.BigIntegerField(db_index=True)),
                ("type", models.SmallIntegerField(null=True)),
                ("public_id", models.TextField(blank=True, db_collation="C", default="")),
                ("matter", models.TextField()),
                *_who(),
            ],
            options={"db_table": "record_hold"},
        ),
        migrations.CreateModel(
            name="HoldLift",
            fields=[("hold", _once("record.hold", "lift")), ("reason", models.TextField()), *_who()],
            options={"db_table": "record_hold_lift"},
        ),
        migrations.CreateModel(
            name="Destruction",
            fields=[
                _id(),
                ("patient", models.BigIntegerField(db_index=True)),
                (
                    "patients",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                ("items", models.IntegerField()),
                ("versions", models.IntegerField()),
                ("rule", models.TextField(db_collation="C")),
                ("due", models.DateField()),
                ("reason", models.TextField()),
                *_who(),
            ],
            options={"db_table": "record_destruction"},
        ),
        migrations.CreateModel(
            name="DestructionDecision",
            fields=[
                ("destruction", _once("record.destruction", "decision")),
                ("outcome", models.TextField(db_collation="C")),
                ("note", models.TextField()),
                *_who(),
            ],
            options={"db_table": "record_destruction_decision"},
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                _id(),
                (
                    "destruction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tombstones",
                        to="record.destruction",
                    ),
                ),
                ("kind", models.TextField(db_collation="C")),
                ("type", models.SmallIntegerField()),
                ("item", models.BigIntegerField()),
                ("version", models.IntegerField()),
                ("sha256", models.BinaryField()),
                ("size", models.BigIntegerField()),
                ("seal", models.BinaryField()),
                ("made_in", models.BigIntegerField()),
            ],
            options={
                "db_table": "record_tombstone",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["kind", "type", "item", "version"], name="record_tombstone_once"
                    )
                ],
            },
        ),
        append_only("record_hold"),
        append_only("record_hold_lift"),
        append_only("record_destruction"),
        append_only("record_destruction_decision"),
        append_only("record_tombstone", may_insert=False),
        migrations.RunPython(make_doors, take_doors),
    ]
