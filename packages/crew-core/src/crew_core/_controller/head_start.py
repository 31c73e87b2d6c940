"""What is started before a session is even imported: its dispatcher, which comes up meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crew_core._client.dispatcher_process import DispatcherProcess
from crew_core._wire import places
from crew_core._wire.segments import directory
from crew_core._wire.segments.lock import remove

if TYPE_CHECKING:
    from pathlib import Path

    from crew_core._wire.segments.lock import Hold


class HeadStart:
    """A dispatcher for workers on this computer, and a directory for segments that it looks after.

    Args:
        controller: the controller's name.

    Attributes:
        process: the dispatcher, which is not ready yet.
        segments: the directory, held; None where there can be none.

    Raises:
        DispatcherError: the dispatcher cannot be started.
    """

    def __init__(self, controller: str) -> None:
        self._directory = places.make_controller_directory()
        self.segments: tuple[Path, Hold] | None = directory.make()
        watched = "" if self.segments is None else str(self.segments[0])
        try:
            self.process = DispatcherProcess(self._directory, controller, segments=watched)
        except BaseException:
            self._remove()
            raise

    def withdraw(self) -> None:
        """No session follows. Does no harm after one that has cleaned up."""
        self.process.end(0)
        self._remove()

    def _remove(self) -> None:
        import shutil

        shutil.rmtree(self._directory, ignore_errors=True)
        if self.segments is not None:
            path, hold = self.segments
            remove(path)
            hold.release()
