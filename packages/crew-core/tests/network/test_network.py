"""Workers that connect over the network: what they need, what others see, what a cut costs."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._wire.network.door import split_url

Make = Callable[..., crew.Controller]

SECONDS = 60


def listening_ports(pid: int) -> list[int]:
    """TCP ports that a process listens on."""
    connections = psutil.Process(pid).net_connections("tcp")
    return [c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN]


def square(x: int) -> int:
    return x * x


class Proxy:
    """Passes bytes between workers and their dispatcher, until it cuts the connections."""

    HOST = "127.0.0.2"  # on Linux another address of the same interface

    def __init__(self) -> None:
        self._target = ("", 0)
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._open = True
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._over = False
        self.connections = 0
        self._thread = threading.Thread(target=self._run)

    def serve(self, target: tuple[str, int]) -> None:
        """Listen on the same port as the target."""
        self._target = target
        self._door = socket.create_server((self.HOST, target[1]))
        self._selector.register(self._door, selectors.EVENT_READ)
        self._thread.start()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        with self._lock:
            self._open = False
            for end in list(self._pairs):
                self._drop(end)

    def heal(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._open = True

    def close(self) -> None:
        self.cut()
        self._over = True
        if self._thread.ident is not None:
            self._thread.join()
            self._door.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._door:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass_on(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._door.accept()
        if not self._open:
            near.close()
            return
        far = socket.create_connection(self._target)
        self.connections += 1
        for end, other in ((near, far), (far, near)):
            self._pairs[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        other = self._pairs.get(end)
        if other is None:
            return
        try:
            chunk = end.recv(65536)
            other.sendall(chunk)
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(end)

    def _drop(self, end: socket.socket) -> None:
        other = self._pairs.pop(end, None)
        if other is None:
            return
        self._pairs.pop(other, None)
        for side in (end, other):
            self._selector.unregister(side)
            side.close()


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def through(proxy: Proxy, make: Make) -> Make:
    """Makes controllers that tell their workers to dial the proxy."""

    def through(**options: Any) -> crew.Controller:
        controller = make(host="127.0.0.1", host_advertised=Proxy.HOST, **options)
        controller.start()
        ((_, port),) = split_url(controller_url(controller))
        proxy.serve(("127.0.0.1", port))
        return controller

    return through


def controller_url(controller: crew.Controller) -> str:
    url: str = controller.client.url
    return url


# ── Who listens ─────────────────────────────────────────────────────────────────────────────────


def test_local_workers_need_no_port_at_all(controller: crew.Controller) -> None:
    supervisor = controller.submit(os.getppid).result(SECONDS)
    assert controller_url(controller).startswith("unix://")
    for pid in (os.getpid(), controller.client.pid, supervisor):
        assert listening_ports(pid) == []


def test_with_a_host_workers_come_over_tls(make: Make) -> None:
    controller = make(host="127.0.0.1", workers=2)
    handles = [controller.submit(square, i) for i in range(100)]
    assert [handle.result(SECONDS) for handle in handles] == [i * i for i in range(100)]
    url = controller_url(controller)
    assert url.startswith("tls+tcp://127.0.0.1:")
    ((_, port),) = split_url(url)
    assert listening_ports(controller.client.pid) == [port]
    assert set(controller.client.summary()["socket"]) == {url}


@pytest.mark.parametrize("options", [{"tls": "automatic"}, {"port": 0}, {"host": "localhost"}])
def test_one_option_of_the_network_is_enough(make: Make, options: dict[str, Any]) -> None:
    controller = make(**options)
    assert controller.submit(square, 3).result(SECONDS) == 9
    assert controller_url(controller).startswith("tls+tcp://")


def test_large_values_travel_both_ways(make: Make) -> None:
    controller = make(host="127.0.0.1")
    big = os.urandom(30_000_000)
    assert controller.submit(bytes.swapcase, big).result(SECONDS) == big.swapcase()


def test_a_map_of_many_tasks_over_tls(make: Make) -> None:
    controller = make(host="127.0.0.1", workers=2)
    table = controller.map(square, {"x": list(range(5000))})
    assert list(table["result"]) == [i * i for i in range(5000)]


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────


def secrets_of(pid: int) -> list[str]:
    """The credentials in a worker's environment."""
    environment = psutil.Process(pid).environ()
    return [environment["CREW_SECRET"], environment["CREW_TLS"]]


def workers_of(controller: crew.Controller) -> list[int]:
    """The process ids of a controller's workers."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # one of another test's that has ended
            words = child.cmdline()
            if controller.name in words and "--url" in words:
                found.append(child.pid)
    return found


def test_secrets_show_in_no_command_line_no_file_and_no_task(make: Make, tmp_path: Path) -> None:
    controller = make(host="127.0.0.1", log_directory=tmp_path)
    supervisor = controller.submit(os.getppid).result(SECONDS)
    secrets = secrets_of(supervisor)
    assert all(len(secret) > 30 for secret in secrets)
    names = controller.submit(eval, "sorted(__import__('os').environ)").result(SECONDS)
    assert not {"CREW_SECRET", "CREW_TLS"} & set(names)
    told = [" ".join(psutil.Process(pid).cmdline()) for pid in (supervisor, controller.client.pid)]
    told += [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    told += [controller.launcher.call(), repr(controller)]
    for text in told:
        assert "PRIVATE KEY" not in text
        assert not any(secret in text for secret in secrets)


def test_each_worker_has_an_identity_of_its_own(make: Make) -> None:
    controller = make(host="127.0.0.1", workers=2)
    controller.launch(2)
    crew.retry(lambda: controller.client.summary()["online"].sum() == 2)
    first, second = map(secrets_of, workers_of(controller))
    assert not set(first) & set(second)


# ── Deaths and cuts ─────────────────────────────────────────────────────────────────────────────


def kill_worker_once(marker: str) -> str:
    """End this worker's supervisor the first time, return the second time."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait(SECONDS)
    return "done"


