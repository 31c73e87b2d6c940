"""Wrong passwords, stores that are closed or away, and values that are too large."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

import crew_rush
from crew_rush._store.embedded.home import SCHEME, Home
from rush_loops import Loop, until
from rush_servers import RedisServer, find_server


def test_wrong_password_is_refused_at_once_and_not_repeated(redis_url: str) -> None:
    with pytest.raises(crew_rush.StoreError, match="does not let us in") as caught:
        crew_rush.Rush("n", store=redis_url.replace("hush", "guess"), seconds_store=60)
    assert "guess" not in str(caught.value)


def test_no_password_is_refused_at_once(redis_url: str) -> None:
    with pytest.raises(crew_rush.StoreError, match="does not let us in"):
        crew_rush.Rush("n", store=redis_url.replace(":hush@", ""), seconds_store=60)


def test_address_of_another_store_is_refused_at_once(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        home = Home(Path(store.url.removeprefix(SCHEME)))
        home.write_address(msgspec.structs.replace(home.read_address(), secret="guess"))
        with pytest.raises(crew_rush.StoreError, match="secret is not the one"):
            crew_rush.Rush("n", store=store.url, seconds_store=60)


def test_password_in_the_query_of_an_address_is_refused(redis_url: str) -> None:
    url = f"{redis_url.replace(':hush@', '')}?password=hush"
    with pytest.raises(ValueError, match="redis://:PASSWORD@HOST") as caught:
        crew_rush.Rush("n", store=url)
    assert "hush" not in str(caught.value)


def test_network_that_nobody_made_is_named(place: crew_rush.EmbeddedStore | str) -> None:
    with pytest.raises(crew_rush.NetworkNotFoundError, match="nobody-made-it"):
        crew_rush.Rush("nobody-made-it", store=place, create=False)


def test_calls_after_the_connection_was_closed_say_so(
    place: crew_rush.EmbeddedStore | str, network: str
) -> None:
    rush = crew_rush.Rush(network, store=place)
    rush.push_tasks([{"x": 1}])
    rush.close()
    with pytest.raises(crew_rush.StoreError, match="closed"):
        rush.push_tasks([{"x": 2}])
    with crew_rush.Rush(network, store=place, create=False) as again:
        assert again.fetch_queued_tasks()["x"].tolist() == [1]
        again.reset()


def test_store_that_was_closed_is_not_waited_for(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        rush = crew_rush.Rush("n", store=store, seconds_store=60)
        rush.push_tasks([{"x": 1}])
    with pytest.raises(crew_rush.StoreError, match="has been closed here"):
        rush.push_tasks([{"x": 2}])
    with crew_rush.EmbeddedStore(tmp_path), crew_rush.Rush("n", store=rush.store.url) as again:
        assert again.fetch_queued_tasks()["x"].tolist() == [1]


def test_manager_connects_anew_to_a_store_that_was_begun_anew(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        rush = crew_rush.Rush("n", store=store.url)
        rush.push_finished_tasks([{"x": 1}], [{"y": 1}])
    with crew_rush.EmbeddedStore(tmp_path):
        rush.reconnect()
        assert rush.fetch_finished_tasks()["x"].tolist() == [1]
        rush.close()


def test_server_that_is_away_is_an_error_after_the_time_that_was_given() -> None:
    with pytest.raises(crew_rush.StoreError, match=r"away for 0\.2 s"):
        crew_rush.Rush("n", store="redis://127.0.0.1:1/0", seconds_store=0.2)


# ── Values that are too large ──────────────────────────────────────────────────────────────────


def large_results_loop() -> Loop:
    def loop(worker: crew_rush.RushWorker) -> None:
        keys = worker.push_running_tasks([{"x": 1}, {"x": 2}])
        try:
            worker.finish_tasks(keys, [{"y": b"small"}, {"y": bytes(5000)}])
        except crew_rush.OversizedObjectError as error:
            worker.fail_tasks(keys, str(error))

    return loop


def test_oversized_result_is_an_error_in_its_loop_and_changes_no_task(
    place: crew_rush.EmbeddedStore | str,
) -> None:
    with crew_rush.Rush(store=place, large_object_bytes=3000) as rush:
        rush.start_local_workers(large_results_loop(), n_workers=1)
        until(lambda: rush.n_failed_tasks == 2)
        assert rush.n_finished_tasks == 0
        assert "large_objects_path" in rush.fetch_failed_tasks()["condition"].iloc[0]
        rush.reset()


def test_large_results_of_a_worker_come_by_the_shared_folder(
    place: crew_rush.EmbeddedStore | str, tmp_path: Path
) -> None:
    with crew_rush.Rush(store=place, large_object_bytes=3000, large_objects_path=tmp_path) as rush:
        rush.start_local_workers(large_results_loop(), n_workers=1)
        until(lambda: rush.n_finished_tasks == 2)
        assert rush.fetch_finished_tasks()["y"].tolist() == [b"small", bytes(5000)]
        assert rush.n_failed_tasks == 0
        rush.reset()


def with_data_loop() -> Loop:
    def loop(worker: crew_rush.RushWorker, data: bytes) -> None:
        worker.push_finished_tasks([{"x": len(data)}], [{}])

    return loop


def test_large_arguments_of_a_loop_come_by_the_shared_folder(tmp_path: Path) -> None:
    with crew_rush.Rush(large_object_bytes=10_000, large_objects_path=tmp_path) as rush:
        rush.start_local_workers(with_data_loop(), {"data": bytes(50_000)}, n_workers=1)
        until(lambda: rush.n_finished_tasks == 1)
        assert rush.fetch_finished_tasks()["x"].tolist() == [50_000]


def test_oversized_arguments_of_a_loop_are_refused_before_anything_starts() -> None:
    with crew_rush.Rush(large_object_bytes=10_000) as rush:
        with pytest.raises(crew_rush.OversizedObjectError, match="worker_loop"):
            rush.start_local_workers(with_data_loop(), {"data": bytes(50_000)}, n_workers=1)
        assert not rush.wait_for_workers(n=1, timeout=0)


# ── rediss:// ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that takes TLS alone, with a certificate of its own making."""
    program, folder = find_server(), tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout key -out cert"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    server = RedisServer(program, folder, certificate=folder / "cert", key=folder / "key")
    server.start()
    yield server
    server.stop()


def test_workers_reach_a_server_with_tls(tls_server: RedisServer) -> None:
    url = f"{tls_server.url}?ssl_ca_certs={tls_server.certificate}"
    assert urlsplit(url).scheme == "rediss"
    with crew_rush.Rush(store=url) as rush:
        rush.start_local_workers(large_results_loop(), n_workers=1)
        until(lambda: rush.n_finished_tasks == 2)
        rush.reset()


def test_server_whose_certificate_is_a_strangers_is_not_talked_to(
    tls_server: RedisServer,
) -> None:
    with pytest.raises(crew_rush.StoreError, match="certificate"):
        crew_rush.Rush("n", store=tls_server.url, seconds_store=0.2)
