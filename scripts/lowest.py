"""Prints the lowest version of each dependency that packages allow, as constraints for pip."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def lowest(manifest: Path) -> dict[str, str]:
    """Name and lowest version of each dependency with a lower bound; not of our own packages."""
    project = tomllib.loads(manifest.read_text("utf-8"))["project"]
    found = {}
    for dependency in project.get("dependencies", []):
        match = re.match(r"([\w.-]+)\s*(?:\[[^]]*\])?\s*>=\s*([\w.]+)", dependency)
        if match and not match[1].startswith("crew-"):
            found[match[1]] = match[2]
    return found


def main() -> None:
    """Of all packages; where two differ, the higher holds."""
    bounds: dict[str, str] = {}
    for manifest in sorted(ROOT.glob("packages/*/pyproject.toml")):
        for name, version in lowest(manifest).items():
            bounds[name] = max(bounds.get(name, "0"), version, key=_order)
    for name, version in sorted(bounds.items()):
        print(f"{name}=={version}")


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


if __name__ == "__main__":
    main()
