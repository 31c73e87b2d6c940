"""The task process as its supervisor sees it: started, fed, listened to, interrupted, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping

from crew_core._wire import codec, messages
from crew_core._worker.framing import FrameReader, enlarge
from crew_core._worker.permits import Feed
from crew_core._worker.spawn import Spawned

_MANY = 4  # of fewer, each may be large: too much to be copied once more


class TaskProcess:
    """One task process, from start to end.

    Args:
        spawned: the process, and our ends of what connects us; owned from now on.
    """

    def __init__(self, spawned: Spawned) -> None:
        self.pid = spawned.pid
        """Its process id, and the id of its process group."""
        self._exit_code: int | None = None
        self._lifeline = spawned.lifeline
        self.output_fd = spawned.output
        if self.output_fd is not None:
            os.set_blocking(self.output_fd, False)
            enlarge(self.output_fd)
        for fd in (spawned.inbox, spawned.outbox):
            enlarge(fd)
        self.feed = Feed(spawned.inbox, spawned.permits_in, spawned.permits)
        self._reader = FrameReader(spawned.outbox)
        self.outbox_fd = spawned.outbox
        self.ready_at: float | None = None
        self.blobs: set[bytes] = set()
        self.heard = 0
        """Bytes that the last call of ``read`` found."""
        self.garbled = False
        """It has said what no task process says: user code has written to our pipe."""

    def read(self, now: float) -> list[messages.TaskDone]:
        """What it has said since the last call. It is ended when that is unintelligible."""
        frames = self._reader.read_available()
        self.heard = sum(map(len, frames))
        if self.ready_at is not None and len(frames) >= _MANY:
            with contextlib.suppress(codec.MalformedMessageError):  # then each tells for itself
                return messages.decode_tasks_done(frames)
        done = []
        for data in frames:
            try:
                message = messages.decode_from_task_process(data)
            except codec.MalformedMessageError:
                self.garbled = True
                self.kill()
                break
            if isinstance(message, messages.TaskProcessReady):
                self.ready_at = now
            else:
                done.append(message)
        return done

    def run(
        self,
        tasks: messages.Batch,
        blobs: Mapping[bytes, bytes],
        objects: Mapping[bytes, messages.HoldObject],
    ) -> None:
        """Send tasks, and before them their command and objects, unless the process has them."""
        if tasks.digest not in self.blobs:
            self.blobs.add(tasks.digest)
            self.feed.put(messages.HoldBlob(tasks.digest, blobs[tasks.digest]))
        for digest in tasks.objects:
            if digest not in self.blobs and digest in objects:
                self.blobs.add(digest)
                self.feed.put(objects[digest])
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
        if self._exit_code is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def note_exit(self, status: int) -> str:
        """Take the status that ``waitpid`` gave; how it ended, in the words of ``cause``."""
        code = os.waitstatus_to_exitcode(status)
        self._exit_code = code
        # Whatever it has left in its process group goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return f"signal {-code}" if code < 0 else f"exit {code}"

    def close(self) -> None:
        """Close our ends. It leaves by itself once it is idle, and at once if it already did."""
        self.feed.close()
        os.close(self.outbox_fd)
        os.close(self._lifeline)
        if self.output_fd is not None:
            os.close(self.output_fd)
            self.output_fd = None

    def let_go(self, seconds: float) -> None:
        """Ask it to leave, with all that its interpreter does at exit; then make it."""
        self.feed.close_inbox()
        deadline = time.monotonic() + seconds
        while self._exit_code is None and time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.note_exit(status)
                return
            time.sleep(0.005)
        self.kill()
        with contextlib.suppress(ChildProcessError):
            self.note_exit(os.waitpid(self.pid, 0)[1])
