"""The originals of a chart that is destroyed go with it: every message that is about its patients alone, and of the
others the entries its items came from. With single documents go the entries, or whole messages, these came from."""

from __future__ import annotations

from typing import Any

from charthouse.intake.models import MessageState, Unfiled
from charthouse.record.api import Going, Keeper, Leave, declare_keeper, decompress


def register() -> None:
    """Tell the record that originals lie here."""
    declare_keeper(Keeper("originals", _objects, _destroy))


def _messages(cursor: Any, going: Going) -> tuple[list[int], list[int]]:
    """The messages that are about the chart's patients alone, and others from which items of it came."""
    known = sorted({message for message, _ in going.origins})
    if going.items is not None:
        return [], known
    cursor.execute("SELECT id, keys FROM intake_message WHERE id = ANY(%s)", [known])
    found = dict(cursor.fetchall())
    own = {keys[0] for keys in found.values() if len(keys) == 1}
    cursor.execute(
        "SELECT id FROM intake_message WHERE keys <> '{}' AND keys <@ %s::bigint[] ORDER BY id", [sorted(own)]
    )
    alone = {message for (message,) in cursor.fetchall()}
    alone |= {message for message, keys in found.items() if not keys and not going.others}
    return sorted(alone), sorted(found.keys() - alone)


def _objects(cursor: Any, going: Going) -> str:
    alone, shared = _messages(cursor, going)
    cursor.execute(
        "SELECT count(*) FROM intake_message m WHERE m.id = ANY(%s) AND (m.state = %s OR EXISTS ("
        "SELECT FROM intake_unfiled u WHERE u.message = m.id AND u.state = %s))",
        [[*alone, *shared], MessageState.RECEIVED.value, Unfiled.State.OPEN.value],
    )
    waiting = cursor.fetchone()[0]
    return (
        f"{waiting} messages of this chart wait to be filed or mended. File or refuse them first, then ask again."
        if waiting
        else ""
    )


def _destroy(cursor: Any, going: Going, leave: Leave) -> int:
    alone, shared = _messages(cursor, going)
    entries = sorted({original for message, original in going.origins if message in set(shared)} - going.others)
    cursor.execute(
        "SELECT id, body FROM intake_original WHERE (message = ANY(%s) AND id <> ALL(%s)) OR id = ANY(%s) "
        "ORDER BY id",
        [alone, sorted(going.others), entries],
    )
    leave("original", [(number, decompress(body)) for number, body in cursor.fetchall()])
    cursor.execute("SELECT intake_destroy_originals(%s)", [going.destruction])
    return int(cursor.fetchone()[0])
