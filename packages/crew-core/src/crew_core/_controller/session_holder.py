"""A controller's life: its options, its session, when that starts and when it ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crew_core._controller import lifetime, logs
from crew_core._controller.backlog import Backlog
from crew_core._controller.head_start import HeadStart
from crew_core._controller.lives import lives_of
from crew_core._controller.references import Reference, check_home
from crew_core._controller.session_options import SessionOptions
from crew_core._launcher.base import Launcher
from crew_core._launcher.sequential import SequentialLauncher
from crew_core._model.errors import ConfigError, LaunchError
from crew_core._model.names import random_name
from crew_core._model.network import NetworkOptions, is_wanted
from crew_core._model.options import (
    ClientOptions,
    LogOptions,
    RetryOptions,
    ScalingOptions,
    WorkerOptions,
)
from crew_core._model.quick_imports import without_collections

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from crew_core._controller.session import Session


class SessionHolder:
    """What the parts of ``Controller`` have in common: they all work on its session."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        client: ClientOptions | None = None,
        worker: WorkerOptions | None = None,
        scaling: ScalingOptions | None = None,
        retry: RetryOptions | None = None,
        log: LogOptions | None = None,
        network: NetworkOptions | None = None,
    ) -> None:
        client = client or ClientOptions()
        self._launcher = launcher
        if client.name is not None:
            launcher._belong_to(client.name)
        self._options = SessionOptions(
            name=client.name or random_name(),
            worker=worker or WorkerOptions(),
            scaling=scaling or ScalingOptions(),
            retry=retry or RetryOptions(),
            client=client,
            log=log or LogOptions(),
            network=network or NetworkOptions(),
            backup=_check_backup(retry),
            lives=lives_of(launcher),
        )
        self._owner = lifetime.Owner(f"controller {self._options.name!r}")
        self._starting = threading.RLock()  # a callback that terminate runs may terminate, too
        self._stopping = False
        self._session: Session | None = None
        self._backlog = Backlog()
        self._log_of = logs.LogIndex()
        self._error: pd.DataFrame | None = None

    def __repr__(self) -> str:
        state = f"{self.size} tasks" if self.started else "not started"
        return f"<crew controller {self.name!r} on {self._launcher.name!r}: {state}>"

    def _repr_html_(self) -> str:
        """What a notebook shows. Starts nothing."""
        from crew_core._model import html

        return html.facts(f"crew controller {self.name!r}", self._facts().items())

    def _facts(self) -> dict[str, object]:
        """What there is to know at a glance."""
        most = self._options.scaling.workers
        session = self._session
        if session is None:
            return {
                "launcher": self._launcher.name,
                "state": "not started",
                "workers": f"up to {most}",
            }
        online, coming = session.roster.numbers()
        stopped = session.failures.error
        return {
            "launcher": self._launcher.name,
            "state": "started" if stopped is None else f"started; launching has stopped: {stopped}",
            "workers": f"{online} online, {coming} on their way, up to {most}",
            "tasks": f"{session.book.unfinished} unfinished, {self.size} not popped",
        }

    @property
    def name(self) -> str:
        """The controller's name.

        Example::

            >>> crew.controller("local", name="night-run").name
            'night-run'
        """
        return self._options.name

    @property
    def size(self) -> int:
        """Pushed tasks that are not popped, running or done.

        Example::

            >>> handles = controller.walk("x + 1", {"x": [1, 2]})
            >>> controller.size
            2
            >>> table = controller.wait() and controller.collect()
            >>> controller.size
            0
        """
        session = self._present()
        return 0 if session is None else session.book.size

    # ── Life ───────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the dispatcher, if it is not running. Blocks until it is up.

        Raises:
            DispatcherError: it did not start within ``seconds_timeout``.

        Example::

            >>> controller = crew.controller("local")
            >>> controller.start()
            >>> controller.started
            True
            >>> controller.terminate()
            >>> controller.started
            False
        """
        self._running()

    def terminate(self) -> None:
        """End all workers, pending launches and the dispatcher, and drop unpopped tasks.

        Blocks for a few seconds at most. Nothing of ours is left afterwards. Does nothing when the
        controller is not started, or in a forked child of the process that started it.

        Example::

            >>> controller = crew.controller("local")
            >>> controller.push("1 + 1").result()
            2
            >>> controller.terminate()
        """
        if self._owner.is_elsewhere():
            return
        with self._starting:
            if self._session is not None and not self._stopping:
                self._stopping = True
                try:
                    self._session.stop()
                finally:  # interrupted, it is finished by the next call or at exit
                    self._stopping = False
                self._session = None
                lifetime.forget(self)
                self._owner.release()
        self._backlog.clear()

    @property
    def started(self) -> bool:
        """True while the controller is running.

        Example::

            >>> crew.controller("local").started
            False
        """
        return self._session is not None and not self._owner.is_elsewhere()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _present(self) -> Session | None:
        """The session, if there is one here."""
        self._owner.check()
        return self._session

    def _running(self) -> Session:
        """The session, started if need be.

        Raises:
            DispatcherError: its dispatcher is dead.
        """
        self._owner.check()
        session = self._session
        if session is None:
            session, _ = self._borrow_run()
        session.client.check()
        return session

    def _check_references(self, references: Sequence[Reference[Any]]) -> None:
        """Refuse what was put elsewhere, or before a terminate, before anything is started."""
        if references:
            session = self._present()
            check_home(references, None if session is None else session.objects.home, self.name)

    def _borrow_run(self) -> tuple[Session, bool]:
        """The session, and whether it was started for this call."""
        self._owner.check()
        with self._starting:
            began = self._session is None
            if self._session is None:
                self._session = _open_session(self._launcher, self._options)
                self._owner.claim()
                lifetime.remember(self)
            return self._session, began

    def _terminate_run(self, session: Session) -> None:
        """As ``terminate``, but only while this is the session."""
        with self._starting:
            if self._session is session:
                self.terminate()

    def _abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        if self._session is not None:
            self._session.abandon(self._owner.refusal())

    def _after_push(self, session: Session, *, scale: bool, throttle: bool) -> None:
        if scale and session.autoscaler.wants_kick():
            self._kick(session, throttle=throttle)

    def _maybe_scale(self, session: Session, *, scale: bool, throttle: bool) -> None:
        if scale and session.book.unfinished and session.autoscaler.wants_kick():
            self._kick(session, throttle=throttle)

    def _kick(self, session: Session, *, throttle: bool) -> None:
        if throttle or not session.autoscaler.enabled:
            session.autoscaler.kick()
            return
        # What was pushed or popped must not be lost with an exception: whoever cannot go on
        # without workers raises it.
        with contextlib.suppress(LaunchError):
            session.autoscaler.step(throttle=False)


def _open_session(launcher: Launcher, options: SessionOptions) -> Session:
    """The session that this launcher calls for."""
    if isinstance(launcher, SequentialLauncher):
        from crew_core._controller.sequential import SequentialSession

        return SequentialSession(launcher, options)
    # Most of what a session needs is imported while its dispatcher comes up.
    local = launcher.local and not is_wanted(options.network)
    head_start = HeadStart(options.name) if local else None
    try:
        with without_collections():
            from crew_core._controller.session import Session

        return Session(launcher, options, head_start)
    except BaseException:
        if head_start is not None:
            head_start.withdraw()
        raise


def _check_backup(retry: RetryOptions | None) -> SessionHolder | None:
    backup = None if retry is None else retry.backup
    if backup is None:
        return None
    if not isinstance(backup, SessionHolder):
        raise TypeError(
            f"backup={backup!r}: must be a controller, not {type(backup).__name__}; of a group, "
            "name one member"
        )
    if isinstance(backup._launcher, SequentialLauncher):
        raise ConfigError(
            f"backup={backup.name!r}: it is sequential, so a task that ends its workers would end "
            "this process. Take a controller with workers"
        )
    return backup
