"""The form of a sealed file: what goes in comes out, and nothing else does."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.files import sealed
from charthouse.foundation.files.errors import FileDamaged, KeyMissing
from charthouse.foundation.files.keys import Keyring, MasterKey

OLD = MasterKey(b"old-key.", bytes(range(32)))
NEW = MasterKey(b"new-key.", bytes(range(1, 33)))
BOTH = Keyring(NEW, {OLD.id: OLD, NEW.id: NEW})
ONLY_OLD = Keyring(OLD, {OLD.id: OLD})
ONLY_NEW = Keyring(NEW, {NEW.id: NEW})

borders = st.sampled_from([0, 1, 2, 3]).flatmap(
    lambda chunks: st.integers(-2, 2).map(lambda by: max(0, chunks * sealed.CHUNK + by))
)


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sealed_file(content: sealed.Source, key: MasterKey = OLD) -> tuple[io.BytesIO, sealed.Sealed]:
    target = io.BytesIO()
    done = sealed.seal(content, target, key)
    return target, done


def opened(target: io.BytesIO, sha256: bytes, keys: Keyring = ONLY_OLD, expected: bytes = OLD.id) -> bytes:
    return b"".join(sealed.unseal(target, sha256, keys, expected))


@pytest.mark.parametrize("chunks", [1, 2, sealed.BLOCK // sealed.CHUNK])
@given(borders | st.integers(0, 300_000), st.lists(st.integers(1, 150_000), max_size=5))
@settings(max_examples=40, deadline=None)
def test_what_goes_in_comes_out(chunks: int, size: int, cuts: list[int]) -> None:
    content = content_of(size)
    parts = []
    rest = content
    for cut in cuts:
        parts.append(rest[:cut])
        rest = rest[cut:]
    parts.append(rest)
    digest = hashlib.sha256(content).digest()
    for source in (content, bytearray(content), io.BytesIO(content), parts):
        with mock.patch.object(sealed, "BLOCK", chunks * sealed.CHUNK):
            target, done = sealed_file(source)
        assert (done.sha256, done.size) == (digest, size)
        assert opened(target, digest) == content
        if size > 40:
            assert content[:40] not in target.getvalue()


def test_equal_content_is_sealed_differently() -> None:
    (one, _), (two, _) = sealed_file(b"same"), sealed_file(b"same")
    assert one.getvalue()[32:] != two.getvalue()[32:]


@pytest.mark.parametrize("size", [0, 1, 100, sealed.CHUNK, sealed.CHUNK + 1])
def test_any_flipped_byte_is_found(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "_RETRY_WAIT", 0)
    content = content_of(size)
    target, done = sealed_file(content)
    whole = bytearray(target.getvalue())
    free = range(32 + 68, 32 + 136)  # the free slot of the header: nothing to damage, see below
    places = [n for n in range(len(whole)) if n not in free]
    if len(places) > 600:
        places = places[:300] + random.Random(1).sample(places[300:], 200) + places[-100:]
    for place in places:
        whole[place] ^= 0x41
        with pytest.raises(FileDamaged):
            opened(io.BytesIO(bytes(whole)), done.sha256)
        whole[place] ^= 0x41
    for place in free:
        whole[place] ^= 0x41
        assert opened(io.BytesIO(bytes(whole)), done.sha256) == content
        assert sealed.header_keys(io.BytesIO(bytes(whole))) != (OLD.id,), "verify sees it"
        whole[place] ^= 0x41


@pytest.mark.parametrize("size", [0, 10, sealed.CHUNK, 2 * sealed.CHUNK + 5])
def test_any_truncation_and_addition_is_found(size: int) -> None:
    target, done = sealed_file(content_of(size))
    whole = target.getvalue()
    block = sealed.CHUNK + 16
    lengths = {0, 1, 31, 32, 167, 168, 169, len(whole) - 1, len(whole) - 16, len(whole) - 17}
    lengths |= {168 + n * block for n in range(3)}
    for length in sorted(each for each in lengths if 0 <= each < len(whole)):
        with pytest.raises(FileDamaged):
            opened(io.BytesIO(whole[:length]), done.sha256)
    for more in (b"\0", bytes(16), bytes(block), whole[168:]):
        with pytest.raises(FileDamaged):
            opened(io.BytesIO(whole + more), done.sha256)


def test_changed_order_and_anothers_file_are_found() -> None:
    target, done = sealed_file(content_of(3 * sealed.CHUNK))
    whole = target.getvalue()
    block = sealed.CHUNK + 16
    head, chunks = whole[:168], [whole[168 + n * block : 168 + (n + 1) * block] for n in range(3)]
    for order in ([1, 0, 2], [0, 0, 2], [0, 2], [2]):
        with pytest.raises(FileDamaged):
            opened(io.BytesIO(head + b"".join(chunks[n] for n in order)), done.sha256)
    other, _ = sealed_file(b"another patient's scan")
    with pytest.raises(FileDamaged):
        opened(other, done.sha256)


def test_a_piece_is_given_before_the_rest_is_read() -> None:
    """Scans stream: memory holds a few blocks while they are sealed, and a few chunks while they are read."""

    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.largest = max(self.largest, len(data))
            return data

    content = content_of(2 * sealed.BLOCK + 5 * sealed.CHUNK)
    source = Counting(content)
    target = Counting()
    done = sealed.seal(source, target, OLD)
    assert source.largest <= sealed.BLOCK
    pieces = list(sealed.unseal(target, done.sha256, ONLY_OLD, OLD.id))
    assert target.largest <= sealed.CHUNK + 16
    assert [len(piece) for piece in pieces] == [sealed.CHUNK] * (len(content) // sealed.CHUNK)


def test_a_missing_key_is_not_called_damage() -> None:
    target, done = sealed_file(b"x")
    with pytest.raises(KeyMissing, match=OLD.id.hex()):
        opened(target, done.sha256, ONLY_NEW)


def rewrap(handle: BinaryIO, sha256: bytes) -> None:
    sealed.wrap_anew(handle, sha256, BOTH, OLD.id)
    sealed.clear_old(handle, sha256, BOTH)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(size=borders)
def test_rewrapping_changes_only_the_header(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = content_of(size)
    target, done = sealed_file(content)
    path.write_bytes(target.getvalue())
    with path.open("r+b") as handle:
        rewrap(handle, done.sha256)
    after = path.read_bytes()
    assert after[168:] == target.getvalue()[168:] and after[:32] == target.getvalue()[:32]
    assert opened(io.BytesIO(after), done.sha256, ONLY_NEW) == content
    with pytest.raises(KeyMissing):
        opened(io.BytesIO(after), done.sha256, ONLY_OLD, NEW.id)


def test_a_crash_at_any_write_of_a_rewrap_leaves_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is cut off after any number of its bytes; the file opens, and the next rewrap ends the work."""
    content = b"scan"
    target, done = sealed_file(content)
    path = tmp_path / "file"

    class Crash(Exception):
        pass

    write = sealed._write_slot
    for crash_at in (0, 1):
        for cut in (0, 1, 8, 20, 67):
            path.write_bytes(target.getvalue())
            calls = []

            def torn(
                handle: io.BufferedRandom,
                place: int,
                slot: bytes,
                cut: int = cut,
                crash_at: int = crash_at,
                calls: list[int] = calls,
            ) -> None:
                calls.append(place)
                if len(calls) - 1 == crash_at:
                    current = path.read_bytes()[32 + 68 * place : 32 + 68 * (place + 1)]
                    write(handle, place, slot[:cut] + current[cut:])
                    raise Crash
                write(handle, place, slot)

            monkeypatch.setattr(sealed, "_write_slot", torn)
            with path.open("r+b") as handle, pytest.raises(Crash):
                rewrap(handle, done.sha256)
            monkeypatch.setattr(sealed, "_write_slot", write)
            assert opened(io.BytesIO(path.read_bytes()), done.sha256, BOTH) == content
            with path.open("r+b") as handle:
                rewrap(handle, done.sha256)
            assert sealed.header_keys(io.BytesIO(path.read_bytes())) == (NEW.id,)
            assert opened(io.BytesIO(path.read_bytes()), done.sha256, ONLY_NEW) == content
