"""Which pairs are compared at all: those that share a key few others have.

Besides the keys of the index there are looser ones, for files whose columns are fewer and whose slips are more. A
key says less the more patients share it; keys are used from the rarest on until a budget of pairs is spent.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.keys import born_on, keys_of, year_of
from charthouse.identity.domain.text import sound
from charthouse.identity.domain.traits import Traits

from .table import Ints, Longs

#: So many pairs a patient are compared on the average at the most, and so many in all; but some for each patient.
PAIRS_EACH, PAIRS_IN_ALL, PAIRS_AT_LEAST = 150, 12_000_000, 15
#: A key that more than so many share is left.
MOST_PER_KEY = 400
#: A file this small is compared as a whole.
SMALL = 700
#: The keys are sorted in so many parts, a power of two.
_PARTS = 16


class Blocks:
    """The keys of many patients: those of the index, and where ``wide`` the looser ones beside them."""

    def __init__(self, *, wide: bool = True) -> None:
        self._wide = wide
        self._key = array("q")
        self._row = array("i")

    def add(self, row: int, traits: Traits) -> None:
        """The keys of one patient."""
        stored = keys_of(traits)
        keys = stored.stored | stored.asked
        if self._wide:
            keys |= {hash(key) for key in _loose(traits)}
        self._key.extend(keys)
        self._row.extend([row] * len(keys))

    def pairs(self, size: int, source: Ints | None = None) -> tuple[Ints, Ints]:
        """Pairs of rows, the lower first, each once. ``source``: only pairs of different sources.

        Asked for once: the keys, which take more room than anything else, are let go.
        """
        if size <= SMALL:
            low, high = np.triu_indices(size, 1)
            return _across(low.astype(np.int32), high.astype(np.int32), source)
        row, sizes = self._shared()
        starts = np.cumsum(sizes) - sizes
        rarest = np.argsort(sizes, kind="stable")
        starts, sizes = starts[rarest], sizes[rarest]
        spent = np.cumsum(sizes * (sizes - 1) // 2)
        each = max(PAIRS_AT_LEAST, min(PAIRS_EACH, PAIRS_IN_ALL // size))
        within = int(np.searchsorted(spent, size * each, side="right"))
        if within < len(sizes):
            # All keys of one size or none, so that the order of keys decides nothing.
            within = int(np.searchsorted(sizes, sizes[within], side="left"))
        codes = _pairs_of_blocks(row, starts[:within], sizes[:within], size)
        left, right = (part.astype(np.int32) for part in np.divmod(codes, size))
        return _across(left, right, source)

    def _shared(self) -> tuple[Ints, Longs]:
        """What :func:`_shared_of` says of all keys; the keys are gone then. They are sorted a part at a time, so
        that sorting takes little room beside them."""
        key = np.frombuffer(self._key, dtype=np.int64)
        row = np.frombuffer(self._row, dtype=np.int32)
        rows, sizes = [], []
        part_of = np.empty(len(key), dtype=np.int8)
        np.bitwise_and(key, _PARTS - 1, out=part_of, casting="unsafe")
        for part in range(_PARTS):
            some = part_of == part
            found, many = _shared_of(key[some], row[some])
            rows.append(found)
            sizes.append(many)
        self._key, self._row = array("q"), array("i")
        return np.concatenate(rows), np.concatenate(sizes)


def _shared_of(key: Longs, row: Ints) -> tuple[Ints, Longs]:
    """The rows of all keys that some share and not too many, key by key, and how many share each."""
    order = _order(key)
    key, row = key[order], row[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    sizes = np.diff(np.append(starts, len(key)))
    useful = (sizes > 1) & (sizes <= MOST_PER_KEY)
    return row[np.repeat(useful, sizes)], sizes[useful]


def _order(key: Longs) -> NDArray[np.int64]:
    """The places of keys in an order in which equal ones stand together.

    The front of a key and its place in one number: numpy sorts numbers many times faster than it finds an order.
    Where two different keys have one front, which is seldom, the order is found after all.
    """
    bits = max(1, len(key).bit_length())
    packed = np.left_shift(np.right_shift(key, bits), bits) | np.arange(len(key))
    packed.sort()
    order = packed & ((1 << bits) - 1)
    ordered = key[order]
    if ((ordered[1:] ^ ordered[:-1]) >> bits == 0)[ordered[1:] != ordered[:-1]].any():
        order = np.argsort(key, kind="stable")
    return order


def _pairs_of_blocks(row: Ints, starts: Longs, sizes: Longs, size: int) -> Longs:
    """Codes low * size + high of all pairs within the blocks, each once, in order."""
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    pending = 0
    for block in np.unique(sizes):
        first, second = np.triu_indices(int(block), 1)
        begin = starts[sizes == block]
        # Blocks of one size at a time, so many that their pairs fit into memory.
        step = max(1, 2_000_000 // len(first))
        for place in range(0, len(begin), step):
            some = begin[place : place + step, None]
            a, b = row[some + first].ravel(), row[some + second].ravel()
            codes = np.minimum(a, b).astype(np.int64) * size + np.maximum(a, b)
            found.append(_distinct(codes[a != b]))
            pending += len(found[-1])
            if pending > 8_000_000:
                found, pending = [_distinct(np.concatenate(found))], 0
    return _distinct(np.concatenate(found))


def _distinct(codes: Longs) -> Longs:
    """Each code once, in order."""
    codes = np.sort(codes)
    return codes[np.concatenate(([True], codes[1:] != codes[:-1]))] if len(codes) else codes


def _across(left: Ints, right: Ints, source: Ints | None) -> tuple[Ints, Ints]:
    if source is None:
        return left, right
    apart = source[left] != source[right]
    return left[apart], right[apart]


def _loose(traits: Traits) -> Iterator[tuple[object, ...]]:
    """Keys for files with few columns or many slips."""
    birth, year = traits.birth, year_of(traits.birth)
    day = born_on(birth)
    if len(traits.ssn) >= 6:
        yield "ssn front", traits.ssn[:5], year[:3]
        yield "ssn back", traits.ssn[-5:], year[:3]
    if day:
        yield "born", birth, traits.sex
        yield "born", day
        yield "month+day", birth[5:], traits.sex, *_first_sounds(traits)
        yield "year+month", birth[:7], *_first_sounds(traits)
        yield "year+day", birth[:4], birth[8:], *_first_sounds(traits)
    for name in traits.names:
        given, family = name.given, name.family
        if given and family:
            a, b = sound(given), sound(family)
            yield "both", *sorted((a, b))
            yield "front", given[:3], family[:3], year
            yield "back", given[-3:], family[-3:], year
            yield "front+sound", given[:2], b, year[:3]
            yield "sound+front", a, family[:2], year[:3]
            yield "letters", "".join(sorted(set(given))), "".join(sorted(set(family)))
        if given:
            yield "given", sound(given)
        if family:
            yield "family", sound(family)
            yield "family+initial", sound(family), given[:1]
        if year:
            yield "initials+year", given[:1], family[:1], year, traits.sex
        if len(birth) == 4 and year:
            # An age tells the year of birth only to the one beside it.
            for near in (int(year), int(year) + 1):
                if given and family:
                    yield "initials+near", given[:1], family[:1], near, traits.sex
                if given:
                    yield "given+near", sound(given), near
                if family:
                    yield "family+near", sound(family), near
        if given and year:
            yield "given+year", given, year, traits.sex
        if family and year:
            yield "family+year", sound(family), year
        for address in traits.addresses:
            if address.postal:
                if family:
                    yield "family+postal", sound(family), address.postal
                if given:
                    yield "given+postal", sound(given), address.postal
            if address.city:
                if family:
                    yield "family+city", sound(family), given[:1], address.city
                if given:
                    yield "given+city", given, family[:1], address.city
            if address.number:
                if given:
                    yield "given+number", sound(given), address.number, address.street[:3]
                if family:
                    yield "family+number", sound(family), address.number, address.street[:3]
    for address in traits.addresses:
        if address.postal:
            yield "postal", address.postal, *_first_sounds(traits)[:1]
            yield "postal+family", address.postal, *_first_sounds(traits)[1:]
            yield "postal+year", address.postal, year
        if address.city and year:
            yield "city+year", address.city, year
        if address.street:
            yield "street", address.street
            yield "line", address.number, address.street
            if address.number and address.postal:
                yield "number+postal", address.number, address.postal, address.street[:2]
            if year:
                yield "street+year", address.street, year
    if traits.mother:
        for name in traits.names:
            yield "mother", traits.mother[-1], name.given
    for phone in traits.phones:
        yield "phone front", phone[:-1]
        yield "phone back", phone[-6:], *_first_sounds(traits)[:1]


def _first_sounds(traits: Traits) -> tuple[str, str]:
    name = traits.names[0] if traits.names else None
    return (name.given[:1], name.family[:1]) if name else ("", "")
