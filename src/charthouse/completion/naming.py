"""Practitioners as deficiencies name them: ``Practitioner/id`` or an account, with every name one of them has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from charthouse.foundation.access.api import system_context
from charthouse.people.api import (
    account_links,
    joined_practitioners,
    names_of,
    practitioner,
    practitioner_ids,
    practitioners_by_public_id,
)

_PRACTITIONER = "Practitioner/"
_SYSTEM = system_context("completion")


@dataclass(frozen=True, slots=True)
class Named:
    """One practitioner: ``key`` is the name that stands for all of theirs (``keys``), ``entry`` their number in the
    directory, None for an account that is in no directory."""

    key: str
    keys: tuple[str, ...]
    shown: str
    entry: int | None


def standing_for(keys: Iterable[str]) -> dict[str, str]:
    """For each of these names that which stands for all names of the same practitioner (``Named.key``); for a name
    that nobody knows, itself. Nothing else is asked of the directory, so that there may be thousands."""
    wanted = {each for each in keys if each}
    found = {each: each for each in wanted}
    for id, own in joined_practitioners().items():
        if (key := _PRACTITIONER + id) in wanted:
            found[key] = _PRACTITIONER + own
    links = account_links({each for each in wanted if each.startswith("user:")}, ())
    own_ids = practitioner_ids(links.values()) if links else {}
    return found | {actor: _PRACTITIONER + own_ids[number] for actor, number in links.items()}


def named(keys: Iterable[str]) -> dict[str, Named]:
    """The practitioners behind names; of those that the directory does not know, none. An account that is a
    practitioner of the directory is that one, under whichever name it is asked for. Not sensitive."""
    wanted = {each for each in keys if each}
    ids = {each: each.removeprefix(_PRACTITIONER) for each in wanted if each.startswith(_PRACTITIONER)}
    actors = {each for each in wanted if each.startswith("user:")}
    entries = practitioners_by_public_id(_SYSTEM, ids.values())
    known = {entry.id: entry for entry in entries.values()}
    links = account_links(actors, known)
    for number in set(links.values()) - known.keys():
        if (entry := practitioner(_SYSTEM, number)) is not None:
            known[number] = entry
    people = {}
    for number, entry in known.items():
        own = [f"{_PRACTITIONER}{id}" for id in entry.public_ids]
        accounts = sorted(actor for actor, linked in links.items() if linked == number)
        people[number] = Named(own[0], (*own, *accounts), entry.shown, number)
    found = {each: people[entries[id].id] for each, id in ids.items() if id in entries}
    found |= {actor: Named(actor, (actor,), name, None) for actor, name in names_of(actors - links.keys()).items()}
    return found | {actor: people[links[actor]] for actor in actors & links.keys()}
