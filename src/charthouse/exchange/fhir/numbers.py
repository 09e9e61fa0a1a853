"""Numbers in a search, with the precision they were written with."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def implicit_range(text: str) -> tuple[float, float] | None:
    """The range [low, high) that a number in a search stands for: half a unit of its last digit to both sides.

    ``5.4`` is [5.35, 5.45), ``5.40`` is [5.395, 5.405), ``100`` is [99.5, 100.5). The index holds a resource's
    values exactly, so a search for equality asks for values in this range (R4, search, 3.1.1.4.6). ``None`` where
    ``text`` is no number.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(number.adjusted()) > 300 or abs(exponent) > 300:
        return None
    half = Decimal(5).scaleb(exponent - 1)
    return float(number - half), float(number + half)
