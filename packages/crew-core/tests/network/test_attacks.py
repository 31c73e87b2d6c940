"""Attacks on the port of a controller at work are refused, told of in bounds, and stop nothing."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import crew_core as crew
from crew_core._wire import codec, messages
from crew_core._wire.link import Link, read_opening
from crew_core._wire.network import authority
from crew_core._wire.network.authority import Authority
from crew_core._wire.network.door import split_url
from crew_core._wire.network.settings import WorkerIdentity
from crew_core._wire.network.tls import client_context
from crew_core._wire.restraint import TOLD_ONE_BY_ONE
from crew_core._wire.stream import FrameBuffer, frame
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher

SECONDS = 60
MOST_GROWTH = 100_000_000
"""Bytes: all places taken by strangers that have begun a handshake."""

NO_DISPATCHER = 4
"""A worker's exit code."""


class Scene:
    """A controller with one worker at work and others that nobody has started yet.

    Attributes:
        controller: it listens on loopback, with TLS.
        launcher: remembers all that it was given.
        launches: what it was given at first; the first of them is at work.
    """

    def __init__(self, controller: crew.Controller, launcher: FakeLauncher, workers: int) -> None:
        self.controller = controller
        self.launcher = launcher
        self._started: list[subprocess.Popen[str]] = []
        controller.launch(workers)
        self.launches = [worker for r in launcher.requests for worker in r.workers]
        (self.address,) = split_url(controller.client.url)
        self.dispatcher = psutil.Process(controller.client.pid)
        self.start(self.launches[0])
        self.work_goes_on()

    def start(
        self, launch: WorkerLaunch, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a worker with what its launch says, but for these variables."""
        process = subprocess.Popen(
            [*launch.argv[: launch.argv.index("--log")], "--grace", "30"],
            env={**os.environ, **launch.env, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def work_goes_on(self, tasks: int = 20) -> None:
        """Tasks are done, and as they should be."""
        handles = [self.controller.submit(sum, [i, 1]) for i in range(tasks)]
        assert [handle.result(SECONDS) for handle in handles] == list(range(1, tasks + 1))

    def another_worker_gets_in(self) -> None:
        """One that was launched, and has not been started until now."""
        before = self.online()
        self.start(self.launches[-1])
        crew.retry(lambda: self.online() == before + 1, seconds_timeout=SECONDS)

    def online(self) -> int:
        """How many workers there are."""
        return int(self.controller.client.summary()["online"].sum())

    def log(self) -> str:
        """What the dispatcher has written."""
        folder = self.dispatcher.cmdline()[self.dispatcher.cmdline().index("--directory") + 1]
        return Path(folder, "dispatcher.log").read_text()

    def identity(self, number: int) -> WorkerIdentity:
        """The certificate of a launch."""
        return WorkerIdentity.from_text(self.launches[number].env["CREW_TLS"])

    def hello(self, number: int, secret: str | None = None) -> bytes:
        """The first words of this launch's worker, as an attacker could say them."""
        launch = self.launches[number]
        return greeting(launch.instance, secret or launch.env["CREW_SECRET"])

    def plain(self) -> socket.socket:
        """A TCP connection."""
        connection = socket.create_connection(self.address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def secured(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection with TLS, as far as the attacker's end can tell."""
        return context.wrap_socket(self.plain())

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def greeting(instance: str, secret: str, python: str = "") -> bytes:
    """A hello, framed."""
    python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    hello = messages.Hello(messages.PROTOCOL, instance, secret, "stolen", 1, "attacker", python)
    return frame(Link().opening(codec.encode(hello)))


def answer(connection: socket.socket) -> messages.ToWorker | None:
    """What the dispatcher says; None when it closes the connection instead."""
    buffer = FrameBuffer()
    try:
        while chunk := connection.recv(4096):
            for message in buffer.feed(chunk):
                return messages.decode_to_worker(read_opening(message)[1])
    except TimeoutError:
        raise
    except OSError:
        pass  # cut off
    return None


def anybody() -> ssl.SSLContext:
    """An attacker's side of TLS, that trusts all and shows nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait until the user was told of an attack."""
    crew.retry(lambda: words in caplog.text, seconds_interval=0.02, seconds_timeout=SECONDS)


@pytest.fixture
def scene(controller_name: str) -> Iterator[Scene]:
    launcher = FakeLauncher()
    with crew.controller(
        launcher, name=controller_name, host="127.0.0.1", workers=8, seconds_launch=600
    ) as controller:
        scene = Scene(controller, launcher, 3)
        yield scene
    scene.close()


# ── Without the right certificate ──────────────────────────────────────────────────────────────


def test_nobody_without_a_certificate_is_heard(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(anybody()) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(1))
        assert answer(connection) is None
    scene.work_goes_on()
    logged(caplog, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    scene.another_worker_gets_in()


def test_nobody_with_another_authoritys_certificate_is_heard(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even one of the same name, for the right instance, with the right secret."""
    certificate, key = Authority().issue_worker(scene.launches[1].instance)
    ours = scene.identity(1)
    forged = WorkerIdentity(certificate, key, ours.server_authorities, ours.server_digest)
    with scene.secured(client_context(forged)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(1))
        assert answer(connection) is None
    scene.work_goes_on()
    logged(caplog, "no TLS: ")
    assert scene.online() == 1


def test_nobody_can_make_itself_an_authority(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker's certificate signs no other."""
    stolen = scene.identity(1)
    issuer = x509.load_pem_x509_certificate(stolen.certificate)
    key = serialization.load_pem_private_key(stolen.key, None)
    mine = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, scene.launches[2].instance)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(mine.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]  # an elliptic curve's
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM) + stolen.certificate
    secret = mine.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    forged = WorkerIdentity(chain, secret, stolen.server_authorities, stolen.server_digest)
    with scene.secured(client_context(forged)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(2))
        assert answer(connection) is None
    logged(caplog, "no TLS: ")
    scene.work_goes_on()


def test_an_expired_certificate_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(authority, "_VALID", -datetime.timedelta(hours=1))
    before = len(scene.launcher.requests)
    scene.controller.launch(1)
    late = scene.launcher.requests[before].workers[0]
    process = scene.start(late)
    logged(caplog, "certificate has expired")
    assert scene.online() == 1
    scene.work_goes_on()
    process.kill()


# ── With a certificate, and not the right hello ────────────────────────────────────────────────


def test_a_wrong_secret_is_refused_and_does_not_spoil_the_launch(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for guess in ("guessed", "", scene.launches[2].env["CREW_SECRET"]):
        with scene.secured(client_context(scene.identity(1))) as connection:
            connection.sendall(greeting(scene.launches[1].instance, guess))
            refused = answer(connection)
        assert isinstance(refused, messages.Refused)
        assert "its secret is wrong" in refused.reason
    logged(caplog, "its secret is wrong")
    scene.work_goes_on()
    scene.start(scene.launches[1])
    crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)
    assert list(scene.controller.launcher.errors) == []


def test_a_used_secret_is_refused_and_its_worker_works_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """By one that has all that the worker was given."""
    with scene.secured(client_context(scene.identity(0))) as connection:
        connection.sendall(scene.hello(0))
        refused = answer(connection)
    assert isinstance(refused, messages.Refused)
    assert "already used" in refused.reason
    logged(caplog, "already used")
    assert scene.online() == 1
    scene.work_goes_on()


def test_who_was_turned_away_is_heard_no_more(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Lest one connection can guess and guess."""
    with scene.secured(client_context(scene.identity(1))) as connection:
        connection.sendall(greeting(scene.launches[1].instance, "guessed"))
        assert isinstance(answer(connection), messages.Refused)
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "it talks before it was let in")
    assert scene.online() == 1
    scene.work_goes_on()


def test_on_one_computer_too_who_was_turned_away_is_heard_no_more(controller_name: str) -> None:
    launcher = FakeLauncher()
    with crew.controller(launcher, name=controller_name, seconds_launch=600) as controller:
        controller.launch(1)
        (launch,) = launcher.requests[0].workers
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(controller.client.url.removeprefix("unix://"))
            connection.sendall(greeting(launch.instance, "guessed"))
            assert isinstance(answer(connection), messages.Refused)
            connection.sendall(greeting(launch.instance, launch.env["CREW_SECRET"]))
            assert answer(connection) is None
        assert not controller.client.summary()["online"].any()


def test_one_worker_cannot_say_the_hello_of_another(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(client_context(scene.identity(2))) as connection:
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "under another instance's hello")
    scene.work_goes_on()
    scene.start(scene.launches[1])
    crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)


def test_what_was_recorded_of_a_workers_connection_is_of_no_use(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Its bytes, said again to the same port."""
    recorded = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as tap:
        port = tap.getsockname()[1]
        launch = scene.launches[1]
        argv = tuple(a.replace(f":{scene.address[1]}", f":{port}") for a in launch.argv)
        scene.start(WorkerLaunch(**{**vars(launch), "argv": argv}))
        near, _ = tap.accept()
        with near, scene.plain() as far, passing(near, far, recorded):
            crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)
            assert len(recorded) > 500
            with scene.plain() as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(bytes(recorded))
                    connection.shutdown(socket.SHUT_WR)
                assert answer(connection) is None
            logged(caplog, "turned a stranger away")
            scene.work_goes_on()
            scene.controller.terminate()  # or nobody could tell its worker to leave


@contextlib.contextmanager
def passing(near: socket.socket, far: socket.socket, recorded: bytearray) -> Iterator[None]:
    """Pass bytes both ways, and keep those that come from near."""

    def pass_on(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                kept += chunk
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    threads = [
        threading.Thread(target=pass_on, args=(near, far, recorded)),
        threading.Thread(target=pass_on, args=(far, near, bytearray())),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def test_a_hello_without_tls_is_refused(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with scene.plain() as connection:
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "no TLS")
    scene.work_goes_on()
    scene.another_worker_gets_in()


# ── Many, and again and again ──────────────────────────────────────────────────────────────────


def bounded(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log grows with the number of strangers."""
    told = caplog.text.count("a worker was turned away")
    assert 0 < told <= 2 * TOLD_ONE_BY_ONE + 10
    assert len(scene.log()) < 20_000


def test_a_port_scanner_fills_no_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(2000):
        with contextlib.suppress(OSError):
            scene.plain().close()
        if i % 500 == 0:
            scene.work_goes_on()
    logged(caplog, "(20 so far)")
    scene.another_worker_gets_in()
    bounded(scene, caplog)


def test_a_worker_that_is_refused_for_ever_fills_no_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """As when its platform runs its job again and again, or somebody guesses."""
    context = client_context(scene.identity(1))
    for i in range(100):
        with scene.secured(context) as connection:
            connection.sendall(greeting(scene.launches[1].instance, f"guess {i}"))
            assert isinstance(answer(connection), messages.Refused)
    scene.work_goes_on()
    scene.another_worker_gets_in()
    bounded(scene, caplog)


def test_without_tls_a_stranger_writes_no_lines_of_its_own_into_a_log(
    controller_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    launcher = FakeLauncher()
    with pytest.warns(crew.InsecureWarning):
        controller = crew.controller(
            launcher, name=controller_name, host="127.0.0.1", tls="none", seconds_launch=600
        )
    evil = "\x1b[2J\ncrew: all is well\n" * 20
    kind = codec.encode({"type": evil})
    with controller:
        scene = Scene(controller, launcher, 3)
        for i in range(100):
            for words in (greeting(evil, f"guess {i}"), frame(Link().opening(kind))):
                with scene.plain() as connection:
                    connection.sendall(words)
                    answer(connection)
        scene.work_goes_on()
        with scene.plain() as connection:  # one who has overheard a secret
            stolen = scene.launches[1]
            connection.sendall(greeting(stolen.instance, stolen.env["CREW_SECRET"], evil))
            answer(connection)
        logged(caplog, "the worker runs Python")
        log = scene.log()
        bounded(scene, caplog)
    scene.close()
    for text in (log, *(record.getMessage() for record in caplog.records)):
        assert "\x1b" not in text
        assert "\ncrew: all is well" not in text


def test_handshakes_without_end_do_not_keep_tasks_from_being_done(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Each makes the dispatcher compute, and then shows no certificate."""
    over = threading.Event()
    attempts = [0]

    def attack() -> None:
        context = anybody()
        while not over.is_set():
            attempts[0] += 1
            with contextlib.suppress(OSError), scene.secured(context) as connection:
                connection.recv(1)

    threads = [threading.Thread(target=attack) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        crew.retry(lambda: attempts[0] > 300, seconds_timeout=SECONDS)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    bounded(scene, caplog)


def first_words() -> bytes:
    """What a client of TLS says first."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        anybody().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


_DRIBBLE_SECONDS = 0.5


class Crowd:
    """Connections that take their time, each replaced when it is closed.

    Args:
        address: where they go.
        most: how many at once.
        slowly: what each says: a byte at once, and others now and then.
    """

    def __init__(self, address: tuple[str, int], most: int, slowly: bytes = b"") -> None:
        self._address = address
        self._most = most
        self._slowly = slowly
        self._said: dict[socket.socket, int] = {}
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run)
        self._speak_at = 0.0
        self.came = 0

    def __enter__(self) -> Crowd:
        self._thread.start()
        crew.retry(lambda: self.came >= self._most, seconds_timeout=SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for connection in list(self._said):
            connection.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._over.is_set():
            for _ in range(min(200, self._most - len(self._said))):
                self._come()
            for key, _ in self._selector.select(0.01):
                assert isinstance(key.fileobj, socket.socket)
                self._drop(key.fileobj)
            if self._slowly:
                self._say_a_little(time.monotonic())

    def _say_a_little(self, now: float) -> None:
        all_speak = now >= self._speak_at
        if all_speak:
            self._speak_at = now + _DRIBBLE_SECONDS
        for connection, said in list(self._said.items()):
            if all_speak or not said:
                self._speak(connection)

    def _come(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        if connection.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        self.came += 1
        self._said[connection] = 0
        self._selector.register(connection, selectors.EVENT_READ)

    def _speak(self, connection: socket.socket) -> None:
        said = self._said[connection]
        if said < len(self._slowly):
            try:
                self._said[connection] += connection.send(self._slowly[said : said + 1])
            except BlockingIOError:
                pass
            except OSError:
                self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        """The dispatcher has closed it, or said something: that is enough."""
        self._said.pop(connection)
        self._selector.unregister(connection)
        connection.close()


def test_a_crowd_that_dribbles_keeps_nobody_out(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    before = scene.dispatcher.memory_info().rss
    with Crowd(scene.address, 600, first_words()):
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        scene.work_goes_on(200)
        assert scene.dispatcher.memory_info().rss - before < MOST_GROWTH
        assert scene.dispatcher.num_fds() < 400
    bounded(scene, caplog)


@pytest.mark.slow
def test_a_hello_that_dribbles_from_one_with_a_certificate_ends_in_time(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(client_context(scene.identity(1))) as connection:
        assert not dribble(connection, scene.hello(1))
    logged(caplog, "did not prove who it is within 15 s")
    scene.work_goes_on()
    scene.another_worker_gets_in()


def dribble(connection: socket.socket, words: bytes) -> bool:
    """Say little at a time, for long. False when the other end would not hear it all."""
    for i in range(len(words)):
        try:
            connection.sendall(words[i : i + 1])
        except OSError:
            return False
        time.sleep(_DRIBBLE_SECONDS)
    return True


@pytest.fixture
def many_files() -> Iterator[int]:
    """How many connections this process may have for the moment."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard - 500 if hard != resource.RLIM_INFINITY else 1_000_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_ten_thousand_connections_keep_nobody_out(
    scene: Scene, many_files: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = scene.dispatcher.memory_info().rss
    with Crowd(scene.address, min(10_000, many_files)):
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        scene.work_goes_on(200)
        assert scene.dispatcher.memory_info().rss - before < MOST_GROWTH
        assert scene.dispatcher.num_fds() < 400
    scene.work_goes_on()
    bounded(scene, caplog)


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of another process")
def test_when_file_descriptors_run_out_strangers_make_room(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    limit = scene.dispatcher.num_fds() + 30
    scene.dispatcher.rlimit(psutil.RLIMIT_NOFILE, (limit, limit))
    with Crowd(scene.address, 60):
        logged(caplog, "cannot let anybody in for a moment")
        scene.work_goes_on()
        scene.another_worker_gets_in()
    scene.work_goes_on()


def test_the_places_of_strangers_leave_most_file_descriptors_to_workers() -> None:
    from crew_core._wire.network.listener import STRANGERS_MAX, strangers_most

    assert strangers_most(float("inf")) == STRANGERS_MAX
    assert strangers_most(256) == 64
    assert strangers_most(1) == 1


def only_tls_1_2() -> ssl.SSLContext:
    context = anybody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_older_tls_is_refused(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ssl.SSLError):
        scene.secured(only_tls_1_2())
    logged(caplog, "UNSUPPORTED_PROTOCOL")
    scene.work_goes_on()


def test_a_connection_is_tls_1_3_without_compression_or_resumption(scene: Scene) -> None:
    """TLS 1.3 has no renegotiation."""
    with scene.secured(client_context(scene.identity(1))) as connection:
        connection.sendall(greeting(scene.launches[1].instance, "guessed"))
        assert isinstance(answer(connection), messages.Refused)
        assert connection.version() == "TLSv1.3"
        assert connection.compression() is None
        cipher = connection.cipher()
        assert cipher is not None
        assert cipher[0] in {
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
        }
        session = connection.session
        assert session is None or not session.has_ticket
