"""The stored form: the same bytes back, whichever threads are at work."""

from __future__ import annotations

import random
from array import array
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from charthouse.record.domain.packing import Packed
from charthouse.record.preparing import compress, decompress


@given(st.binary(max_size=5_000))
def test_what_is_packed_comes_back(content: bytes) -> None:
    assert decompress(compress(content)) == content


@given(st.lists(st.binary(max_size=500), max_size=20), st.data())
def test_many_together(contents: list[bytes], data: st.DataObject) -> None:
    stored = [compress(each) for each in contents]
    packed = Packed(b"".join(stored), array("Q", map(len, stored)))
    assert packed.contents() == contents
    numbers = data.draw(st.lists(st.sampled_from(range(len(contents))), max_size=30)) if contents else []
    taken = packed.taken(numbers)
    assert taken.contents() == [contents[number] for number in numbers]
    assert taken.data == b"".join(stored[number] for number in numbers)


def test_threads_do_not_mix_up_what_they_pack() -> None:
    contents = [random.Random(n).randbytes(200) * (1 + n % 400) for n in range(600)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: decompress(compress(each)), contents * 3)) == contents * 3
