"""Whether objects are pickled alike: a look tells most of them apart, a comparison all."""

from __future__ import annotations

import pytest

from crew_core._controller.likeness import are_equal, digest_of, look_of
from crew_core._controller.references import Pickled

SIZE = 300_000


def pickled(content: bytes, data: bytes = b"pickle") -> Pickled:
    return Pickled(data, (), [memoryview(content)])


def test_alike_look_alike() -> None:
    one, other = pickled(bytes(SIZE)), pickled(bytes(bytearray(SIZE)))
    assert look_of(one) == look_of(other)
    assert digest_of(one) == digest_of(other)
    assert are_equal(one.beside, other.beside)


@pytest.mark.parametrize(
    "other",
    [
        pickled(bytes(SIZE), b"another"),
        pickled(bytes(SIZE + 1)),
        pickled(bytes(SIZE - 1)),
        pickled(b"\1" + bytes(SIZE - 1)),
        pickled(b"\1" * SIZE),
        Pickled(b"pickle", (), [memoryview(bytes(SIZE // 2))] * 2),
        Pickled(b"pickle"),
    ],
)
def test_a_look_tells_these_apart(other: Pickled) -> None:
    assert look_of(pickled(bytes(SIZE))) != look_of(other)


@pytest.mark.parametrize("where", [0, 1000, 65_535, 65_536, SIZE - 1])
def test_a_comparison_and_a_digest_tell_all_apart(where: int) -> None:
    content = bytearray(SIZE)
    content[where] = 1
    one, other = pickled(bytes(SIZE)), pickled(bytes(content))
    assert not are_equal(one.beside, other.beside)
    assert digest_of(one) != digest_of(other)


def test_of_several_buffers_each_counts() -> None:
    one, other = memoryview(bytes(SIZE)), memoryview(b"\1" * SIZE)
    assert are_equal([one, other], [one, other])
    assert not are_equal([one, other], [one, one])
