"""For the first page: how far its reader is on the tour."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from charthouse.people.api import tour_state
from charthouse.web.tour import STEPS

register = template.Library()


@register.simple_tag(takes_context=True)
def tour_at_hand(context: Context) -> dict[str, Any] | None:
    """The step to go on with (``number``, ``total``, ``title``), or None for who has left or finished the tour."""
    access = context.get("access")
    if access is None or not access.actor.startswith("user:"):
        return None
    state = tour_state(access)
    if not state.shown or state.done >= len(STEPS):
        return None
    return {"number": state.done + 1, "total": len(STEPS), "title": STEPS[state.done].title}
