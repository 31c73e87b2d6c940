"""Lets the tests import the benchmarks, which are no distribution."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what has an &
    signal.signal(signal.SIGINT, signal.default_int_handler)