def test_the_task_of_a_killed_worker_is_done_by_another(make: Make, tmp_path: Path) -> None:
    controller = make(host="127.0.0.1")
    controller.push(kill_worker_once, (str(tmp_path / "killed"),), name="task")
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.result, record.status, record.attempts) == ("done", "success", 2)


@on_linux
def test_a_cut_costs_nothing_and_a_result_arrives_once(
    through: Make, proxy: Proxy, gate: Any
) -> None:
    controller = through(workers=1)
    controller.push(gate.hold, (1,), name="finishes while cut")
    gate.wait_for(1)
    supervisor = controller.client.inspect().workers[0].instance
    proxy.cut()
    gate.open()
    controller.push(gate.hold, (2,), name="comes after")
    proxy.heal()
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == [1, 2]
    assert set(table["attempts"]) == {1}
    assert set(table["instance"]) == {supervisor}
    assert proxy.connections == 2


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process takes no notice of anything meanwhile, nor of the time that goes by."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def tell_and_hold(told: str, hold: Callable[[object], object]) -> object:
    """Write down which worker runs this, and return 1 once the gate is open."""
    unfinished = Path(f"{told}.new")
    unfinished.write_text(str(os.getppid()))
    unfinished.replace(told)
    return hold(1)


@on_linux
@pytest.mark.parametrize(
    ("limit", "ends_while_cut"),
    [({"tasks_max": 1}, True), ({"seconds_wall": 4.0}, True), ({"seconds_wall": 4.0}, False)],
    ids=["enough tasks", "too old", "too old, and it still runs"],
)
def test_a_worker_that_must_leave_while_it_is_cut_off_delivers_first(
    through: Make,
    proxy: Proxy,
    gate: Any,
    tmp_path: Path,
    limit: dict[str, Any],
    ends_while_cut: bool,
) -> None:
    controller = through(workers=1, **limit)
    told = tmp_path / "worker"
    controller.push(tell_and_hold, (str(told), gate.hold), name="its last")
    gate.wait_for(1)
    worker = psutil.Process(int(told.read_text()))
    # The dispatcher is to give up nobody, however long this takes.
    with frozen(controller.client.pid):
        proxy.cut()
        if ends_while_cut:
            gate.open()
        with pytest.raises(psutil.TimeoutExpired):
            worker.wait(7)
        proxy.heal()
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.result, record.attempts) == (1, 1)
    worker.wait(SECONDS)  # its launcher may be first to see how it ended


@on_linux
def test_many_cuts_lose_and_double_nothing(through: Make, proxy: Proxy) -> None:
    controller = through(workers=2)
    handles = [controller.push(square, (i,), name=str(i)) for i in range(2000)]
    for i in range(8):
        handles[i * 250].result(SECONDS)
        proxy.cut()
        proxy.heal()
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == [i * i for i in range(2000)]
    assert set(table["attempts"]) == {1}


@on_linux
def test_a_worker_that_does_not_come_back_is_given_up(
    through: Make, proxy: Proxy, gate: Any
) -> None:
    controller = through(workers=1)
    controller.push(gate.hold, (1,), name="task")
    gate.wait_for(1)
    proxy.cut()
    crew.retry(lambda: not controller.client.summary()["online"].any(), seconds_timeout=SECONDS)
    gate.open()
    proxy.heal()
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.status, record.attempts) == ("success", 2)


# ── Strangers ───────────────────────────────────────────────────────────────────────────────────


def test_strangers_are_told_of_and_the_work_goes_on(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    controller = make(host="127.0.0.1")
    assert controller.submit(square, 3).result(SECONDS) == 9
    (address,) = split_url(controller_url(controller))
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", bytes(4096), b"\xff" * 4096):
        with socket.create_connection(address) as connection:
            connection.sendall(garbage)
            with contextlib.suppress(OSError):
                while connection.recv(4096):
                    pass
    with socket.create_connection(address):
        assert controller.submit(square, 4).result(SECONDS) == 16
    crew.retry(lambda: caplog.text.count("turned a stranger away") >= 3)
    assert "127.0.0.1: no TLS" in caplog.text


# ── When it cannot be ───────────────────────────────────────────────────────────────────────────


def test_a_port_that_is_taken_is_an_error_that_says_so(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        controller = make(host="127.0.0.1", port=port)
        with pytest.raises(crew.DispatcherError, match=rf"port {port} of 127\.0\.0\.1.*in use"):
            controller.start()
        assert not controller.started


def test_a_host_that_is_nowhere_is_an_error_that_lists_interfaces(make: Make) -> None:
    controller = make(host="no.such.host.invalid")
    with pytest.raises(crew.ConfigError, match=r"no\.such\.host\.invalid.*interfaces: .*lo"):
        controller.start()
