"""The life of one job: waits, attempts, signals, and why it ended, as AWS documents them."""

from __future__ import annotations

import contextlib
import fnmatch
import math
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeds.aws_batch.logs import DEFAULT_GROUP, Stream
from testbeds.aws_batch.moto import ACCOUNT, REGION, Moto
from testbeds.aws_batch.runs import CannotStartError, Run, Runner, What

FINAL = ("SUCCEEDED", "FAILED")
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE")

_LOOK_SECONDS = 0.05
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_MEBIBYTE = 2**20


@dataclass
class Turned:
    """What tests may turn.

    Attributes:
        seconds: how long a job stays in a state: by the state's name.
        max_running: how many jobs of a queue run at once; None: as many as are submitted.
        stop_timeout: seconds between SIGTERM and SIGKILL.
        hurry: how many times as fast the time that attempts may run goes by: AWS takes no limit
            below a minute.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    max_running: int | None = None
    stop_timeout: float = 2.0
    hurry: float = 1.0


class Machine:
    """Where jobs run.

    Args:
        runner: starts attempts.
        moto: keeps what they print.
        environment: variables that each job finds, as a role and an image would give them.
    """

    def __init__(self, runner: Runner, moto: Moto, environment: Mapping[str, str]) -> None:
        self.runner = runner
        self.moto = moto
        self.environment = dict(environment)
        self.turned = Turned()
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take_place(self, queue: str) -> bool:
        """True when one more job of a queue may run; it has a place then."""
        with self._lock:
            most = self.turned.max_running
            if most is not None and self._running[queue] >= most:
                return False
            self._running[queue] += 1
            return True

    def leave_place(self, queue: str) -> None:
        """Let another have it."""
        with self._lock:
            self._running[queue] -= 1


@dataclass
class _Halt:
    """Why a job is being ended from outside: "terminated", "cancelled", "timeout", "reclaimed"."""

    kind: str
    reason: str


@dataclass
class Ended:
    """How an attempt ended."""

    code: int | None
    reason: str | None
    status_reason: str


class Job:
    """A job, or a child of an array.

    Args:
        machine: where it runs.
        request: what was submitted.
        definition: the job definition, as described.
        queue: the job queue, as described.
        job_id: its id.
        index: in its array; None for a plain job.
        prerequisites: jobs that must succeed before.
    """

    def __init__(
        self,
        machine: Machine,
        request: Mapping[str, Any],
        definition: Mapping[str, Any],
        queue: Mapping[str, Any],
        job_id: str,
        index: int | None = None,
        prerequisites: Callable[[], list[str]] = list,
    ) -> None:
        self.machine = machine
        self.request = request
        self.definition = definition
        self.queue = queue
        self.job_id = job_id
        self.index = index
        self.state = "SUBMITTED"
        self.status_reason: str | None = None
        self.created = _now()
        self.started: int | None = None
        self.stopped: int | None = None
        self.attempts: list[dict[str, Any]] = []
        self.container: dict[str, Any] = {}
        self.is_terminated = False
        self.is_cancelled = False
        self._prerequisites = prerequisites
        self._halt: _Halt | None = None
        self._halted = threading.Event()
        self._run: Run | None = None

    # ── What is said of it ─────────────────────────────────────────────────────────────────────

    @property
    def properties(self) -> dict[str, Any]:
        """What its container is to be: the definition's, and the overrides of this submission."""
        own = dict(self.definition.get("containerProperties") or {})
        overrides = dict(self.request.get("containerOverrides") or {})
        variables = {one["name"]: one["value"] for one in own.get("environment", [])}
        variables |= {one["name"]: one["value"] for one in overrides.pop("environment", [])}
        needs = {one["type"]: one["value"] for one in own.get("resourceRequirements", [])}
        needs |= {one["type"]: one["value"] for one in overrides.pop("resourceRequirements", [])}
        own |= overrides
        own["environment"] = [{"name": name, "value": variables[name]} for name in variables]
        own["resourceRequirements"] = [{"type": kind, "value": needs[kind]} for kind in needs]
        return own

    @property
    def retry(self) -> dict[str, Any]:
        """How often it is tried, and when not again."""
        found = self.request.get("retryStrategy") or self.definition.get("retryStrategy") or {}
        return {"attempts": int(found.get("attempts") or 1), **found}

    @property
    def seconds_limit(self) -> int | None:
        """How long an attempt may run."""
        for where in (self.request, self.definition):
            if limit := (where.get("timeout") or {}).get("attemptDurationSeconds"):
                return int(limit)
        return None

    # ── From outside ───────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Let it live, in a thread of its own."""
        threading.Thread(target=self._live, name=self.job_id, daemon=True).start()

    def halt(self, kind: str, reason: str) -> None:
        """End it: the first reason is kept."""
        if self.state in FINAL or self._halt is not None:
            return
        self.is_terminated |= kind == "terminated"
        self.is_cancelled |= kind == "cancelled"
        self._halt = _Halt(kind, reason)
        self._halted.set()

    def close(self) -> None:
        """Leave no process of it."""
        if (run := self._run) is not None:
            run.close()

    # ── Its life ───────────────────────────────────────────────────────────────────────────────

    def _live(self) -> None:
        try:
            self._stay("SUBMITTED")
            if self._await_others() and self._await_place():
                self._try()
        except Exception as error:  # noqa: BLE001 - a job never hangs because of the bed
            self._finish("FAILED", f"the testbed failed: {error!r}")

    def _stay(self, state: str) -> None:
        self.state = state
        self._halted.wait(self.machine.turned.seconds.get(state, 0.0))

    def _await_others(self) -> bool:
        if self.request.get("dependsOn"):
            self.state = "PENDING"
        while self.request.get("dependsOn") and not self._halted.is_set():
            states = self._prerequisites()
            if "FAILED" in states:
                self._finish("FAILED", "Dependent Job failed")
                return False
            if all(state == "SUCCEEDED" for state in states):
                return True
            self._halted.wait(_LOOK_SECONDS)
        return not self._is_halted_early()

    def _await_place(self) -> bool:
        """Wait for capacity; it is held then."""
        self._stay("RUNNABLE")
        while not self._halted.is_set():
            if self.machine.take_place(self.queue["jobQueueArn"]):
                return True
            self._halted.wait(_LOOK_SECONDS)
        return not self._is_halted_early()

    def _is_halted_early(self) -> bool:
        if self._halt is None:
            return False
        self._finish("FAILED", self._halt.reason)
        return True

    def _try(self) -> None:
        """Attempt it as often as it is to be; a place is held at the beginning."""
        while True:
            try:
                ended = self._attempt()
            finally:
                self.machine.leave_place(self.queue["jobQueueArn"])
            if ended.code == 0 and self._halt is None:
                self._finish("SUCCEEDED", ended.status_reason)
                return
            if not self._is_tried_again(ended):
                self._finish("FAILED", ended.status_reason)
                return
            self._halt = None
            self._halted.clear()
            if not self._await_place():
                return

    def _is_tried_again(self, ended: Ended) -> bool:
        if len(self.attempts) >= self.retry["attempts"]:
            return False
        if self._halt is not None and self._halt.kind != "reclaimed":
            return False
        for rule in self.retry.get("evaluateOnExit") or []:
            conditions = {
                "onExitCode": ended.code,
                "onReason": ended.reason,
                "onStatusReason": ended.status_reason,
            }
            if all(_matches(rule.get(name), value) for name, value in conditions.items()):
                return str(rule["action"]).upper() == "RETRY"
        return True

    def _finish(self, state: str, reason: str) -> None:
        self.stopped = _now()
        self.status_reason = reason
        self.state = state

    # ── One attempt ────────────────────────────────────────────────────────────────────────────

    def _attempt(self) -> Ended:
        self._stay("STARTING")
        task = uuid.uuid4().hex
        instance = uuid.uuid4().hex
        ecs = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
        self.container = {
            "containerInstanceArn": f"{ecs}:container-instance/crew/{instance}",
            "taskArn": f"{ecs}:task/crew/{task}",
            "networkInterfaces": [],
        }
        if self._halt is not None:
            return self._note(Ended(None, None, self._halt.reason), None)
        properties = self.properties
        try:
            self._run = run = self.machine.runner.start(self._what(properties))
        except CannotStartError as error:
            return self._note(Ended(None, str(error), "Task failed to start"), None)
        began = _now()
        stream = self._stream(properties, task)
        if stream is not None:
            self.container["logStreamName"] = stream.name
        self.started = self.started or began
        self.state = "RUNNING"
        copying = threading.Thread(target=_copy, args=[run, stream], daemon=True)
        copying.start()
        code = self._watch(run)
        copying.join(timeout=10)
        run.close()
        self._run = None
        return self._note(self._judged(code, run), began)

    def _what(self, properties: Mapping[str, Any]) -> What:
        needs = {one["type"]: one["value"] for one in properties["resourceRequirements"]}
        memory = float(needs.get("MEMORY") or properties.get("memory") or 512)
        own = {one["name"]: one["value"] for one in properties["environment"]}
        parameters = {**self.definition.get("parameters", {}), **self.request.get("parameters", {})}
        command = [_filled(word, parameters) for word in properties.get("command") or []]
        return What(
            image=str(properties["image"]),
            argv=command,
            environment={**self.machine.environment, **own, **self._batch_variables()},
            memory_bytes=int(memory * _MEBIBYTE),
            init=bool((properties.get("linuxParameters") or {}).get("initProcessEnabled")),
            label=self.job_id,
        )

    def _batch_variables(self) -> dict[str, str]:
        environments = self.queue.get("computeEnvironmentOrder") or [{}]
        found = {
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts) + 1),
            "AWS_BATCH_JQ_NAME": str(self.queue["jobQueueName"]),
            "AWS_BATCH_CE_NAME": str(environments[0].get("computeEnvironment", "")).rpartition("/")[
                2
            ],
        }
        if self.index is not None:
            found["AWS_BATCH_JOB_ARRAY_INDEX"] = str(self.index)
        return found

    def _stream(self, properties: Mapping[str, Any], task: str) -> Stream | None:
        logging = properties.get("logConfiguration") or {"logDriver": "awslogs"}
        if logging["logDriver"] != "awslogs":
            return None
        options = logging.get("options") or {}
        prefix = options.get("awslogs-stream-prefix") or self.definition["jobDefinitionName"]
        group = options.get("awslogs-group") or DEFAULT_GROUP
        return Stream(self.machine.moto, group, f"{prefix}/default/{task}")

    def _watch(self, run: Run) -> int:
        """Wait for its end, and bring it about when that is asked for."""
        limit = (self.seconds_limit or math.inf) / self.machine.turned.hurry
        deadline = time.monotonic() + limit
        killed_at = None
        while (code := run.wait(_LOOK_SECONDS)) is None:
            now = time.monotonic()
            if now > deadline:
                self.halt("timeout", "Job attempt duration exceeded timeout")
            if self._halt is not None and killed_at is None:
                gone = self._halt.kind == "reclaimed"
                killed_at = now + (0 if gone else self.machine.turned.stop_timeout)
                run.signal(signal.SIGKILL if gone else signal.SIGTERM)
            elif killed_at is not None and now > killed_at:
                run.signal(signal.SIGKILL)
        return code

    def _judged(self, code: int, run: Run) -> Ended:
        if self._halt is None:
            reason = _OUT_OF_MEMORY if run.out_of_memory else None
            return Ended(code, reason, "Essential container in task exited")
        if self._halt.kind == "reclaimed":
            return Ended(None, None, self._halt.reason)  # nobody is left to tell its exit code
        return Ended(code, None, self._halt.reason)

    def _note(self, ended: Ended, began: int | None) -> Ended:
        if ended.code is not None:
            self.container["exitCode"] = ended.code
        if ended.reason:
            self.container["reason"] = ended.reason
        attempt = {"container": dict(self.container), "stoppedAt": _now()}
        attempt["statusReason"] = ended.status_reason
        if began is not None:
            attempt["startedAt"] = began
        self.attempts.append(attempt)
        return ended


def _copy(run: Run, stream: Stream | None) -> None:
    with contextlib.suppress(OSError):
        if stream is not None:
            stream.copy(run.output())
        else:
            for _ in run.output():
                pass


def _matches(pattern: str | None, value: object) -> bool:
    text = "" if value is None else str(value)
    return pattern is None or fnmatch.fnmatchcase(text.lower(), pattern.lower())


def _filled(word: str, parameters: Mapping[str, str]) -> str:
    """A word of a command, with a parameter's value where it is `Ref::name`."""
    if word.startswith("Ref::"):
        return parameters.get(word[len("Ref::") :], word)
    return word


def _now() -> int:
    return int(time.time() * 1000)
