"""An original is let go only in the transaction that leaves its tombstone in the record."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION intake_original_door() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND {schema}.record_is_let_go('original', 0, OLD.id, 0) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'Rows of % are kept for good: % is refused.', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'A chart is destroyed lawfully, by two persons.';
END $$;

CREATE FUNCTION intake_destroy_originals(number bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
-- Deletes the originals whose tombstones this transaction left; answers how many those were.
DECLARE
  gone integer;
BEGIN
  PERFORM record_require_confirmed(number);
  DELETE FROM intake_original o USING record_tombstone t
   WHERE t.destruction_id = number AND t.kind = 'original' AND o.id = t.item;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

DROP TRIGGER append_only_rows ON intake_original;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON intake_original
  FOR EACH ROW EXECUTE FUNCTION intake_original_door();
"""
_WALL = """
DROP TRIGGER append_only_rows ON intake_original;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON intake_original
  FOR EACH ROW EXECUTE FUNCTION append_only_refuse();
DROP FUNCTION intake_destroy_originals, intake_original_door;
"""


def make_door(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        cursor.execute(FUNCTIONS.replace("{schema}", cursor.fetchone()[0]))


def take_door(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_WALL)


class Migration(migrations.Migration):
    dependencies = [("intake", "0002_unfiled_list"), ("record", "0010_retention")]

    operations = [migrations.RunPython(make_door, take_door)]
