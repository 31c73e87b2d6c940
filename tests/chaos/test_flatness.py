"""Which courses of memory count as growing."""

from __future__ import annotations

import random

import pytest

from chaos.flatness import growth, is_flat

MIB = 1 << 20


def test_memory_that_rises_at_first_and_then_stays_is_flat() -> None:
    samples = [50 * MIB + min(i, 25) * 4 * MIB for i in range(120)]
    assert is_flat(samples)


def test_memory_that_goes_up_and_down_is_flat() -> None:
    dice = random.Random(1)
    assert is_flat([100 * MIB + dice.randrange(20 * MIB) for _ in range(200)])


@pytest.mark.parametrize("mib_per_sample", [0.5, 1, 5])
def test_memory_that_rises_to_the_end_is_not(mib_per_sample: float) -> None:
    samples = [int((80 + i * mib_per_sample) * MIB) for i in range(200)]
    assert not is_flat(samples)


def test_of_few_samples_nothing_is_said() -> None:
    assert growth([1, 100, 10_000]) is None
    assert is_flat([MIB, 1000 * MIB])
