"""How the dispatcher's process ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from crew_core._controller.helpers import retry
from crew_core._wire.segments.lock import Hold
from crew_core._wire.segments.store import FREE


def test_the_segments_of_a_client_that_is_slow_to_die_are_removed(tmp_path: Path) -> None:
    sockets, segments = tmp_path / "s", tmp_path / "segments"
    sockets.mkdir()
    (segments / FREE).mkdir(parents=True)
    dying = Hold(segments)
    command = ["-m", "crew_core._dispatcher", "--controller", "test", "--directory", str(sockets)]
    dispatcher = subprocess.Popen(
        [sys.executable, *command, "--segments", str(segments)], stdout=subprocess.PIPE
    )
    try:
        assert dispatcher.stdout is not None
        assert dispatcher.stdout.readline() == b"READY\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sockets / "client.sock"))
        retry(lambda: not sockets.exists(), seconds_interval=0.001, seconds_timeout=30)
        dying.release()
        assert dispatcher.wait(30) == 0
    finally:
        dispatcher.kill()
        dispatcher.communicate()
    assert not segments.exists()
