from django.db import migrations

from charthouse.foundation.database.api import application_role

_LET_FOLLOW = """
DROP TRIGGER append_only_rows ON record_account_segment;
CREATE TRIGGER append_only_rows
  BEFORE DELETE OR UPDATE OF id, account, encounter, message, name, place, text, filed_at ON record_account_segment
  FOR EACH ROW EXECUTE FUNCTION append_only_refuse();
"""
_HOLD_FAST = """
DROP TRIGGER append_only_rows ON record_account_segment;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON record_account_segment
  FOR EACH ROW EXECUTE FUNCTION append_only_refuse();
"""


def _right(schema_editor, words):
    """Give the application the right to say whose a segment is, or take it; nothing where one role does all."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        if cursor.fetchone()[0] != application_role():
            role = schema_editor.connection.ops.quote_name(application_role())
            cursor.execute(words.format(role=role))


def give(apps, schema_editor):
    _right(schema_editor, "GRANT UPDATE (patient) ON record_account_segment TO {role}")


def take(apps, schema_editor):
    _right(schema_editor, "REVOKE UPDATE (patient) ON record_account_segment FROM {role}")


class Migration(migrations.Migration):
    """A segment's text is kept for good; whose it is follows its account when a source patient is split."""

    dependencies = [("record", "0003_encounter_ends")]

    operations = [migrations.RunSQL(_LET_FOLLOW, _HOLD_FAST), migrations.RunPython(give, take)]
