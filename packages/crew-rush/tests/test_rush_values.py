"""Values, tables and settings: what is refused, and what comes back as it went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import crew_core as crew
import crew_rush
from crew_rush._model.names import worker_name
from crew_rush._store.opening import _without_password
from crew_rush._tasks.values import Values


@pytest.fixture(scope="module")
def rush() -> Iterator[crew_rush.Rush]:
    with crew_rush.Rush() as manager:
        yield manager


@pytest.fixture(autouse=True)
def _empty(rush: crew_rush.Rush) -> Iterator[None]:
    yield
    rush.reset_data()


def test_lists_and_arrays_are_one_cell_each(rush: crew_rush.Rush) -> None:
    rush.push_finished_tasks(
        [{"x": [1, 2]}, {"x": [3]}], [{"y": np.arange(3)}, {"y": np.arange(2)}]
    )
    table = rush.fetch_finished_tasks()
    assert table["x"].tolist() == [[1, 2], [3]]
    assert [list(y) for y in table["y"]] == [[0, 1, 2], [0, 1]]


def test_cell_that_a_task_does_not_have_is_missing(rush: crew_rush.Rush) -> None:
    rush.push_finished_tasks([{"x": 1}, {"z": 2}], [{"y": 1}, {"y": 2}])
    assert rush.fetch_finished_tasks()["z"].isna().tolist() == [True, False]


def test_fields_choose_columns(rush: crew_rush.Rush) -> None:
    rush.push_finished_tasks([{"x": 1}], [{"y": 2}], [{"note": "n"}], [{"cost": 3}])
    assert rush.fetch_finished_tasks().columns.tolist() == [
        "key",
        "x",
        "note",
        "y",
        "cost",
        "worker_id",
    ]
    assert rush.fetch_finished_tasks(["xs", "ys_extra"]).columns.tolist() == ["key", "x", "cost"]


def test_changing_a_table_does_not_change_the_next(rush: crew_rush.Rush) -> None:
    rush.push_finished_tasks([{"x": 1}], [{"y": 2}])
    table = rush.fetch_finished_tasks()
    table.loc[0, "y"] = 99
    assert rush.fetch_finished_tasks()["y"].tolist() == [2]


def test_pushing_nothing_does_nothing(rush: crew_rush.Rush) -> None:
    assert rush.push_tasks([]) == []
    assert rush.n_tasks == 0


def test_lists_of_different_length_are_refused(rush: crew_rush.Rush) -> None:
    with pytest.raises(crew.ConfigError, match="ys: has 2 entries for 1 tasks"):
        rush.push_finished_tasks([{"x": 1}], [{"y": 1}, {"y": 2}])
    assert rush.n_tasks == 0


def test_unknown_fields_and_states_are_refused(rush: crew_rush.Rush) -> None:
    with pytest.raises(crew.ConfigError, match="no 'zs'"):
        rush.fetch_finished_tasks(["zs"])
    with pytest.raises(crew.ConfigError, match="done"):
        rush.tasks_with_state("done")


def test_large_object_goes_to_the_shared_folder(tmp_path: Path) -> None:
    with crew_rush.Rush(large_object_bytes=1000, large_objects_path=tmp_path) as manager:
        manager.push_tasks([{"x": bytes(5000)}, {"x": b"small"}])
        assert manager.fetch_queued_tasks()["x"].tolist() == [bytes(5000), b"small"]
        assert len(list(tmp_path.iterdir())) == 1


def test_large_object_without_a_folder_is_refused_before_anything_is_added() -> None:
    with crew_rush.Rush(large_object_bytes=1000) as manager:
        with pytest.raises(crew_rush.OversizedObjectError, match="large_objects_path"):
            manager.push_tasks([{"x": 1}, {"x": bytes(5000)}])
        assert manager.n_tasks == 0


def test_value_that_cannot_be_copied_is_named() -> None:
    with pytest.raises(crew.SerializationError, match="xs"):
        Values().encode_fields(xs={"x": (letter for letter in "abc")})


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "-a"])
def test_impossible_network_ids_are_refused(name: str) -> None:
    with pytest.raises(crew.ConfigError, match="network_id"):
        crew_rush.Rush(name)


def test_unknown_settings_of_workers_are_refused(rush: crew_rush.Rush) -> None:
    with pytest.raises(crew.ConfigError, match="no setting 'heartbeats'"):
        rush.start_local_workers(lambda worker: None, n_workers=1, heartbeats=1)


def test_expiry_shorter_than_a_beat_is_refused(rush: crew_rush.Rush) -> None:
    with pytest.raises(crew.ConfigError, match="heartbeat_expire"):
        rush.start_local_workers(
            lambda worker: None, n_workers=1, heartbeat_period=2, heartbeat_expire=1
        )


def test_plan_says_what_is_not_told() -> None:
    with crew_rush.EmbeddedStore() as store:
        crew_rush.plan(3, store=store)
        try:
            with crew_rush.Rush("planned") as rush:
                assert rush.store.url == store.url
                assert len(rush.start_workers(lambda worker: None)) == 3
                assert rush.wait_for_workers(n=3, timeout=60)
                rush.reset()
        finally:
            crew_rush.remove_plan()


def test_ids_of_workers_are_words() -> None:
    adjective, animal, digits = worker_name().split("_")
    assert adjective.isalpha()
    assert animal.isalpha()
    assert len(digits) == 8
    assert len({worker_name() for _ in range(1000)}) == 1000


def test_passwords_are_not_in_addresses_that_are_shown() -> None:
    assert _without_password("redis://me:hush@host:1/2") == "redis://me@host:1/2"
    assert _without_password("redis://:hush@host:1/2") == "redis://host:1/2"
