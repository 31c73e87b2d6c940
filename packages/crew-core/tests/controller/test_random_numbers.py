"""Random numbers: a task's own, the same whichever worker runs it, and to be had again."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
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


def draw_after_one_crash(marks: Path | None, i: int) -> Numbers:
    """Dies on the first attempt, after it has drawn, if there is a folder to note that in."""
    import os

    numbers = draw()
    if marks is not None and not (marks / str(i)).exists():
        (marks / str(i)).touch()
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


def test_a_tasks_stream_is_what_numpy_spawns_from_the_controllers_seed(make: Make) -> None:
    # NumPy's documentation promises that spawned sequences are independent of each other.
    controller = make(workers=2, seed=99)
    handles: list[crew.Task[Any]] = [controller.push(draw) for _ in range(5)]
    handles.append(controller.submit(draw))
    for handle, child in zip(handles, np.random.SeedSequence(99).spawn(6), strict=True):
        _, legacy, modern = handle.result(SECONDS)
        assert modern == np.random.default_rng(child).random()
        assert legacy == np.random.RandomState(child.generate_state(8)).random_sample()


@pytest.fixture(scope="module")
def expected(state_home: Path) -> list[Numbers]:
    """What a quiet run gives: one worker, no crashes."""
    with crew.controller("local", seed=2024) as controller:
        numbers = [handle.result(SECONDS) for handle in push_some(controller, None)]
    assert len(set(numbers)) == len(numbers)
    return numbers


def push_some(controller: crew.Controller, marks: Path | None) -> list[crew.Task[Numbers]]:
    """Twelve tasks and a submitted one; with a folder, every other one crashes at first."""
    handles = [
        controller.push(
            draw_after_one_crash, (None if i % 2 else marks, i), seed=7 if i == 4 else None
        )
        for i in range(12)
    ]
    return [*handles, controller.submit(draw_after_one_crash, marks, 12)]


@pytest.mark.parametrize("crashes", [False, True], ids=["quiet", "crashes"])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_same_seed_gives_the_same_numbers_with_any_number_of_workers_and_crashes(
    make: Make, expected: list[Numbers], tmp_path: Path, workers: int, crashes: bool
) -> None:
    controller = make(workers=workers, seed=2024)
    handles = push_some(controller, tmp_path if crashes else None)
    assert [handle.result(SECONDS) for handle in handles] == expected
    attempts = [handle.record.attempts for handle in handles if handle.record is not None]
    assert attempts == [1 + (crashes and i % 2 == 0) for i in range(13)]


def test_the_same_seed_gives_the_same_numbers_through_a_backup(
    make: Make, expected: list[Numbers], tmp_path: Path
) -> None:
    big = make(workers=2, seed=1)
    controller = make(workers=2, seed=2024, crashes_max=1, backup=big)
    handles = push_some(controller, tmp_path)
    assert [handle.result(SECONDS) for handle in handles] == expected
    ran = [handle.record.controller for handle in handles if handle.record is not None]
    assert ran == [controller.name if i % 2 else big.name for i in range(13)]


def test_another_seed_gives_other_numbers(make: Make, expected: list[Numbers]) -> None:
    handles = push_some(make(workers=2, seed=2025), None)
    found = {number for handle in handles for number in handle.result(SECONDS)}
    common = found & {number for numbers in expected for number in numbers}
    assert len(common) == 3  # of the task that was pushed with a seed of its own


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


def test_a_record_alone_is_enough_to_rebuild_it(make: Make) -> None:
    controller = make(workers=1)
    handle = controller.push(draw)
    numbers = handle.result(SECONDS)
    told = pickle.dumps(controller.pop())
    controller.terminate()
    assert crew.rng(pickle.loads(told)).random() == numbers[2]


def test_rng_without_a_record_is_for_tasks_alone() -> None:
    with pytest.raises(crew.ConfigError, match="needs a record"):
        crew.rng()
