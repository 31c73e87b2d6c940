"""The borders: a file for each, with one function, ``check(data)``.

It hands bytes to the real code behind the border, as they would come from the other side, and
returns when that code did what it must: took them, or refused them in the way that it says.
Whatever else is raised is a finding. A new file here is found, fuzzed and tested by itself; what
it should begin with goes into ``corpus/<name>/``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "corpus"

Check = Callable[[bytes], None]


def names() -> list[str]:
    """All borders."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Check:
    """The function of one."""
    check: Check = import_module(f"{__name__}.{name}").check
    return check


def beginnings(name: str) -> list[bytes]:
    """What to begin with at one: the corpus, and nothing at all."""
    return [b"", *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]
