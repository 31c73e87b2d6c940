"""What a login node's agent does for launchers of other packages, on this computer."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from crew_ssh._remote import commands, processes, relays
from testbeds.waiting import until


def run(*argv: str, **more: object) -> dict[str, object]:
    """Run a command as the agent does."""
    given: dict[str, object] = {"stdin": "", "env": None, "more": {}, "seconds": 30.0, **more}
    return commands.run(argv, **given)  # type: ignore[arg-type]


def text(told: dict[str, object], name: str) -> bytes:
    """What a command printed."""
    return base64.b64decode(str(told[name]))


def test_bytes_go_in_and_out_as_they_are() -> None:
    told = run("cat", stdin=base64.b64encode(b"\0\xff\n").decode())
    assert (told["code"], text(told, "out"), text(told, "err")) == (0, b"\0\xff\n", b"")


def test_exit_codes_and_signals_are_told() -> None:
    assert run("sh", "-c", "exit 3")["code"] == 3
    assert run("sh", "-c", "kill -9 $$")["code"] == -9


def test_a_command_gets_these_variables_and_no_others() -> None:
    told = run("env", env={"A": "1", "PATH": os.environ["PATH"]})
    assert b"A=1\n" in text(told, "out")
    assert b"HOME=" not in text(told, "out")


def test_without_any_it_gets_the_hosts_own_and_more() -> None:
    told = run("env", more={"MORE": "1"})
    assert b"MORE=1\n" in text(told, "out")
    assert b"PATH=" in text(told, "out")


def test_programs_are_looked_for_on_the_commands_own_path(tmp_path: object) -> None:
    place = os.fspath(str(tmp_path))
    program = os.path.join(place, "crew-test-program")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho found\n")
    os.chmod(program, 0o700)
    assert text(run("crew-test-program", env={"PATH": place}), "out") == b"found\n"


def test_a_missing_program_is_told() -> None:
    assert run("no-such-program") == {"missing": "No such file or directory"}


def test_what_takes_too_long_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    wait = commands._wait

    def wait_from_then_on(child: subprocess.Popen[bytes], seconds: float) -> bool:
        until(started.exists)
        return wait(child, seconds)

    monkeypatch.setattr(commands, "_wait", wait_from_then_on)
    script = 'echo said; sleep 1000 & echo $! >"$1.new"; mv "$1.new" "$1"; wait'
    told = run("sh", "-c", script, "sh", str(started), seconds=0.1)
    assert told == {"late": "said"}
    until(lambda: processes.birth_of(int(started.read_text())) is None)


@pytest.fixture
def echo() -> Iterator[int]:
    """A port of the loopback whose server gives back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


def test_a_relay_passes_on_what_comes_and_goes(echo: int) -> None:
    told = relays.relay(echo, 0, "127.0.0.1")
    assert told["addresses"] == ["127.0.0.1"]
    with socket.create_connection(("127.0.0.1", told["port"]), 60) as worker:
        load = bytes(range(256)) * 4096
        sender = threading.Thread(target=worker.sendall, args=(load,))
        sender.start()
        back = b""
        while len(back) < len(load):
            back += worker.recv(1 << 16)
        sender.join()
    assert back == load


def test_a_relay_is_made_once_for_each_port(echo: int) -> None:
    assert relays.relay(echo, 0, "127.0.0.1") == relays.relay(echo, 0, "127.0.0.1")


def test_a_relay_waits_for_who_had_its_port_before(
    echo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        port = int(former.getsockname()[1])
        clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: former.close())
        monkeypatch.setattr(relays, "time", clock)
        monkeypatch.setattr(relays, "_relays", {})
        assert relays.relay(echo, port, "127.0.0.1")["port"] == port


def test_a_worker_that_nobody_takes_in_is_let_go_at_once() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # ours, so that nobody else comes to listen there
        told = relays.relay(int(silent.getsockname()[1]), 0, "127.0.0.1")
        with socket.create_connection(("127.0.0.1", told["port"]), 60) as worker:
            assert worker.recv(1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_nodes_are_told_no_loopback_where_there_is_another_address() -> None:
    told = relays.own_addresses()
    assert told
    assert told == ["127.0.0.1"] or not any(each.startswith("127.") for each in told)
