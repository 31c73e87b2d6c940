"""Secrets are where they must be, and nowhere else that anybody or any tool looks."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import pickle
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import crew_core as crew
from crew_core._cli.app import app
from crew_core._launcher.local import LocalLauncher
from crew_core._model.names import random_name
from crew_core._wire import places
from crew_core._wire.segments import directory as segments
from crew_core.plugins import LaunchError, LaunchRequest
from crew_core.testing import FakeLauncher

SECONDS = 60
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Watched(LocalLauncher):
    """Starts workers on this computer and remembers what it was given for them."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[LaunchRequest] = []

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.requests.append(request)
        return super().launch(request)


class Secrets:
    """All secrets of a run, each in every form in which it could show."""

    def __init__(self) -> None:
        self.keys: list[ec.EllipticCurvePrivateKey] = []
        self.requests: list[LaunchRequest] = []
        self.words: list[str] = []

    def forms(self) -> list[bytes]:
        """What to look for."""
        found = [word.encode() for word in self.words]
        for request in self.requests:
            for worker in request.workers:
                found += [worker.env[name].encode() for name in ("CREW_SECRET", "CREW_TLS")]
        for key in self.keys:
            der = key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            value = key.private_numbers().private_value
            number = value.to_bytes(32, "big")
            assert number in der
            # Of PEM what is on its second line: the second half of the number.
            found += [number, number.hex().encode(), str(value).encode()]
            found.append(base64.b64encode(der)[64:88])
        assert found, "there are secrets to look for"
        assert all(len(form) >= 16 for form in found)
        return found

    def are_in(self, content: bytes | str) -> bool:
        """True when any of them shows."""
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        return any(form in data for form in self.forms())


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Notes each private key that is made from now on."""
    secrets = Secrets()
    make_key = ec.generate_private_key

    def make(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        secrets.keys.append(make_key(curve))
        return secrets.keys[-1]

    monkeypatch.setattr(ec, "generate_private_key", make)
    return secrets


@pytest.fixture
def run(
    controller_name: str, secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[crew.Controller]:
    """A controller at work over TLS, after all kinds of tasks."""
    (tmp_path / "temporary").mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    launcher = Watched()
    secrets.requests = launcher.requests
    with crew.controller(
        launcher,
        name=controller_name,
        host="127.0.0.1",
        workers=2,
        log_directory=tmp_path / "logs" / "deep",
        put_memory_gigabytes=0.0001,
    ) as controller:
        kept = controller.put(np.zeros(1 << 18))
        controller.push(print, ("hello",), name="prints")
        controller.push(np.sum, (kept,), name="large")
        controller.push("1 / 0", name="fails")
        assert controller.wait(seconds_timeout=SECONDS)
        yield controller


def readable(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a directory, with its content; but what goes away meanwhile."""
    for path in root.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def places_of(controller: crew.Controller, runtime: Path, tmp_path: Path) -> list[Path]:
    """Where this test's controller keeps files."""
    shared = (places._objects_base(), segments._base())
    mine = [path for base in shared for path in base.glob(f"{os.getpid()}-*")]
    found = [runtime / "crew", *(tmp_path / name for name in ("logs", "state", "temporary"))]
    found += mine
    return [path for path in found if path.exists()]


# ── Processes ──────────────────────────────────────────────────────────────────────────────────


def test_no_command_line_on_this_computer_holds_a_secret(
    run: crew.Controller, secrets: Secrets
) -> None:
    looked = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            assert not secrets.are_in("\0".join(process.cmdline())), process
            looked += 1
    assert looked >= 3


@on_linux
def test_only_the_supervisors_environment_holds_its_secrets(
    run: crew.Controller, secrets: Secrets
) -> None:
    run.launch(2)
    crew.retry(lambda: run.client.summary()["online"].sum() >= 2, seconds_timeout=SECONDS)
    holders = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if secrets.are_in(path.read_bytes()):
                holders.append(path.with_name("cmdline").read_bytes().split(b"\0"))
    holders = [command for command in holders if command != [b""]]  # it has just ended
    assert len(holders) >= 2
    for command in holders:
        assert b"crew_core._worker" in command


@on_linux
def test_a_supervisors_children_inherit_no_secret(run: crew.Controller, secrets: Secrets) -> None:
    """Nor do commands that a task starts."""
    told = run.submit(subprocess.check_output, ["env"]).result(SECONDS)
    seen = run.submit(eval, "dict(__import__('os').environ)").result(SECONDS)
    assert not secrets.are_in(told)
    assert not secrets.are_in(repr(seen))
    assert not {"CREW_SECRET", "CREW_TLS"} & set(seen)


