"""Selects the packages that a change can break, and prints them as JSON for the CI matrix."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

CORE = "crew-core"
SHARED = (".ci", ".github", "constraints.txt", "dev.py", "noxfile.py", "pyproject.toml", "tests")


def selected(paths: Iterable[str], packages: Sequence[str]) -> list[str]:
    """Select from `packages` those that a change of the files `paths` can break.

    Every plugin stands on the core, so a change of the core or of a shared file selects all;
    a change of a plugin, or of the testbeds that only it uses, selects only itself.
    """
    touched: set[str] = set()
    for path in paths:
        touched.update(_reach(PurePosixPath(path).parts, packages))
    return [package for package in packages if package in touched]


def _reach(parts: tuple[str, ...], packages: Sequence[str]) -> Sequence[str]:
    match parts:
        case ("packages", package, *_):
            return packages if package == CORE else (package,)
        case ("testbeds", "aws_batch", *_):
            return ("crew-aws-batch",)
        case ("testbeds", *_):
            return ("crew-aws-batch", "crew-cluster")
        case (top, *_) if top in SHARED:
            return packages
    return ()


def changed_files(base: str, root: Path) -> list[str] | None:
    """List the files changed between `base` and HEAD, or None where there is no such commit."""
    if _git(root, "cat-file", "-e", f"{base}^{{commit}}").returncode != 0:
        return None
    difference = _git(root, "diff", "--name-only", f"{base}...HEAD")
    difference.check_returncode()
    return difference.stdout.splitlines()


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, check=False, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Print the packages changed between BASE and HEAD: all, where nothing came before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="commit to compare with, e.g. origin/main")
    base = parser.parse_args().base
    root = Path(__file__).parent.parent
    packages = sorted(path.parent.name for path in root.glob("packages/*/pyproject.toml"))
    changed = changed_files(base, root)
    print(json.dumps(packages if changed is None else selected(changed, packages)))


if __name__ == "__main__":
    main()
