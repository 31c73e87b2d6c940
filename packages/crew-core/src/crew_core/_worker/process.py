"""The task process as its supervisor sees it: started, fed, listened to, interrupted, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from crew_core._wire import codec, messages
from crew_core._worker.framing import FrameReader, enlarge
from crew_core._worker.permits import Feed


class TaskProcess:
    """One task process, from start to end.

    Its descriptors never reach another process: only the child's four ends are inherited, and
    by the child alone.

    Args:
        environment: the environment variables of the new process.
        to_own_log: True to catch its output (``output_fd``), False to let it have ours.
    """

    def __init__(self, environment: Mapping[str, str], *, to_own_log: bool) -> None:
        inbox, inbox_in = os.pipe()
        permits, permits_in = os.pipe()
        outbox_out, outbox = os.pipe()
        lifeline, self._lifeline_in = os.pipe()
        self.output_fd: int | None = None
        output = None
        if to_own_log:
            self.output_fd, output = os.pipe()
            os.set_blocking(self.output_fd, False)
            enlarge(self.output_fd)
        for fd in (inbox_in, outbox_out):
            enlarge(fd)
        child_ends = (inbox, permits, outbox, lifeline)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crew_core._worker.task_process", *map(str, child_ends)],
            pass_fds=child_ends,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
        for fd in (inbox, outbox, lifeline, *([] if output is None else [output])):
            os.close(fd)
        self.feed = Feed(inbox_in, permits_in, permits)
        self._reader = FrameReader(outbox_out)
        self.outbox_fd = outbox_out
        self.ready_at: float | None = None
        self.blobs: set[bytes] = set()

    @property
    def pid(self) -> int:
        """Its process id, and the id of its process group."""
        return self._process.pid

    def read(self, now: float) -> list[messages.TaskDone]:
        """What it has said since the last call."""
        done = []
        for data in self._reader.read_available():
            message = codec.decode_from_task_process(data)
            if isinstance(message, messages.TaskProcessReady):
                self.ready_at = now
            else:
                done.append(message)
        return done

    def run(
        self,
        tasks: messages.Batch,
        blobs: Mapping[bytes, bytes],
        objects: Mapping[bytes, memoryview],
    ) -> None:
        """Send tasks, and before them their command and objects, unless the process has them."""
        if tasks.digest not in self.blobs:
            self.blobs.add(tasks.digest)
            self.feed.put(messages.HoldBlob(tasks.digest, blobs[tasks.digest]))
        for digest in tasks.objects:
            if digest not in self.blobs and digest in objects:
                self.blobs.add(digest)
                self.feed.put(messages.HoldObject(digest, objects[digest]))
        self.feed.send(messages.RunTasks(tasks.first, tasks.digest, tasks.bodies))

    def forget(self, digests: list[bytes]) -> None:
        """Commands and objects that no task will need, unless they are sent again."""
        held = [digest for digest in digests if digest in self.blobs]
        if held:
            self.blobs.difference_update(held)
            self.feed.put(messages.ForgetBlobs(held))

    def interrupt(self) -> None:
        """Interrupt the running task."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and its process group for certain. Its end is reported by SIGCHLD as any other."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def note_exit(self, status: int) -> str:
        """Take the status that ``waitpid`` gave; how it ended, in the words of ``cause``."""
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        # Whatever it has left in its process group goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return f"signal {-code}" if code < 0 else f"exit {code}"

    def close(self) -> None:
        """Close our ends. It leaves by itself once it is idle, and at once if it already did."""
        self.feed.close()
        os.close(self.outbox_fd)
        os.close(self._lifeline_in)
        if self.output_fd is not None:
            os.close(self.output_fd)
            self.output_fd = None

    def let_go(self, seconds: float) -> None:
        """Ask it to leave, with all that its interpreter does at exit; then make it."""
        self.feed.close_inbox()
        deadline = time.monotonic() + seconds
        while self._process.returncode is None and time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.note_exit(status)
                return
            time.sleep(0.005)
        self.kill()
        with contextlib.suppress(ChildProcessError):
            self.note_exit(os.waitpid(self.pid, 0)[1])
