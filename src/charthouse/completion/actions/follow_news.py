"""Analyse again what the record's news touches. The consumer of that news; it bears a repeat."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.completion.touched_queries import touched_by_documents, touched_by_messages
from charthouse.foundation.events.api import Event

from .analyse_charts import Analysed, analyse_charts


def follow_news(events: Sequence[Event]) -> Analysed:
    """Analyse the encounters that these events touch, in the caller's transaction."""
    messages = [int(each.payload["message"]) for each in events if each.kind == "record.filed"]
    acts = {
        (str(each.payload["type"]), str(each.payload["id"]))
        for each in events
        if each.kind.startswith("record.document-")
    }
    for each in events:
        if each.kind == "completion.classified":
            acts |= {(kind, id) for kind, _, id in (key.partition("/") for key in each.payload["documents"])}
    given = {int(row) for each in events if each.kind == "record.reassigned" for row in each.payload["encounters"]}
    return analyse_charts(given | touched_by_messages(messages) | touched_by_documents(acts), anew=True)
