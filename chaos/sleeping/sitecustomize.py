"""Lets Python sleep under a libfaketime whose ``clock_nanosleep`` fails, as that of 0.9.10 does."""

from __future__ import annotations

import os
import select
import time
from typing import SupportsIndex

if "faketime" in os.environ.get("LD_PRELOAD", ""):

    def _sleep(seconds: float | SupportsIndex, /) -> None:
        select.select((), (), (), float(seconds))

    time.sleep = _sleep
