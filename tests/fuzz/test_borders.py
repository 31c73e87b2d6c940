"""Each border holds against its corpus, against what is made of it, and against anything at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.blind import mutated
from fuzz.borders import CORPUS, beginnings, load, names

BORDERS = names()

pytestmark = pytest.mark.timeout(600)


def test_each_border_has_a_small_corpus_and_nobody_else_has() -> None:
    kept = sorted(path.name for path in CORPUS.iterdir())
    assert kept == BORDERS
    for name in BORDERS:
        files = list((CORPUS / name).iterdir())
        assert 0 < len(files) <= 200
        assert sum(path.stat().st_size for path in files) < 100_000


@pytest.mark.parametrize("border", BORDERS)
def test_what_was_found_once_does_not_happen_again(border: str) -> None:
    check = load(border)
    for data in beginnings(border):
        check(data)


@pytest.mark.parametrize("border", BORDERS)
def test_changes_of_the_corpus_are_taken_or_refused(border: str) -> None:
    check, draw, known = load(border), random.Random(border), beginnings(border)
    for _ in range(25_000):
        check(mutated(known, draw))


@pytest.mark.parametrize("border", BORDERS)
def test_anything_at_all_is_taken_or_refused(border: str) -> None:
    check = load(border)

    @settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=400))
    def try_it(data: bytes) -> None:
        check(data)

    try_it()
