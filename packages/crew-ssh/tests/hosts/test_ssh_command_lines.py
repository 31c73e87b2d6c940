"""A worker's command line as it is to run on a host; whatever else is started stays as it is."""

from __future__ import annotations

from crew_ssh._hosts.command_lines import (
    addresses_of,
    for_host,
    is_worker,
    url_of,
    variables_for_host,
    with_addresses,
)

URL = "tls+tcp://10.0.0.1:5000,[fe80::1]:5000"
ARGV = ["/here/python", "-m", "crew_core._worker", "--controller", "c", "--instance", "i"]
WORKER = [*ARGV, "--url", URL, "--log", "/here/i.log", "--life", "60"]


def test_a_worker_gets_the_hosts_python_way_and_log() -> None:
    given = for_host(WORKER, python="/there/python", url="tls+tcp://127.0.0.1:7", log="/run/log")
    assert given[0] == "/there/python"
    assert given[1:7] == WORKER[1:7]
    assert given[7:] == ["--url", "tls+tcp://127.0.0.1:7", "--log", "/run/log", "--life", "60"]


def test_workers_of_other_packages_are_workers() -> None:
    argv = [
        "/here/python",
        "-m",
        "crew_rush._worker",
        "--url",
        URL,
        "--launcher",
        "ssh",
        "--remote",
    ]
    given = for_host(argv, python="/there/python", url="tls+tcp://127.0.0.1:7", log="/run/log")
    assert given[:5] == ["/there/python", *argv[1:4], "tls+tcp://127.0.0.1:7"]
    assert given[5:] == argv[5:]


def test_a_database_is_dialled_where_it_is() -> None:
    argv = ["/here/python", "-m", "crew_rush._worker", "--url", "redis://db:6379/0", "--remote"]
    assert is_worker(argv)
    assert url_of(argv) is None
    assert for_host(argv, python="/there", url=None, log="/run/log") == ["/there", *argv[1:]]


def test_other_programs_stay_as_they_are() -> None:
    argv = ["/here/python", "probe.py", "--url", URL]
    assert for_host(argv, python="/there", url="tls+tcp://x:1", log="/run/log") == argv


def test_addresses_are_read_and_written() -> None:
    assert url_of(WORKER) == URL
    assert addresses_of(URL) == [("10.0.0.1", 5000), ("fe80::1", 5000)]
    assert with_addresses(URL, addresses_of(URL)) == URL


def test_paths_of_this_disk_do_not_travel() -> None:
    own = {"PYTHONPATH": "/there", "A": "1"}
    given = variables_for_host(own, {"CREW_SECRET": "s", "CREW_SYS_PATH": "/here\n", "A": "2"})
    assert given == {"PYTHONPATH": "/there", "A": "2", "CREW_SECRET": "s"}
