"""Who the workers are: expected, online, leaving, gone; proved by instance and secret. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from crew_core._dispatcher.ledger import Entry
from crew_core._model.states import InstanceState
from crew_core._wire import messages


class Instance(msgspec.Struct, eq=False):
    """One life of one worker."""

    id: str
    worker: int
    secret_digest: bytes
    state: InstanceState = InstanceState.PENDING
    life: str | None = None
    pipe: int | None = None
    pid: int = 0
    host: str = ""
    step: int = 0  # of its launcher's ladder
    ends_at: float | None = None  # lest its platform ends it
    end_grace: float = 0.0  # of that, while it was given nothing
    passed_at: float | None = None  # since then it is idle while what waits is too much for it
    wall_at: float | None = None  # takes no task from then on
    grace: float = 0.0  # of its wall time, while it was given nothing
    assigned: dict[int, Entry] = {}  # in the order they run
    given: int = 0
    complete: int = 0
    blobs: set[bytes] = set()  # commands that it has
    objects: dict[bytes, None] = {}  # that it has, the last used last
    warming: dict[int, None] = {}  # warm-ups to come, in order
    rewarming: bool = False  # they come before what is assigned, in a new task process
    recalling: bool = False
    last_heard: float = 0.0
    last_progress: float = 0.0
    cut_off_at: float | None = None
    look_at: float = float("inf")  # when to see whether it has been silent for too long
    closed: bool = False  # it must leave, once what it runs has ended
    dismissed: str = ""  # why it must, when that is our own decision or the client's
    leaving: str | None = None  # why, once it may go

    @property
    def staying(self) -> bool:
        """True when it is online and not about to leave."""
        return self.state is InstanceState.ONLINE and not self.closed and not self.dismissed

    @property
    def reachable(self) -> bool:
        """True when it stays and is connected."""
        return self.staying and self.pipe is not None

    @property
    def ready(self) -> bool:
        """True when it may be given tasks."""
        return self.reachable and not self.warming

    def start_wall(self, settings: messages.WorkerSettings, now: float) -> None:
        """Its time runs from now on, once it has done the tasks that come before the timers."""
        if self.wall_at is None and self.complete >= settings.tasks_timers:
            self.wall_at = now + settings.seconds_wall
            # Or a task that expects a whole life would find no worker young enough.
            self.grace = settings.seconds_wall / 10

    def seconds_left(self, now: float) -> float | None:
        """How long it will live, if that is known."""
        if self.ends_at is None and self.wall_at is None:
            return None
        left = []
        if self.ends_at is not None:
            left.append(self.ends_at - now + (0.0 if self.given else self.end_grace))
        if self.wall_at is not None:
            left.append(self.wall_at - now + (0.0 if self.given else self.grace))
        return min(left, default=None)


class IdentityError(Exception):
    """A hello that does not prove what it claims; the text is for the worker's log.

    Args:
        text: why.
        instance: whose launch has failed by that. What anybody may claim must not end a launch.
    """

    def __init__(self, text: str, instance: str = "") -> None:
        super().__init__(text)
        self.instance = instance


class Instances:
    """All instances that the client has announced."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._all: dict[str, Instance] = {}
        self._living: dict[str, Instance] = {}
        self._by_pipe: dict[int, Instance] = {}

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        """Announce workers that are about to be launched."""
        for w in workers:
            self._all[w.instance] = Instance(w.instance, w.worker, w.secret_digest, step=w.step)

    def forget(self, instance_ids: list[str]) -> None:
        """Refuse these from now on, if they have not connected yet."""
        for instance_id in instance_ids:
            instance = self._all.get(instance_id)
            if instance is not None and instance.state is InstanceState.PENDING:
                instance.state = InstanceState.LAUNCH_FAILED

    def identify(self, hello: messages.Hello) -> Instance:
        """The instance that a hello proves to be.

        Raises:
            IdentityError: it does not, or it may not come (again).
        """
        import hashlib  # only now, while the worker itself still starts
        import hmac

        instance = self._all.get(hello.instance)
        digest = hashlib.sha256(hello.secret.encode()).digest()
        if instance is None or not hmac.compare_digest(digest, instance.secret_digest):
            raise IdentityError(
                "this controller has launched no such worker, or its secret is wrong"
            )
        if instance.life is not None and instance.life != hello.life:
            raise IdentityError("this launch was already used: a job that is run again is refused")
        if instance.state.final:
            raise IdentityError(f"this worker was given up before ({instance.state.value})")
        if instance.life is None:
            self._check_versions(hello, instance)
        return instance

    def connect(self, instance: Instance, pipe: int, hello: messages.Hello, now: float) -> bool:
        """Note an identified worker's connection. True when it was connected before."""
        again = instance.life is not None
        if instance.pipe is not None:
            self._by_pipe.pop(instance.pipe, None)
        instance.life = hello.life
        instance.pipe = pipe
        instance.pid = hello.pid
        instance.host = hello.host
        instance.cut_off_at = None
        instance.last_heard = now
        if hello.seconds_left is not None:
            instance.ends_at = now + hello.seconds_left
        if not again:
            # Some of its job's time has gone until it could say so.
            instance.end_grace = (hello.seconds_left or 0.0) / 5
            instance.state = InstanceState.ONLINE
            instance.last_progress = now
            self._living[instance.id] = instance
        self._by_pipe[pipe] = instance
        return again

    def cut_off(self, pipe: int, now: float) -> Instance | None:
        """Note a lost connection; the instance it belonged to, if that still lives."""
        instance = self._by_pipe.pop(pipe, None)
        if instance is None or instance.state.final:
            return None
        instance.pipe = None
        instance.cut_off_at = now
        return instance

    def end(self, instance: Instance, state: InstanceState) -> None:
        """Note an instance's end."""
        instance.state = state
        instance.blobs.clear()
        instance.objects.clear()
        self._living.pop(instance.id, None)

    def get(self, instance_id: str) -> Instance | None:
        """An instance by its id."""
        return self._all.get(instance_id)

    def living(self) -> Collection[Instance]:
        """Instances that have connected and not ended."""
        return self._living.values()

    def inspected(self) -> list[messages.InspectedWorker]:
        """How every instance that ever connected is doing."""
        return [
            messages.InspectedWorker(
                i.id, i.worker, not i.state.final, i.given, i.complete, list(i.assigned)
            )
            for i in self._all.values()
            if i.life is not None
        ]

    def _check_versions(self, hello: messages.Hello, instance: Instance) -> None:
        trouble = self._trouble_of_versions(hello)
        if trouble is not None:
            instance.state = InstanceState.LAUNCH_FAILED  # it will not be another one next time
            raise IdentityError(trouble, instance.id)

    def _trouble_of_versions(self, hello: messages.Hello) -> str | None:
        if hello.protocol != messages.PROTOCOL:
            return (
                f"the worker speaks crew's protocol {hello.protocol}, the controller "
                f"{messages.PROTOCOL}: install the same crew-core on both sides"
            )
        if hello.python != self._python:
            return (
                f"the worker runs Python {hello.python}, the controller {self._python}: "
                "functions cannot travel between the two; use the same Python on both sides"
            )
        return None
