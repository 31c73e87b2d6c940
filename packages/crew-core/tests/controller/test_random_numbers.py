"""Random numbers: a task's own, the same whichever worker runs it, and to be had again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 30

ALGORITHMS = ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"]

Numbers = tuple[float, float, float]


def draw() -> Numbers:
    """A number from each of the three sources that a task has."""
    return random.random(), float(np.random.random()), float(crew.rng().random())


def kind_of_rng() -> str:
    return type(crew.rng().bit_generator).__name__


def draw_after_crashing(marks: Any) -> Numbers:
    """Dies on the first two attempts, after it has drawn."""
    import os

    attempt = len(list(marks.iterdir()))
    numbers = draw()
    if attempt < 2:
        (marks / str(attempt)).touch()
        os._exit(1)
    return numbers


# ── With a seed ────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_numbers_from_all_sources(
    controller: crew.Controller,
) -> None:
    first = controller.push(draw, seed=42).result(SECONDS)
    controller.push(draw).result(SECONDS)
    again = controller.push(draw, seed=42).result(SECONDS)
    other = controller.push(draw, seed=43).result(SECONDS)
    assert first == again
    assert not set(first) & set(other)


def test_a_seed_gives_what_it_gives_anywhere(controller: crew.Controller) -> None:
    numbers = controller.push(draw, seed=42).result(SECONDS)
    assert numbers == (
        random.Random(42).random(),
        np.random.RandomState(42).random_sample(),
        np.random.default_rng(42).random(),
    )


def test_text_draws_the_same_numbers(controller: crew.Controller) -> None:
    number = controller.push("random.random()", packages=["random"], seed=42).result(SECONDS)
    assert number == random.Random(42).random()


def test_large_seeds_and_zero(controller: crew.Controller) -> None:
    for seed in (0, 2**32, 2**63 - 1):
        handles = [controller.push(draw, seed=seed) for _ in range(2)]
        first, second = (handle.result(SECONDS) for handle in handles)
        assert first == second
        assert first[0] == random.Random(seed).random()
        assert first[2] == np.random.default_rng(seed).random()


def test_numpys_integers_are_seeds(controller: crew.Controller) -> None:
    handle = controller.push(draw, seed=np.int64(42))
    assert handle.result(SECONDS)[0] == random.Random(42).random()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_algorithm_is_numpys_bit_generator(controller: crew.Controller, algorithm: str) -> None:
    assert controller.push(kind_of_rng, algorithm=algorithm).result(SECONDS) == algorithm
    handle = controller.push(draw, seed=7, algorithm=algorithm)
    bit_generator = getattr(np.random, algorithm)(np.random.SeedSequence(7))
    assert handle.result(SECONDS)[2] == np.random.Generator(bit_generator).random()
    assert handle.record is not None
    assert (handle.record.seed, handle.record.algorithm) == (7, algorithm)


def test_without_an_algorithm_it_is_numpys_default(controller: crew.Controller) -> None:
    assert controller.push(kind_of_rng).result(SECONDS) == "PCG64"


def test_the_callers_own_random_state_is_left_alone(controller: crew.Controller) -> None:
    before = random.getstate()
    controller.map("x", {"x": [1, 2]}, seed=5)
    controller.push(draw, seed=5).result(SECONDS)
    assert random.getstate() == before


# ── Without a seed ─────────────────────────────────────────────────────────────────────────────


def test_every_task_has_numbers_of_its_own(controller: crew.Controller) -> None:
    handles = [controller.push(draw) for _ in range(20)]
    for source in range(3):
        assert len({handle.result(SECONDS)[source] for handle in handles}) == 20


def test_without_a_seed_the_record_says_none(controller: crew.Controller) -> None:
    handle = controller.push(draw)
    handle.result(SECONDS)
    assert handle.record is not None
    assert (handle.record.seed, handle.record.algorithm) == (None, None)


def test_the_numbers_do_not_depend_on_which_worker_runs_a_task(make: Make) -> None:
    def run(workers: int, seed: int) -> list[Numbers]:
        controller = make(workers=workers, seed=seed)
        handles: list[crew.Task[Any]] = [controller.push(draw, name=str(i)) for i in range(12)]
        handles.append(controller.submit(draw))
        numbers = [handle.result(SECONDS) for handle in handles]
        controller.terminate()
        return numbers

    alone, together = run(workers=1, seed=2024), run(workers=3, seed=2024)
    assert alone == together
    assert run(workers=1, seed=2025) != alone


def test_two_controllers_without_a_seed_differ(make: Make) -> None:
    first, second = (make(workers=1).push(draw).result(SECONDS) for _ in range(2))
    assert not set(first) & set(second)


def test_a_root_seed_may_be_of_any_size(make: Make) -> None:
    assert len(make(workers=1, seed=2**100).push(draw).result(SECONDS)) == 3


def test_a_task_that_is_tried_again_draws_the_same_numbers(make: Make, tmp_path: Any) -> None:
    controller = make(workers=1, seed=5)
    crashing = controller.push(draw_after_crashing, (tmp_path,))
    numbers = crashing.result(SECONDS)
    assert crashing.record is not None
    assert crashing.record.attempts == 3
    controller.terminate()
    assert controller.push(draw).result(SECONDS) == numbers  # the same task of the same root


# ── Afterwards ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options", [{}, {"seed": 42}, {"algorithm": "Philox"}, {"seed": 42, "algorithm": "MT19937"}]
)
def test_rng_of_a_record_rebuilds_the_tasks_generator(
    controller: crew.Controller, options: dict[str, Any]
) -> None:
    handle = controller.push(draw, **options)
    numbers = handle.result(SECONDS)
    assert handle.record is not None
    rebuilt = crew.rng(handle.record)
    assert rebuilt.random() == numbers[2]
    assert type(rebuilt.bit_generator).__name__ == options.get("algorithm", "PCG64")


def test_rng_without_a_record_is_for_tasks_alone() -> None:
    with pytest.raises(crew.ConfigError, match="needs a record"):
        crew.rng()
