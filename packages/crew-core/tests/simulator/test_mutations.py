"""The simulator finds known bugs: planted one at a time, by seeds that find nothing else."""

from __future__ import annotations

import pytest

from simulator.mutations import MUTATIONS, Mutation
from simulator.run import run_seed

SEEDS = range(300)
"""As many as are tried without a bug."""

pytestmark = pytest.mark.timeout(900)  # it reckons all the time, on a machine that may be busy


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_planted_bug_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_seed(mutation.seed).failure is None
    mutation.plant(monkeypatch)
    seeds = [mutation.seed, *SEEDS]
    assert any(run_seed(seed).failure is not None for seed in seeds)
