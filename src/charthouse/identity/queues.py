"""The work queue identity opens items in."""

from __future__ import annotations

from charthouse.foundation.work.api import declare_queue

from .permissions import REVIEW_DUPLICATES

#: A new person who is perhaps one already known; the subject is the arriving patient.
POSSIBLE_DUPLICATES = declare_queue(
    "identity.possible-duplicates", "Possible duplicates", REVIEW_DUPLICATES.roles
).code


def matter(one: int, other: int) -> str:
    """What an item of two source patients is deduplicated by, whichever arrived first."""
    return f"{min(one, other)}-{max(one, other)}"
