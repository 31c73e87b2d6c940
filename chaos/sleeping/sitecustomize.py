"""Lets Python sleep under a libfaketime whose ``clock_nanosleep`` fails, as that of 0.9.10 does."""

from __future__ import annotations

import os
import select
import time

if "faketime" in os.environ.get("LD_PRELOAD", ""):

    def _sleep(seconds: float) -> None:
        select.select((), (), (), seconds)

    time.sleep = _sleep
