"""Prepares a release of one package: its changelog from the fragments, its version; says the tag.

    python scripts/release.py crew-core 0.2.0      write CHANGELOG.md and the version
    python scripts/release.py --check crew-core-v0.2.0    does this tag fit what is committed?

A fragment is packages/NAME/changelog.d/TOPIC.KIND.md, KIND being added, changed or fixed.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed"}
VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
NUMBER = r"\d+\.\d+\.\d+((a|b|rc)\d+)?"


def fragments(package: Path) -> dict[str, list[Path]]:
    """The fragments by kind; one of an unknown kind ends the program."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(package.glob("changelog.d/*.md")):
        if path.name == "README.md":
            continue
        kind = path.stem.rpartition(".")[2]
        if kind not in KINDS:
            sys.exit(f"{path}: its name must end with .{', .'.join(KINDS)} and .md")
        found[kind].append(path)
    return found


def section(version: str, day: str, found: dict[str, list[Path]]) -> str:
    """What is new in a version, as Markdown."""
    lines = [f"## {version} ({day})"]
    for kind, paths in found.items():
        if paths:
            lines += ["", f"### {KINDS[kind]}", ""]
            lines += [
                "- " + path.read_text("utf-8").strip().replace("\n", "\n  ") for path in paths
            ]
    return "\n".join(lines) + "\n"


def release(package: Path, version: str, day: str) -> str:
    """Write the changelog and the version, and remove the fragments; the tag to make."""
    found = fragments(package)
    used = [path for paths in found.values() for path in paths]
    if not used:
        sys.exit(f"nothing to release: {package}/changelog.d has no fragments")
    changelog = package / "CHANGELOG.md"
    head = f"# Changes of {package.name}\n"
    before = changelog.read_text("utf-8").removeprefix(head) if changelog.is_file() else ""
    changelog.write_text(f"{head}\n{section(version, day, found)}{before}", "utf-8")
    manifest = package / "pyproject.toml"
    manifest.write_text(VERSION.sub(f'version = "{version}"', manifest.read_text("utf-8"), count=1))
    for path in used:
        path.unlink()
    return f"{package.name}-v{version}"


def check(tag: str) -> str:
    """Name and version of a tag, if both are those of a package here."""
    name, _, version = tag.rpartition("-v")
    manifest = ROOT / "packages" / name / "pyproject.toml"
    if not name or not manifest.is_file():
        sys.exit(f"{tag}: there is no package {name!r}")
    written = VERSION.search(manifest.read_text("utf-8"))
    if written is None or written[1] != version:
        sys.exit(f"{tag}: {manifest} has version {written and written[1]}")
    if any(fragments(manifest.parent).values()):
        sys.exit(f"{tag}: changelog.d still has fragments; run scripts/release.py before tagging")
    return f"package={name}\nversion={version}"


def main() -> None:
    """Prepare, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", metavar="TAG")
    parser.add_argument("package", nargs="?")
    parser.add_argument("version", nargs="?")
    arguments = parser.parse_args()
    if arguments.check:
        print(check(arguments.check))
        return
    if not arguments.package or not re.fullmatch(NUMBER, arguments.version or ""):
        parser.error("say a package and a version, such as: crew-core 0.2.0")
    package = ROOT / "packages" / arguments.package
    if not (package / "pyproject.toml").is_file():
        parser.error(f"there is no {package}")
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    print(f"commit this, then: git tag {release(package, arguments.version, day)}")


if __name__ == "__main__":
    main()
