"""How the dispatcher's process ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from crew_core._controller.helpers import retry
from crew_core._wire.segments.lock import Hold
from crew_core._wire.segments.store import FREE

# It waits for the dying longer than usual: this client, the test, may be slow on a busy machine.
PATIENT = """
import sys
from crew_core._wire import bare_msgspec
bare_msgspec.load()
from crew_core._dispatcher import __main__ as program
program.DYING_SECONDS = 600.0
sys.exit(program.main())
"""


def test_the_segments_of_a_client_that_is_slow_to_die_are_removed(tmp_path: Path) -> None:
    sockets, segments = tmp_path / "s", tmp_path / "segments"
    sockets.mkdir()
    (segments / FREE).mkdir(parents=True)
    dying = Hold(segments)
    options = ["--controller", "test", "--directory", str(sockets), "--segments", str(segments)]
    dispatcher = subprocess.Popen([sys.executable, "-c", PATIENT, *options], stdout=subprocess.PIPE)
    try:
        assert dispatcher.stdout is not None
        assert dispatcher.stdout.readline() == b"READY\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sockets / "client.sock"))
        retry(lambda: not sockets.exists(), seconds_interval=0.001, seconds_timeout=60)
        assert segments.exists()
        dying.release()
        assert dispatcher.wait(60) == 0
    finally:
        dispatcher.kill()
        dispatcher.communicate()
    assert not segments.exists()
