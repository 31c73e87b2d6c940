"""The way from a client to the dispatcher that it has started."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from crew_core._client.client import _dial
from crew_core._client.dispatcher_process import DispatcherProcess
from crew_core._model.errors import DispatcherError
from crew_core._wire import places


def test_a_dispatcher_that_dies_just_before_it_is_dialled_is_said_to_have_died() -> None:
    directory = places.make_controller_directory()
    try:
        process = DispatcherProcess(directory, "test")
        process.wait_until_ready(60)
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        with pytest.raises(DispatcherError, match="cannot be reached: killed by signal 9"):
            _dial(directory, process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
