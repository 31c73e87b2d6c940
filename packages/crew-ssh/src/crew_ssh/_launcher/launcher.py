"""The launcher ``ssh``: options and requests in, handles and reports out; the carrier does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from crew_core.plugins import (
    ConfigError,
    Finding,
    Grade,
    JobReport,
    JobState,
    Launcher,
    LaunchError,
    LaunchRequest,
    WorkerLaunch,
)
from crew_ssh._carrier.client import Carrier
from crew_ssh._carrier.told import told_of
from crew_ssh._connection.errors import SshError
from crew_ssh._options.options import SshOptions


@dataclass(frozen=True)
class SshHandle:
    """A worker. The name of its job tells it from all others, on whichever host it is.

    Attributes:
        name: the job's name.
        host: where it was started; None for one that waited for a slot.
        pid: of its process group there.
    """

    name: str
    host: str | None = None
    pid: int | None = None


class SshLauncher(Launcher):
    """Starts workers as processes of hosts that are reached by SSH."""

    # Workers may wait for a slot for as long as others work.
    seconds_launch_default: ClassVar[float] = 86400.0
    gathers: ClassVar[bool] = True
    Options = SshOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        own = self.options
        if options is not None and not own.hosts:
            raise ConfigError('hosts=[]: name the hosts that workers may run on: hosts=["node1"]')
        self._carrier: Carrier | None = None

    @property
    def host_default(self) -> str | None:
        """With a tunnel, workers dial their own host, and nobody else needs a port of ours."""
        return "127.0.0.1" if self.options.tunnel is True else None

    def examine(self, hosts: Sequence[str], ports: tuple[int, int]) -> Iterable[Finding]:  # noqa: ARG002 - nobody listens yet
        """Whether each host lets us in, and has the Python and the crew that workers need."""
        told = self._ask("examine")
        # One that fails is left out, and its share goes to the others.
        failed = Grade.BAD if all("error" in each for each in told) else Grade.DOUBTFUL
        return [_finding(each, failed) for each in told]

    def launch(self, request: LaunchRequest) -> list[SshHandle]:
        """Start the workers, or have those wait for which there is no slot now."""
        controller = request.controller
        workers = [_plain(worker) for worker in request.workers]
        told = self._ask("launch", controller=controller, workers=workers)
        return [SshHandle(**each) for each in told]

    def poll(self, handles: Sequence[SshHandle]) -> list[JobReport]:
        """What hosts said of these workers when they were last asked, a moment ago."""
        if not handles:
            return []
        told = self._ask("poll", handles=[asdict(handle) for handle in handles])
        return [_report(each) for each in told]

    def terminate(self, handles: Sequence[SshHandle]) -> None:
        """End these workers and all that their tasks started; takes a few seconds at most.

        Raises:
            LaunchError: a host does not answer. Workers there leave by themselves.
        """
        if handles:
            self._ask("end", handles=[asdict(handle) for handle in handles])

    def logs(self, handle: SshHandle) -> str | None:
        """The last output of this worker, from its host."""
        told = self._ask("output", handle=asdict(handle))
        return None if told is None else str(told)

    def job(self, handle: SshHandle) -> str:
        """Host and process, such as "node1:4711"; the job's name of one that had to wait."""
        return handle.name if handle.host is None else f"{handle.host}:{handle.pid}"

    def find(self, names: Sequence[str]) -> list[SshHandle]:
        """Handles of workers with these names, as far as hosts know them."""
        return [SshHandle(**each) for each in self._ask("find", names=list(names))]

    def _ask(self, do: str, **details: Any) -> Any:
        try:
            return self._carry().ask(do, **details)
        except SshError as error:
            raise LaunchError(str(error), transient=error.transient) from error

    def _carry(self) -> Carrier:
        if self._carrier is None:
            self._carrier = Carrier(told_of(self.options))
        return self._carrier


def _plain(worker: WorkerLaunch) -> dict[str, Any]:
    return {
        "name": worker.name,
        "instance": worker.instance,
        "argv": list(worker.argv),
        "env": dict(worker.env),
        "log": worker.log,
    }


def _finding(told: dict[str, Any], failed: Grade) -> Finding:
    check = f"host {told['host']}"
    if "error" in told:
        return Finding(check, failed, told["error"])
    words = f"lets us in, has Python {told['python']} ({told['executable']}) and crew"
    return Finding(check, Grade.GOOD, f"{words}, takes {told['slots']} workers")


def _report(told: dict[str, Any]) -> JobReport:
    return JobReport(
        JobState(told["state"]),
        cause=told.get("cause"),
        reason=told.get("reason", ""),
        hopeless=told.get("hopeless", False),
    )
