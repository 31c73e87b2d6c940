"""Fixtures that several test files share: distributions, processes, folders of one's own."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings

import crew_core as crew
from crew_core._controller.helpers import retry
from crew_core._model.names import random_name
from crew_core._plugins.presence import DISABLE_VARIABLE
from crew_core._plugins.registry import fresh

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[3]))

from testbeds.turns import cleaning_up, leaving_orphans

# Or workers could import test modules by this, which are to go by value as a user's tests do.
sys.path.remove(str(Path(__file__).parents[3]))

Spawn = Callable[..., "subprocess.Popen[bytes]"]
Survivors = Callable[[], "list[psutil.Process]"]
Install = Callable[..., Path]
OpenController = Callable[..., AbstractContextManager[crew.Controller]]
Make = Callable[..., crew.Controller]

SLEEPER = "print(flush=True); import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"

# How long an example takes tells of the machine alone. All else stays as it is, under CI too.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what has an &
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def absolute_python_path() -> Iterator[None]:
    """Lets processes that start elsewhere find what a relative $PYTHONPATH names."""
    given = os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch:
        if given:
            folders = map(os.path.abspath, given.split(os.pathsep))
            patch.setenv("PYTHONPATH", os.pathsep.join(folders))
        yield


@pytest.fixture
def leaves_orphans() -> Iterator[None]:
    """Nobody cleans up meanwhile, in any test run of this user."""
    with leaving_orphans():
        yield


@pytest.fixture
def cleans_up() -> Iterator[None]:
    """No other such test, and none that leaves orphans, in any test run of this user."""
    with cleaning_up():
        yield


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a Python that prints a line when it is ready; its end comes with the test's."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(
        *argv: str, stubborn: bool = False, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN if stubborn else SLEEPER, *argv],
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield spawn
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not psutil.pid_exists(process.pid)
    return process.pid


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private $XDG_RUNTIME_DIR with a short path."""
    base = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    return base


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that are installed for this test only."""
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    fresh()
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and name.startswith("plugin_"):
            del sys.modules[name]
    monkeypatch.undo()
    fresh()


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution: its entry points of group "crew" and its modules."""

    def install(
        package: str,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str],
        version: str = "1.0",
    ) -> Path:
        info = site / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        lines = [f"{name} = {target}" for name, target in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[crew]", *lines, ""]))
        for name, text in modules.items():
            (site / f"{name}.py").write_text(textwrap.dedent(text))
        fresh()
        return site

    return install


def launchers_hook(names: Mapping[str, str]) -> str:
    """A plugin's module that registers these launchers."""
    return (
        "from crew_core.plugins import hookimpl\n\n"
        f"@hookimpl\ndef crew_launchers():\n    return {dict(names)!r}\n"
    )


@pytest.fixture
def registering() -> Callable[[Mapping[str, str]], str]:
    """Writes a plugin's module that registers launchers."""
    return launchers_hook


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, two levels below a folder that tests may fill too."""
    folder = tmp_path / "work" / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CREW_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


# All that is imported is so before: Python may be where nobody else can enter.
NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.chdir("/")
"""


@pytest.fixture
def as_nobody() -> Callable[..., str]:
    """Runs Python code as another user, who owns nothing; what it prints."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        pytest.skip("to be another user one must be root")

    def run(code: str, *arguments: object) -> str:
        argv = [sys.executable, "-c", NOBODY + code, *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture(scope="module")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private $XDG_STATE_HOME, where logs go."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


def _end(controllers: list[crew.Controller]) -> None:
    """Terminate them and see that no process of theirs is left."""
    for controller in controllers:
        controller.terminate()
    assert [_command(p) for c in controllers for p in _wait_for_the_end(c.name)] == []


@pytest.fixture(scope="module")
def shared_controller(state_home: Path) -> Iterator[crew.Controller]:
    """A local controller with two workers for all tests of a module."""
    controller = crew.controller("local", workers=2)
    yield controller
    _end([controller])


@pytest.fixture
def controller(shared_controller: crew.Controller) -> Iterator[crew.Controller]:
    """The module's controller, empty. What a test leaves in it is dropped."""
    yield shared_controller
    shared_controller.cancel(all=True)
    assert shared_controller.wait(seconds_timeout=90)
    shared_controller.collect()
    shared_controller.error = None


@pytest.fixture
def make(state_home: Path) -> Iterator[Make]:
    """Makes local controllers that end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        made.append(crew.controller("local", **options))
        return made[-1]

    yield make
    _end(made)


@pytest.fixture
def make_certificate(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes a self-signed certificate and its key, as files of a user."""

    def make(name: str = "mine", password: str | None = None, days: int = 30) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password.encode())
        key_file, certificate_file = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
        certificate_file.write_bytes(
            b"words before\n" + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return key_file, certificate_file

    return make


class Gate:
    """Holds tasks: ``hold`` returns once the test has called ``open``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, value: object = None) -> object:
        """Run this as a task."""
        (self._folder / f"inside-{uuid.uuid4().hex}").touch()
        deadline = time.monotonic() + 110
        while not (self._folder / "open").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return value

    def wait_for(self, tasks: int) -> None:
        """Wait until so many tasks are inside, or have been."""
        crew.retry(lambda: len(list(self._folder.glob("inside-*"))) >= tasks, seconds_interval=0.01)

    def open(self) -> None:
        """Let all go, now and later."""
        (self._folder / "open").touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A closed gate."""
    folder = tmp_path / "gate"
    folder.mkdir()
    gate = Gate(folder)
    yield gate
    gate.open()


@pytest.fixture
def controller_name(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A name for a test's controller, or the beginning of several's: what they leave is a failure.

    Sockets and logs are kept below folders of the test.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    name = f"t-{random_name(6)}"
    yield name
    left = _wait_for_the_end(name)
    told = [f"{process.pid} {_command(process)}" for process in left]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    assert told == []


@pytest.fixture
def survivors(controller_name: str) -> Survivors:
    """Waits half a minute at most until none of the controllers' processes is left; those that are.

    That is dispatchers, workers, and whatever tasks started.
    """
    return lambda: _wait_for_the_end(controller_name)


def _wait_for_the_end(name: str) -> list[psutil.Process]:
    with contextlib.suppress(TimeoutError):
        retry(lambda: not _processes_of(name), seconds_interval=0.05, seconds_timeout=30)
    return _processes_of(name)


def _processes_of(name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            zombie = process.status() == psutil.STATUS_ZOMBIE
            if not zombie and _controller_of(process).startswith(name):
                found.append(process)
    return found


def _controller_of(process: psutil.Process) -> str:
    argv = process.cmdline()
    if "--controller" in argv[:-1]:
        return argv[argv.index("--controller") + 1]
    return process.environ().get("CREW_CONTROLLER", "")


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error as error:
        return str(error)


@pytest.fixture(scope="module")
def open_controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenController]:
    """Opens local controllers whose files are this module's, and that leave no process behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield _open_local


@contextmanager
def _open_local(**options: Any) -> Iterator[crew.Controller]:
    with crew.controller("local", **options) as controller:
        yield controller
    assert [_command(process) for process in _wait_for_the_end(controller.name)] == []
