"""Keep the counts of the board small and right: rows of one sort become one, what became overdue is marked, and
every night the sums are held against what they count."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.clock import now

_SORT = ("what", "facility", "kind", "detail", "state", "late", "day")
_COLUMNS = ", ".join(_SORT)
_AT_ONCE = 2_000

# Each takes only what nobody has locked, and waits for nobody: an analysis that waits for these rows waits shortly.
# An array, because IN (SELECT … LIMIT) may be planned to be asked again, locks and all, for each row beside it.
_LATE = """
UPDATE completion_deficiency SET late = NOT late WHERE id = ANY(ARRAY(
  SELECT id FROM completion_deficiency d WHERE d.state IN ('open', 'proposed') AND {turned}
   ORDER BY d.id LIMIT %s FOR UPDATE SKIP LOCKED))
"""
_TURNED = ("NOT d.late AND d.due <= %s", "d.late AND (d.due > %s OR d.due IS NULL)")
_JOIN = f"""
WITH taken AS (
  DELETE FROM completion_tally t USING (SELECT DISTINCT {_COLUMNS} FROM completion_tally WHERE fresh) AS f
   WHERE ({", ".join(f"t.{name}" for name in _SORT)}) = ({", ".join(f"f.{name}" for name in _SORT)})
  RETURNING {", ".join(f"t.{name}" for name in (*_SORT, "number"))}
), joined AS (
  INSERT INTO completion_tally ({_COLUMNS}, number, fresh)
  SELECT {_COLUMNS}, sum(number), false FROM taken GROUP BY {_COLUMNS} HAVING sum(number) <> 0
)
SELECT count(*) FROM taken
"""  # noqa: S608 (fixed words)
# What is counted and the sums are read at one moment, and a change commits with its count: the differences are
# therefore errors, and adding them puts the sums right whoever writes meanwhile.
_RECOUNT = f"""
WITH wrong AS (
  SELECT {_COLUMNS}, sum(number) AS number FROM (
    SELECT {_COLUMNS}, number FROM completion_counted
    UNION ALL SELECT {_COLUMNS}, -number FROM completion_tally) AS both_of_them
  GROUP BY {_COLUMNS} HAVING sum(number) <> 0
), added AS (
  INSERT INTO completion_tally ({_COLUMNS}, number) SELECT {_COLUMNS}, number FROM wrong
)
SELECT count(*) FROM wrong
"""  # noqa: S608 (fixed words)
_LOCK = 7_301_904


def mark_late() -> int:
    """Mark what became overdue since the last round, or is no longer; how many."""
    total = 0
    for turned in _TURNED:
        statement = _LATE.format(turned=turned)
        while True:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, [now(), _AT_ONCE])
                done = cursor.rowcount
            total += done
            if done < _AT_ONCE:
                break
    return total


def join_tallies() -> int:
    """Let the rows of each sort that was added to become one; how many were joined. Another who is at it does it
    for both."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        # After many changes at once the planner knows nothing of the rows yet, and would compare each with each.
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off")
        cursor.execute(_JOIN)
        return int(cursor.fetchone()[0])


def recount() -> int:
    """Hold the sums against what they count, and put right what differs; how many sorts differed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_RECOUNT)
        return int(cursor.fetchone()[0])
