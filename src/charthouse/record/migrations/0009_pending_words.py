"""New keys of the words' index wait in a list of at most 4 MB before they are merged into it, many at once.

One by one they cost the most of indexing a text. A search looks through the list by halves, text by text.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("record", "0008_rows_of_a_resource")]

    operations = [
        migrations.RunSQL(
            "ALTER INDEX record_text_words SET (fastupdate = on, gin_pending_list_limit = 4096)",
            "ALTER INDEX record_text_words SET (fastupdate = off)",
        )
    ]