def descriptors(pid: int) -> Iterator[str]:
    """What a process has open."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(entry)


@on_linux
def test_no_process_keeps_open_what_its_keys_were_read_from(run: crew.Controller) -> None:
    supervisor = run.submit(os.getppid).result(SECONDS)
    for pid in (os.getpid(), run.client.pid, supervisor):
        opened = list(descriptors(pid))
        assert opened
        assert not [path for path in opened if "memfd" in path]


# ── Files ──────────────────────────────────────────────────────────────────────────────────────


def test_no_file_of_a_run_holds_a_secret(
    run: crew.Controller, secrets: Secrets, runtime: Path, tmp_path: Path
) -> None:
    files = [file for root in places_of(run, runtime, tmp_path) for file in readable(root)]
    names = {path.name for path, _ in files}
    assert "dispatcher.log" in names
    assert any(name.endswith(".log") and name != "dispatcher.log" for name in names)
    for path, content in files:
        assert not secrets.are_in(content), path


def test_all_that_is_made_is_the_users_alone(
    run: crew.Controller, runtime: Path, tmp_path: Path
) -> None:
    """Whatever the umask."""
    seen = 0
    for root in places_of(run, runtime, tmp_path):
        for path in (root, *root.rglob("*")):
            found = path.lstat()
            assert found.st_uid == os.getuid()
            assert stat.S_IMODE(found.st_mode) & 0o077 == 0, path
            seen += 1
    assert seen > 5


@on_linux
def test_another_user_sees_no_more_than_command_lines(
    run: crew.Controller,
    secrets: Secrets,
    runtime: Path,
    tmp_path: Path,
    as_nobody: Callable[..., str],
) -> None:
    supervisor = run.submit(os.getppid).result(SECONDS)
    pids = (supervisor, run.client.pid, os.getpid())
    with opened({runtime, *runtime.parents, tmp_path, *tmp_path.parents}):
        told = as_nobody(LOOK, *pids, "--", *places_of(run, runtime, tmp_path))
    assert told.split("\n")[0] == "closed"
    assert not secrets.are_in(told)


@contextlib.contextmanager
def opened(folders: set[Path]) -> Iterator[None]:
    """Pytest's own folders are closed to others; here only crew's are to be."""
    before = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    for folder, mode in before.items():
        if mode & 0o005 != 0o005:
            folder.chmod(mode | 0o005)
    try:
        yield
    finally:
        for folder, mode in before.items():
            if mode & 0o005 != 0o005:
                folder.chmod(mode)


LOOK = """
import os, sys

pids, places = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
paths = [f"/proc/{pid}/{what}" for pid in pids for what in ("environ", "mem", "maps", "fd")]
opened = []
for path in [*paths, *places]:
    try:
        opened.append((path, os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)))
    except OSError:
        pass
print(opened or "closed")
for pid in pids:
    print(open(f"/proc/{pid}/cmdline").read())
"""


# ── What is shown, logged, and stored ──────────────────────────────────────────────────────────


def test_nothing_that_is_printed_shows_a_secret(run: crew.Controller, secrets: Secrets) -> None:
    launches = [worker for request in secrets.requests for worker in request.workers]
    records = run.collect()
    assert records is not None
    shown: list[object] = [
        run,
        vars(run),
        run.launcher,
        run.launcher.call(),
        run.launcher.errors,
        run.client,
        vars(run.client),
        run.client.inspect(),
        secrets.requests,
        *launches,
        *(worker.argv for worker in launches),
        *(worker.name for worker in launches),
    ]
    tables = [run.summary(), run.launcher.summary(), run.client.summary(), records]
    for what in [*shown, *(table.to_string() for table in tables)]:
        assert not secrets.are_in(f"{what!r} {what!s}")


def test_no_command_of_ours_prints_a_secret(run: crew.Controller, secrets: Secrets) -> None:
    for what in ([], ["dispatchers"]):
        for how in ([], ["--json"]):
            told = CliRunner().invoke(app, ["monitor", "local", *what, *how])
            assert run.name in told.output
            assert not secrets.are_in(told.output)


def test_no_log_record_holds_a_secret(
    controller_name: str, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    launcher = Watched()
    secrets.requests = launcher.requests
    with caplog.at_level(logging.DEBUG):
        with crew.controller(launcher, name=controller_name, host="127.0.0.1") as controller:
            assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        for record in caplog.records:
            assert not secrets.are_in(f"{record.getMessage()} {vars(record)}")
    assert caplog.records


def test_what_can_be_pickled_holds_no_secret(run: crew.Controller, secrets: Secrets) -> None:
    records = run.collect()
    for what in (run, run.launcher, run.client, records, run.client.inspect()):
        for dump in (pickle.dumps, cloudpickle.dumps):
            assert not secrets.are_in(pickled(dump, what))
    assert pickled(pickle.dumps, records) != b""


def pickled(dump: Callable[[Any], bytes], what: object) -> bytes:
    """Nothing, of what cannot be pickled."""
    try:
        return dump(what)
    except Exception:  # noqa: BLE001 - it says no in its own way
        return b""


# ── Errors ─────────────────────────────────────────────────────────────────────────────────────


def with_variables(error: BaseException) -> str:
    """A traceback as tools show it that report errors: with the variables of each frame.

    But for the test's own, which comes first.
    """
    assert error.__traceback__ is not None
    error = error.with_traceback(error.__traceback__.tb_next)
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "self = " in text, "variables are shown"
    return text


class Misled(Watched):
    """Starts what is not there."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.requests.append(request)
        worker = request.workers[0]
        argv = ("/no/such/program",)
        return [self._start(type(worker)(**{**vars(worker), "argv": argv}))]


