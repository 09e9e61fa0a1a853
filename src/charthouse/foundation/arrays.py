"""Lists as PostgreSQL's text of an array: many times quicker than adapting each value."""

from __future__ import annotations

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """The array of numbers, ids, instants; None is NULL."""
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def text_array(values: Iterable[str]) -> str:
    """The array of texts."""
    each = list(values)
    if not each:
        return "{}"
    together = "".join(each)
    if '"' in together or "\\" in together:
        each = [value.replace("\\", "\\\\").replace('"', '\\"') for value in each]
    return '{"' + '","'.join(each) + '"}'
