"""NumPy's generator gives the same numbers, whether it is seeded at once or when it is used."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from crew_core._worker.lazy_numpy import LazyNumpy

_random = np.random
_global: Any = np.random.mtrand._rand  # it has no public name
SEED = 7


def seed() -> None:
    _random.seed(SEED)


@pytest.fixture
def lazy() -> Iterator[LazyNumpy]:
    """The generator of this process, which is put back at the end."""
    before = _random.get_state()
    yield LazyNumpy(_random, seed)
    _random.random()  # whatever happened, the real one is in its place again
    _random.set_state(before)


def set_state() -> float:
    """A state with half a pair of normal numbers in it, which is no part of the bit generator."""
    _random.set_state(("MT19937", np.arange(624, dtype=np.uint32), 3, 1, 0.25))
    return float(_random.standard_normal())


def set_state_as_a_dictionary() -> float:
    key = np.arange(624, dtype=np.uint32)
    state = {"key": key, "pos": 3}
    whole = {"bit_generator": "MT19937", "state": state, "has_gauss": 1, "gauss": 0.25}
    _random.set_state(whole)
    return float(_random.standard_normal())


def seed_anew() -> float:
    _random.seed(3)
    return float(_random.standard_normal())


def raw() -> int:
    return int(_global._bit_generator.random_raw())


def shuffle() -> list[int]:
    found = list(range(10))
    _random.shuffle(found)
    return found


USES: list[Callable[[], Any]] = [
    _random.random,
    lambda: _random.rand(3),
    _random.standard_normal,
    lambda: _random.standard_normal(3),
    lambda: _random.normal(1, 2, 5),
    lambda: _random.randint(5),
    lambda: _random.randint(0, 9, 3, dtype=np.uint8),
    lambda: _random.randint([1, 2], [5, 6]),
    lambda: _random.choice(5, 3, replace=False),
    lambda: _random.choice([1, 2, 3], 2, p=[0.1, 0.2, 0.7]),
    lambda: _random.permutation(5),
    lambda: _random.bytes(4),
    lambda: _random.binomial(3, 0.5),
    lambda: _random.multinomial(3, [0.5, 0.5]),
    lambda: _random.dirichlet([1, 2]),
    lambda: _random.multivariate_normal([0, 0], np.eye(2)),
    lambda: _random.gamma(2.0),
    lambda: _random.poisson(3),
    lambda: _random.hypergeometric(3, 4, 5),
    _random.get_state,
    _global.tomaxint,
    lambda: _global._bit_generator.state,
    lambda: _random.Generator(_global._bit_generator).random(),
    lambda: pickle.loads(pickle.dumps(_global)).normal(size=3),
    lambda: copy.deepcopy(_global).normal(size=3),
    set_state,
    set_state_as_a_dictionary,
    seed_anew,
    shuffle,
    raw,
]


@pytest.mark.parametrize("use", USES)
def test_whatever_is_used_first_is_as_after_seeding(
    lazy: LazyNumpy, use: Callable[[], Any]
) -> None:
    seed()
    expected = repr((use(), _random.standard_normal(3)))
    _random.standard_normal()  # leaves half a pair of normal numbers behind
    lazy.postpone()
    assert repr((use(), _random.standard_normal(3))) == expected


def test_it_is_seeded_once_when_it_is_used_and_not_before() -> None:
    before = _random.get_state()
    seeded: list[int] = []
    lazy = LazyNumpy(_random, lambda: seeded.append(1))
    for expected in (1, 2):
        lazy.postpone()
        lazy.postpone()
        assert len(seeded) == expected - 1
        _random.random(3)
        _random.random(3)
        assert len(seeded) == expected
    _random.set_state(before)


def test_threads_that_come_at_once_draw_what_one_would(lazy: LazyNumpy) -> None:
    drawn: list[float] = []
    together = threading.Barrier(8)

    def draw() -> None:
        together.wait()
        for _ in range(100):
            drawn.append(_random.random())

    seed()
    expected = sorted(_random.random(800))
    lazy.postpone()
    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == expected


def test_what_was_put_in_its_place_goes(lazy: LazyNumpy) -> None:
    seed()
    expected = _random.random(3)
    lazy.postpone()
    _global.__init__(_random.PCG64(1))
    lazy.postpone()
    assert (_random.random(3) == expected).all()
