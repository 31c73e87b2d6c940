"""Prints the lowest version of each dependency that packages allow, as constraints for pip.

For the Python that runs it, as a dependency may begin later where a Python is younger.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def lowest(manifest: Path) -> dict[str, Version]:
    """Name and lowest version of each dependency with a lower bound; not of our own packages."""
    project = tomllib.loads(manifest.read_text("utf-8"))["project"]
    found = {}
    for requirement in map(Requirement, project.get("dependencies", [])):
        here = requirement.marker is None or requirement.marker.evaluate()
        bounds = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
        if here and bounds and not requirement.name.startswith("crew-"):
            found[requirement.name] = max(bounds)
    return found


def main() -> None:
    """Of all packages; where two differ, the higher holds."""
    bounds: dict[str, Version] = {}
    for manifest in sorted(ROOT.glob("packages/*/pyproject.toml")):
        for name, version in lowest(manifest).items():
            bounds[name] = max(bounds.get(name, version), version)
    for name, version in sorted(bounds.items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
