"""The stored form: the same bytes back, whichever threads are at work."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from charthouse.record.preparing import compress, decompress


@given(st.binary(max_size=5_000))
def test_what_is_packed_comes_back(content: bytes) -> None:
    assert decompress(compress(content)) == content


def test_threads_do_not_mix_up_what_they_pack() -> None:
    contents = [random.Random(n).randbytes(200) * (1 + n % 400) for n in range(600)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: decompress(compress(each)), contents * 3)) == contents * 3
