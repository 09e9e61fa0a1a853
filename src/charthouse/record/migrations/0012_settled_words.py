"""What waits in the list before the words' index is merged into it when asked; only the owner of an index may."""

from django.db import migrations

_FUNCTION = """
CREATE FUNCTION record_settle_words() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = {schema}, pg_catalog, pg_temp AS $$
-- Answers how many pages of the list were merged.
  SELECT gin_clean_pending_list('{schema}.record_text_words'::regclass)
$$;
"""


def make_function(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        cursor.execute(_FUNCTION.replace("{schema}", cursor.fetchone()[0]))


def take_function(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION record_settle_words")


class Migration(migrations.Migration):
    dependencies = [("record", "0011_documents_destroyed")]

    operations = [migrations.RunPython(make_function, take_function)]
