"""Transaction ids belong to a database cluster. A restored dump brings another cluster's: they are set anew."""

from __future__ import annotations

import structlog
from django.db import connection, transaction

log = structlog.get_logger("charthouse.events")
_checked: set[str] = set()


def ensure() -> None:
    """Once a process and database: set the events anew when they came from another cluster."""
    name = str(connection.settings_dict["NAME"])
    if name in _checked:
        return
    present = _identifier()
    if present is not None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events_cluster (id, system_identifier) VALUES (1, %s) ON CONFLICT DO NOTHING",
                [present],
            )
            cursor.execute("SELECT system_identifier FROM events_cluster WHERE id = 1")
            (stored,) = cursor.fetchone()
            if stored != present:
                reanchor()
    _checked.add(name)


def reanchor() -> None:
    """Keep every consumer's place across a change of transaction ids, in one transaction.

    Call it after a dump was restored; a pump does it by itself when it finds another cluster. All present
    events get one transaction id below any real one; each consumer reads on from its first event that was not
    done, so some may be handed over once more and none is left out.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE events_event IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SELECT FROM events_cursor ORDER BY name FOR UPDATE")
        cursor.execute(
            "UPDATE events_cursor AS c SET done = '3:3:', reading = '4:4:', high_id = e.high,"
            " last_id = coalesce((SELECT min(id) - 1 FROM events_event WHERE c.kinds ? kind AND ("
            "   id > c.seen_id OR NOT pg_visible_in_snapshot(xid, c.done)"
            "   AND (c.reading IS NULL OR id > c.last_id OR NOT pg_visible_in_snapshot(xid, c.reading)))), e.high)"
            " FROM (SELECT coalesce(max(id), 0) AS high FROM events_event) AS e"
        )
        cursor.execute("UPDATE events_event SET xid = '3' WHERE xid <> '3'")
        present = _identifier()
        if present is not None:
            cursor.execute(
                "INSERT INTO events_cluster (id, system_identifier) VALUES (1, %s)"
                " ON CONFLICT (id) DO UPDATE SET system_identifier = excluded.system_identifier",
                [present],
            )
    log.warning("events set anew for this database cluster")


def _identifier() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        return int(cursor.fetchone()[0])
