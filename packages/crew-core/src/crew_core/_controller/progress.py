"""The bar that ``map`` shows where a person looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from crew_core._controller.handle import Task

_REFRESH_SECONDS = 0.2


@contextmanager
def watching(handles: Sequence[Task[Any]], progress: bool | None) -> Iterator[Callable[[], float]]:
    """Show how many tasks are done while the body waits.

    Yields:
        A function to call before each wait: it brings the bar up to date and says how many
        seconds to wait at most until it is called again.
    """
    if progress is False or (progress is None and not _somebody_looks()):
        yield lambda: float("inf")
        return
    from tqdm.auto import tqdm

    with tqdm(total=len(handles), unit="task") as bar:

        def refresh() -> float:
            bar.n = sum(handle.done() for handle in handles)
            bar.refresh()
            return _REFRESH_SECONDS

        yield refresh
        refresh()


def _somebody_looks() -> bool:
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"
