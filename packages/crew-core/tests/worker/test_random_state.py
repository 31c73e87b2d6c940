"""Every task has its own random numbers, whichever process runs it and whoever imports what."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from crew_core._model.streams import Stream, generator, python_seed, seed_sequence

DRAW = "import random\nrandom.random()"
DRAW_NUMPY = "import numpy\nfloat(numpy.random.random())"


def expected(stream: Stream) -> float:
    return random.Random(python_seed(stream)).random()


def expected_numpy(seed: Any) -> float:
    return float(np.random.RandomState(seed).random())


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 5])
def test_a_seed_gives_the_documented_state(process: Any, seed: int) -> None:
    state = seed if seed < 2**32 else np.random.SeedSequence(seed).generate_state(8)
    for _ in range(2):  # the first imports the modules, the second finds them
        assert process.value(DRAW, seed=seed) == random.Random(seed).random()
        assert process.value(DRAW_NUMPY, seed=seed) == expected_numpy(state)


def test_without_a_seed_each_task_has_the_stream_of_its_number(process: Any) -> None:
    first = process.value(DRAW, task_id=11)
    second = process.value(DRAW, task_id=12)
    assert (first, second) == (expected(Stream(42, 11)), expected(Stream(42, 12)))
    state = seed_sequence(Stream(42, 13)).generate_state(8)
    assert process.value(DRAW_NUMPY, task_id=13) == expected_numpy(state)
    assert process.value(DRAW_NUMPY, task_id=13) == expected_numpy(state)


def test_the_numbers_do_not_depend_on_what_the_task_before_drew(process: Any) -> None:
    state = seed_sequence(Stream(42, 21)).generate_state(8)
    for before in ("None", DRAW, DRAW_NUMPY, "import numpy\nnumpy.random.standard_normal(3).sum()"):
        process.value(before, task_id=20)
        assert process.value(DRAW, task_id=21) == expected(Stream(42, 21))
        process.value(before, task_id=20)
        assert process.value(DRAW_NUMPY, task_id=21) == expected_numpy(state)


def test_a_thread_of_a_task_draws_from_the_tasks_state(process: Any) -> None:
    text = """
import random, threading
import numpy
drawn = []
def draw():
    drawn.append(random.random())
    drawn.append(float(numpy.random.random()))
thread = threading.Thread(target=draw)
thread.start()
thread.join()
drawn
"""
    state = seed_sequence(Stream(42, 31)).generate_state(8)
    for _ in range(2):
        drawn = process.value(text, task_id=31)
        assert drawn == [expected(Stream(42, 31)), expected_numpy(state)]


def test_rng_is_the_tasks_generator(process: Any) -> None:
    text = "from crew_core._model.streams import rng\nfloat(rng().random())"
    assert process.value(text, task_id=5) == float(generator(Stream(42, 5)).random())


def test_numpy_is_not_imported_for_it(process: Any) -> None:
    assert process.value("import sys; 'numpy' in sys.modules") is False


def test_the_loaders_are_as_usual_after_the_import(process: Any) -> None:
    text = """
import random, numpy.random, sys
loaders = [type(module.__loader__) for module in (random, numpy.random)]
finders = [type(finder).__module__ for finder in sys.meta_path if not isinstance(finder, type)]
[loader.__name__ for loader in loaders], finders
"""
    loaders, finders = process.value(text)
    assert loaders == ["SourceFileLoader", "SourceFileLoader"]
    assert not any(name.startswith("crew_core") for name in finders)
