"""A resource's bytes parsed to be changed and written again, every number as it was written: 72.50 stays 72.50."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

_decoder = msgspec.json.Decoder(float_hook=orjson.Fragment)


def editable(content: bytes) -> dict[str, Any]:
    """``content`` parsed, with decimals as fragments that ``orjson.dumps`` writes as they stand.

    Not for looking at numbers: a fragment is no number.
    """
    parsed: dict[str, Any] = _decoder.decode(content)
    return parsed
