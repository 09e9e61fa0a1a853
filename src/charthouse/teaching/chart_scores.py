"""What the analysis of every chart finds, beside what a key says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson

from charthouse.completion import api as completion
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext

from .domain.scoring import Found, Score, expected_of, score


class KeyUnreadable(Exception):
    """A key that cannot be read; the message says which line of which file, and what to do."""


def read_key(path: Path) -> list[dict[str, object]]:
    """The lines of a key. Raises KeyUnreadable."""
    found = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise KeyUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise KeyUnreadable(f"{path}, line {place}: a JSON object is needed, one on each line.")
        found.append(told)
    return found


def score_completion(
    ctx: AccessContext,
    keys: Sequence[Path],
    facility: int | None,
    tell: Callable[[int], None],
    *,
    shipped: bool = False,
) -> tuple[int, Score]:
    """How many encounters were analysed, and how what was found agrees with the keys. With a ``facility`` only its
    encounters count. The rules are those in force here, or those that are ``shipped``. Nothing is opened or
    written. Raises KeyUnreadable, PermissionRefused."""
    lines = [line for key in keys for line in read_key(key)]
    counted = [0]

    def found() -> Iterator[Found]:
        now = clock.now()
        version = 0 if shipped else completion.adopted_version()
        for some in completion.all_encounters(ctx):
            for facts in some:
                if facility is not None and facts.facility != facility:
                    continue
                counted[0] += 1
                numbers = {f"{each.type}/{each.id}": each.number for each in facts.documents}
                for one in completion.findings_of(facts, version, now):
                    owed = one.owed_by.npi if one.owed_by else ""
                    yield Found(facts.number, one.kind, one.what.value, numbers.get(one.about, ""), owed)
            tell(len(some))

    result = score(expected_of(lines), found())
    return counted[0], result
