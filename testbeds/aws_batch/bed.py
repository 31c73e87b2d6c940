"""AWS Batch on this machine: moto, before it a front that runs jobs, and a container engine."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from testbeds import places, software
from testbeds.aws_batch import account, containers, installation
from testbeds.aws_batch.containers import Containers
from testbeds.aws_batch.faults import CONTROL, Fault
from testbeds.aws_batch.job import Turned
from testbeds.aws_batch.logs import DEFAULT_GROUP
from testbeds.aws_batch.moto import REGION, Moto, MotoError
from testbeds.aws_batch.options import JOBS, NETWORKS, AwsBatchOptions
from testbeds.bed import Bed
from testbeds.errors import BedError

_ROOT = Path(__file__).resolve().parents[2]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFINITION, _PROOF_DEFINITION = "crew-worker", "crew-proof"


class AwsBatchBed(Bed):
    """AWS Batch; see `AwsBatchOptions` for what can be chosen.

    Example::

        bed = AwsBatchBed(AwsBatchOptions(jobs="processes"))
        bed.up()
        bed.fault(Fault("SubmitJob", times=2, status=429))
        bed.down()
    """

    name = "aws_batch"
    options_type = AwsBatchOptions

    # ── Up and down ────────────────────────────────────────────────────────────────────────────

    @classmethod
    def lacks(cls, options: AwsBatchOptions | None = None) -> str | None:
        """Linux, pip, and what containers need where these are asked for."""
        options = options or AwsBatchOptions()
        if options.jobs not in JOBS or options.network not in NETWORKS:
            raise BedError(f"jobs= is one of {', '.join(JOBS)}, network= of {', '.join(NETWORKS)}")
        if sys.platform != "linux":
            return "Linux"
        if options.jobs in ("containers", "moto") and (missing := containers.lacks()):
            return missing
        return installation.lacks()

    def _prepare(self) -> None:
        self._settings["python"] = str(installation.prepare())
        wanted = self.options.jobs
        why_not = containers.lacks() if wanted == "auto" else None
        if wanted == "auto":
            wanted = "processes" if why_not else "containers"
        self._settings |= {"jobs": wanted, "why_not_containers": why_not}
        if wanted != "processes":
            software.install(containers.PACKAGES)

    def _start(self) -> None:
        ports = places.free_ports(2)
        self._settings["moto_port"], self._settings["port"] = ports
        is_bridged = self.options.network == "bridge" and self.jobs != "processes"
        self._settings["network"] = containers.choose_network() if is_bridged else None
        if self.jobs != "processes":
            self._containers.start()
        self._start_moto()
        self._settings |= account.make(self._moto, self.options.queue_cpus)
        self._write_what_jobs_see()
        self.start_front()
        for name in (_DEFINITION, _PROOF_DEFINITION):
            self._moto.batch("RegisterJobDefinition", self.definition_of(name))

    def _start_moto(self) -> None:
        environment = {"MOTO_DOCKER_NETWORK_MODE": self._network_mode}
        if self.jobs != "processes":
            environment["DOCKER_HOST"] = f"unix://{self._containers.socket}"
        port = str(self._settings["moto_port"])
        command = [self._settings["python"], "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        self.processes.start("moto", command, environment)
        self.processes.wait_for("moto answers", self._moto_answers, seconds=120)

    def start_front(self) -> None:
        """Start what clients talk to. The jobs that an earlier one ran are not known to it."""
        script = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
        script += "from testbeds.aws_batch.front import main; main()"
        command = [sys.executable, "-I", "-c", script, str(self.place / "front.json")]
        self.processes.start("front", command)
        self.processes.wait_for("the front answers", lambda: _answers(self.settings["port"]))

    def _write_what_jobs_see(self) -> None:
        programs = self.place / "bin"
        programs.mkdir()
        for name in ("python", "python3"):
            python = programs / name
            script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
            python.write_text(script, encoding="utf-8")
            python.chmod(0o755)
        told = {
            "jobs": self.jobs,
            "moto_port": self._settings["moto_port"],
            "listen": "127.0.0.1" if self._settings["network"] is None else "0.0.0.0",
            "port": self._settings["port"],
            "path": f"{programs}:{_PATH}",
            "image": self.image,
            "environment": self._environment_of_jobs(),
            "engine": str(self._containers.socket),
            "network": self._network_mode,
            "binds": [] if self.jobs == "processes" else containers.binds(programs),
        }
        self._settings |= {"path": told["path"], "binds": told["binds"]}
        (self.place / "front.json").write_text(json.dumps(told), encoding="utf-8")

    def _environment_of_jobs(self) -> dict[str, str]:
        found = _credentials(self.address, self._settings["port"])
        if path := os.environ.get("PYTHONPATH"):
            found["PYTHONPATH"] = path
        return found

    def _prove(self) -> None:
        asked = {"jobName": "proof", "jobQueue": account.PROOF_QUEUE}
        job = self.ask_batch(
            "SubmitJob",
            {
                **asked,
                "jobDefinition": _PROOF_DEFINITION,
                "containerOverrides": {"command": ["python", "-c", "import json"]},
            },
        )["jobId"]
        deadline = time.monotonic() + 60
        while (told := self.describe(job))["status"] not in ("SUCCEEDED", "FAILED"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if told["status"] != "SUCCEEDED":
            stream = told.get("container", {}).get("logStreamName")
            printed = "\n".join(self.lines(stream) if stream else ["It printed nothing."])
            raise BedError(
                f"a job that was to prove the bed: {json.dumps(told, indent=1)}\n{printed}"
            )

    def down(self) -> None:
        """End all; containers first, while their engine still can."""
        if self.processes.are_held and self._settings_or_none().get("jobs") != "processes":
            Containers(self.processes, None).clear()
        super().down()

    def _settings_or_none(self) -> dict[str, Any]:
        try:
            return self.settings
        except (OSError, KeyError):
            return {}

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    @property
    def jobs(self) -> str:
        """What jobs are: "containers", "processes" or "moto"."""
        return str(self.settings["jobs"])

    def said_aloud(self) -> str:
        """A sentence for whoever reads a test's report."""
        if self.jobs == "processes":
            why = self.settings["why_not_containers"] or "that was asked for"
            return f"AWS Batch jobs ran as PROCESSES, NOT AS CONTAINERS: {why}"
        return "AWS Batch jobs ran as containers"

    def environment(self) -> dict[str, str]:
        """Where boto3 finds it, and nothing of this user's own account."""
        nowhere = str(self.place / "none")
        return {
            **_credentials("127.0.0.1", self.settings["port"]),
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        }

    @property
    def address(self) -> str:
        """Where jobs find this machine."""
        network = self.settings["network"]
        return "127.0.0.1" if network is None else f"{network}.1"

    @property
    def image(self) -> str:
        """The image that there is; in it, `python` is the one that brought the bed up."""
        return containers.IMAGE

    @property
    def queue(self) -> str:
        """A job queue."""
        return account.QUEUE

    @property
    def second_queue(self) -> str:
        """Another one."""
        return account.SECOND_QUEUE

    @property
    def definition(self) -> str:
        """A job definition that is registered."""
        return _DEFINITION

    def definition_of(self, name: str) -> dict[str, Any]:
        """A request that registers a definition whose jobs can run a worker."""
        needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1024"}]
        properties = {"image": self.image, "command": ["true"], "resourceRequirements": needs}
        if self.jobs == "moto":
            properties |= self._what_our_agent_adds()
        asked = {"jobDefinitionName": name, "type": "container"}
        return {**asked, "containerProperties": properties}

    def _what_our_agent_adds(self) -> dict[str, Any]:
        """The programs and variables that a job finds, said by its definition itself."""
        binds = dict(enumerate(self.settings["binds"]))
        variables = {"PATH": self.settings["path"], **self._environment_of_jobs()}
        return {
            "volumes": [{"name": f"v{i}", "host": {"sourcePath": at}} for i, at in binds.items()],
            "mountPoints": [
                {"sourceVolume": f"v{i}", "containerPath": at, "readOnly": True}
                for i, at in binds.items()
            ],
            "environment": [{"name": key, "value": text} for key, text in variables.items()],
        }

    def hosts(self) -> Sequence[str]:
        """One: who runs jobs is AWS's business."""
        return ["aws"]

    def ask_batch(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation of AWS Batch, as any client does.

        Raises:
            MotoError: it refused.
        """
        return Moto(self.settings["port"]).batch(operation, request)

    def describe(self, job: str) -> dict[str, Any]:
        """What DescribeJobs says of a job; {"status": "UNKNOWN"} when there is none."""
        found = self.ask_batch("DescribeJobs", {"jobs": [job]})["jobs"]
        return dict(found[0]) if found else {"status": "UNKNOWN"}

    def lines(self, stream: str) -> list[str]:
        """What is in a log stream of jobs.

        Raises:
            MotoError: there is none.
        """
        asked = {"logGroupName": DEFAULT_GROUP, "logStreamName": stream, "startFromHead": True}
        events = Moto(self.settings["port"]).logs("GetLogEvents", asked)["events"]
        return [event["message"] for event in events]

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    def fault(self, fault: Fault) -> None:
        """Let something go wrong, after what goes wrong already."""
        told = {name: value for name, value in asdict(fault).items() if not name.startswith("_")}
        self._control("fault", told)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._control("heal")

    def restore_all(self) -> None:
        """Undo whatever a test has turned."""
        self.heal()
        self.deny()
        if self.jobs != "moto":
            self.turn(**asdict(Turned()))

    def deny(self, *actions: str) -> None:
        """Take away these permissions, such as "batch:SubmitJob", and give back all others."""
        self._control("deny", list(actions))

    def calls(self) -> dict[str, int]:
        """How often each operation was asked for, by its name in lower case."""
        counts: dict[str, int] = self._control("calls")
        return counts

    def forget_calls(self) -> None:
        """Count from nothing again."""
        self._control("forget-calls")

    def turn(self, **turned: Any) -> None:
        """Set what `testbeds.aws_batch.job.Turned` has."""
        self._control("turn", turned)

    def reclaim(self, job: str, *, spot: bool = False) -> None:
        """Let the instance under a running job vanish; with ``spot``, as the market took it."""
        self._control("reclaim", {"job": job, "spot": spot})

    def stop_scheduler(self) -> None:
        """Let nobody reach AWS; jobs go on."""
        self.fault(Fault(drop="before"))

    def start_scheduler(self) -> None:
        """Let AWS be reached again; every other fault is over, too."""
        self.heal()

    def drain(self, host: str) -> None:  # noqa: ARG002 - there is one
        """Start no more jobs: they stay RUNNABLE."""
        self.turn(max_running=0)

    def restore(self, host: str) -> None:  # noqa: ARG002 - there is one
        """Let jobs start again."""
        self.turn(max_running=None)

    def refuse(self) -> None:
        """Disable the queues."""
        self._set_queues("DISABLED")

    def accept(self) -> None:
        """Enable them again."""
        self._set_queues("ENABLED")

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _moto(self) -> Moto:
        return Moto(self.settings["moto_port"])

    @property
    def _containers(self) -> Containers:
        return Containers(self.processes, self.settings["network"])

    @property
    def _network_mode(self) -> str:
        return "host" if self.settings["network"] is None else "bridge"

    def _moto_answers(self) -> bool:
        try:
            self._moto.batch("DescribeJobQueues", {})
        except (OSError, MotoError):
            return False
        return True

    def _set_queues(self, state: str) -> None:
        for name in (self.queue, self.second_queue):
            self._moto.batch("UpdateJobQueue", {"jobQueue": name, "state": state})

    def _control(self, what: str, told: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings["port"], timeout=60)
        try:
            connection.request("POST", CONTROL + what, json.dumps(told).encode())
            done = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in done:
            raise BedError(str(done["error"]))
        return done


def _credentials(address: str, port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{address}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", CONTROL + "calls")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
