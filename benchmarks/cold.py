"""From nothing to a first result: `python -m benchmarks.cold NAME WORKERS RESULTS`.

Imports little itself, as its own imports are part of what is measured. The runner puts the time at
which it started this process into a variable; the monotonic clock is the same for all processes.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks import contenders
from benchmarks.tasks import noop

BEGAN = "BENCHMARKS_BEGAN"


def main() -> None:
    """Start a contender, get one result, say how long that took, and end."""
    name, workers, results = sys.argv[1:]
    adapter = contenders.adapter(name)
    adapter.start(int(workers))
    adapter.call(noop)
    seconds = time.monotonic() - float(os.environ[BEGAN])
    own = time.process_time()
    from benchmarks import family  # not before: it is no part of a start

    spent = {**family.processor_seconds(), os.getpid(): own}
    with Path(results).open("a", encoding="utf-8") as file:
        file.write(f'{{"figure": "cold/1", "value": {seconds}}}\n')
        file.write(f'{{"figure": "cold/1/processor", "value": {sum(spent.values())}}}\n')
    adapter.close()


if __name__ == "__main__":
    main()
