"""Undoes what an interrupt leaves of an import that it broke off.

Python then forgets the package, and keeps those of its submodules that were imported already. When
the package is imported again they are not bound to it, and whatever counts on that fails for as
long as the process lives: ``pathlib`` does, in some versions.
"""

from __future__ import annotations

import sys


def forget_broken_imports() -> None:
    """Drop the submodules of packages that are not there, to be imported with them again."""
    for name in sorted(sys.modules):  # a package comes before what is in it
        parent = name.rpartition(".")[0]
        if parent and parent not in sys.modules:
            del sys.modules[name]
