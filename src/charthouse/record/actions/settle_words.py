"""Merge what waits before the index of words into it.

Indexing puts new keys into a list, many at once; a search looks through that list for each of its words. What lies
there when a load has ended would stay until the list is full or the table is vacuumed.
"""

from __future__ import annotations

from django.db import connection


def settle_words() -> int:
    """Merge the list; how many of its pages there were. Reads one page where it is empty. Safe beside indexing and
    beside another of its kind."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT record_settle_words()")
        return int(cursor.fetchone()[0])
