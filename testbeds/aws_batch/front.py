"""What clients of the testbed talk to: does its faults, runs jobs, and leaves the rest to moto.

It needs Python's own library alone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from testbeds.aws_batch.agent import Agent
from testbeds.aws_batch.engine import Engine
from testbeds.aws_batch.faults import CONTROL, Fault, Faults, error_body, operation_of
from testbeds.aws_batch.instances import asked_for, described
from testbeds.aws_batch.job import Machine
from testbeds.aws_batch.moto import Answer, Moto, MotoError
from testbeds.aws_batch.permissions import action_of, denial, simulated
from testbeds.aws_batch.refusals import RefusedError, check_definition
from testbeds.aws_batch.runs import ContainerRunner, ProcessRunner, Runner

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "server", "date"}
_JSON = "application/json"


class Front(ThreadingHTTPServer):
    """The server.

    Args:
        address: where to listen.
        moto: behind it.
        agent: runs jobs; None to leave them to moto.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], moto: Moto, agent: Agent | None) -> None:
        super().__init__(address, _Handler)
        self.moto = moto
        self.agent = agent
        self.faults = Faults()
        self.denied: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Do what is asked for."""
        operation = operation_of(path, headers, body)
        own = {} if self.agent is None else self.agent.operations
        action = action_of(operation, headers)
        for denied in self.denied:
            if denied.lower() == action:
                return _refusal(403, "AccessDeniedException", denial(denied), headers)
        if (known := self._what_moto_does_not_know(action, body)) is not None:
            return Answer(200, {"Content-Type": "text/xml"}, known)
        try:
            if path.startswith("/v1/") and operation in own:
                return _json(own[operation](json.loads(body or b"{}")))
            if path.startswith("/v1/") and operation == "registerjobdefinition":
                check_definition(json.loads(body))
        except RefusedError as error:
            return _refusal(400, "ClientException", str(error), headers)
        except MotoError as error:
            return _refusal(error.status, error.code, str(error), headers)
        return self.moto.forward(method, path, headers, body)

    def _what_moto_does_not_know(self, action: str, body: bytes) -> bytes | None:
        if action == "iam:simulateprincipalpolicy":
            return simulated(body, self.denied)
        gone = self.agent.spot_instances if self.agent is not None else set()
        if action == "ec2:describeinstances" and (names := asked_for(body, gone)):
            return described(names)
        return None

    def control(self, what: str, told: Any) -> Any:
        """Let a test turn something."""
        match what:
            case "fault":
                self.faults.add(Fault(**told))
            case "heal":
                self.faults.heal()
            case "calls":
                return self.faults.calls()
            case "forget-calls":
                self.faults.forget_calls()
            case "deny":
                self.denied = list(told)
            case "turn" if self.agent is not None:
                turned = self.agent.machine.turned
                for name, value in told.items():
                    setattr(turned, name, value)
            case "reclaim" if self.agent is not None:
                self.agent.reclaim(told["job"], spot=told["spot"])
            case _:
                return {"error": f"nothing to do for {what}"}
        return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(CONTROL):
            done = self.server.control(self.path[len(CONTROL) :], json.loads(body or b"null"))
            self._send(_json(done))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        operation = operation_of(self.path, headers, body)
        fault = self.server.faults.take(operation, time.monotonic())
        if fault is None:
            self._send(self.server.answer(self.command, self.path, headers, body))
            return
        time.sleep(fault.seconds_before)
        if fault.drop == "before":
            self._reset()
            return
        if fault.status:
            answer = _refusal(fault.status, fault.code, fault.message, headers)
        else:
            answer = self.server.answer(self.command, self.path, headers, body)
        time.sleep(fault.seconds_after)
        if fault.drop == "after":
            self._reset()
            return
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _reset(self) -> None:
        """Close so that the client reads a reset, not an end."""
        lingering = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        self.close_connection = True
        # Closing the socket itself would wait for the files that were made of it.
        os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def _json(told: Any) -> Answer:
    return Answer(200, {"Content-Type": _JSON}, json.dumps(told).encode())


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str]) -> Answer:
    kind, body = error_body(headers, code, message)
    return Answer(status, {"Content-Type": kind, "x-amzn-ErrorType": code}, body)


def _runner(settings: Mapping[str, Any]) -> Runner:
    if settings["jobs"] == "containers":
        engine = Engine(Path(settings["engine"]))
        return ContainerRunner(engine, settings["network"], settings["binds"], settings["path"])
    return ProcessRunner(settings["path"], settings["image"])


def main() -> None:
    """Serve as the file says that the command line names."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    moto = Moto(settings["moto_port"])
    agent = None
    if settings["jobs"] != "moto":
        agent = Agent(Machine(_runner(settings), moto, settings["environment"]), moto)
    front = Front((settings["listen"], settings["port"]), moto, agent)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=front.shutdown).start())
    front.serve_forever()
    if agent is not None:
        agent.close()