class Defective(Watched):
    """Has variables of its own when it fails."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.requests.append(request)
        variables = dict(request.workers[0].env)
        raise ValueError(f"a defect with {len(variables)} variables")


class Complaining(Watched):
    """Fails as it should, with variables of its own, for a reason."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.requests.append(request)
        variables = dict(request.workers[0].env)
        try:
            int(str(len(variables)) + "x")
        except ValueError as error:
            raise LaunchError("the platform said no") from error
        raise AssertionError


@pytest.mark.parametrize("kind", [Misled, Defective, Complaining])
def test_no_variable_in_the_traceback_of_a_failed_launch_is_a_secret(
    controller_name: str, secrets: Secrets, kind: type[Watched]
) -> None:
    launcher = kind()
    secrets.requests = launcher.requests
    with (
        crew.controller(launcher, name=controller_name, host="127.0.0.1") as controller,
        pytest.raises(crew.LaunchError) as caught,
    ):
        controller.launch(1)
    assert not secrets.are_in(with_variables(caught.value))


def test_no_variable_in_the_traceback_of_a_failed_start_is_a_secret(
    controller_name: str, secrets: Secrets, make_certificate: Callable[..., tuple[Path, Path]]
) -> None:
    word = f"password-{random_name(20)}"
    key, certificate = make_certificate(password=word)
    secrets.words = [word]
    tls = crew.TlsOptions(mode="custom", key=key, certificates=certificate, password=word)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        controller = crew.controller(
            "local", name=controller_name, host="127.0.0.1", port=port, tls=tls
        )
        with pytest.raises(crew.DispatcherError) as caught:
            controller.start()
        controller.terminate()
    assert not secrets.are_in(with_variables(caught.value))


def launch_until_that_fails(controller: crew.Controller) -> None:
    # Each is a process while the death is no news yet: not too many of them.
    for _ in range(240):
        controller.launch(1)
        threading.Event().wait(0.25)


def test_no_variable_in_the_traceback_of_a_lost_dispatcher_is_a_secret(
    run: crew.Controller, secrets: Secrets
) -> None:
    psutil.Process(run.client.pid).kill()
    with pytest.raises(crew.CrewError) as caught:
        launch_until_that_fails(run)
    assert not secrets.are_in(with_variables(caught.value))


def test_a_password_shows_nowhere(make_certificate: Callable[..., tuple[Path, Path]]) -> None:
    word = f"password-{random_name(20)}"
    key, certificate = make_certificate(password=word)
    table = {"key": str(key), "certificates": str(certificate), "password": word}
    for tls in (crew.TlsOptions(mode="custom", **table), table):
        options = crew.NetworkOptions(tls=tls)
        assert word not in repr(options)
        assert word not in str(options.tls)
    wrong = {**table, "password": f"{word} with a typing error"}
    with pytest.raises(crew.ConfigError) as caught:
        crew.controller("local", host="127.0.0.1", tls=wrong)
    plain = "".join(traceback.format_exception(caught.value))
    assert word not in plain
    assert re.search("is the password right", plain)


@pytest.mark.parametrize("password", [b"bytes", 5, ["x"]])
def test_a_password_of_another_kind_is_refused_without_showing_it(
    make_certificate: Callable[..., tuple[Path, Path]], password: Any
) -> None:
    key, certificate = make_certificate()
    with pytest.raises(TypeError, match=r"^password: must be text"):
        crew.TlsOptions(mode="custom", key=key, certificates=certificate, password=password)


# ── Elsewhere ──────────────────────────────────────────────────────────────────────────────────


def test_the_keys_of_a_connection_are_not_logged_for_eavesdroppers(
    controller_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable for debuggers makes other programs write down the keys of their connections."""
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with crew.controller("local", name=controller_name, host="127.0.0.1") as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
    assert not log.exists()


def test_a_dispatcher_is_told_digests_and_never_the_secrets_of_launches(
    controller_name: str, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crew_core._client.client import Client

    told: list[bytes] = []
    expect = Client.expect

    def listening(self: Client, workers: list[Any]) -> None:
        told.append(repr(workers).encode() + b"".join(w.secret_digest for w in workers))
        expect(self, workers)

    monkeypatch.setattr(Client, "expect", listening)
    launcher = FakeLauncher()
    with crew.controller(launcher, name=controller_name, host="127.0.0.1") as controller:
        controller.launch(1)
    secrets.requests = launcher.requests
    assert told
    assert not secrets.are_in(b"".join(told))
