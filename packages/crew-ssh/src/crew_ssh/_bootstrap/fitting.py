"""Which compiled distributions run on which host. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_OLD_NAMES = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_OLDEST_MINOR = 17
_PYTHON_PARTS = 2


@dataclass(frozen=True)
class Machine:
    """What matters of a host.

    Attributes:
        python: version of its interpreter: (3, 11).
        system: "Linux", "Darwin".
        architecture: "x86_64", "aarch64".
        glibc: version of the C library: (2, 36); None: another library.
    """

    python: tuple[int, int]
    system: str
    architecture: str
    glibc: tuple[int, int] | None

    @classmethod
    def from_hello(cls, hello: Mapping[str, Any]) -> Machine:
        """From what an agent says of its host."""
        version = [int(part) for part in str(hello["python"]).split(".")[:_PYTHON_PARTS]]
        name, libc = hello["libc"]
        numbers = [int(part) for part in re.findall(r"\d+", libc)[:2]]
        glibc = (numbers[0], numbers[1]) if name == "glibc" and len(numbers) > 1 else None
        return cls((version[0], version[1]), hello["system"], hello["machine"], glibc)

    @property
    def platforms(self) -> list[str]:
        """The platforms of wheels that it can use, the newest first, as pip takes them."""
        if self.system != "Linux" or self.glibc is None:
            return []
        major, minor = self.glibc
        found = []
        for each in range(minor, _OLDEST_MINOR - 1, -1):
            found.append(f"manylinux_{major}_{each}_{self.architecture}")
        return [*found, f"manylinux2014_{self.architecture}"]


def fits(tags: Iterable[str], machine: Machine) -> bool:
    """True when a wheel with one of these tags runs there."""
    return any(_tag_fits(tag, machine) for tag in tags)


def _tag_fits(tag: str, machine: Machine) -> bool:
    python, abi, platform = tag.split("-", 2)
    return _python_fits(python, abi, machine) and _platform_fits(platform, machine)


def _python_fits(python: str, abi: str, machine: Machine) -> bool:
    if abi == "none":
        return python.startswith("py3") or python == _own(machine)
    if abi == "abi3":
        match = re.fullmatch(r"cp3(\d+)", python)
        return match is not None and machine.python >= (3, int(match[1]))
    return python == _own(machine) and abi == python


def _own(machine: Machine) -> str:
    return f"cp{machine.python[0]}{machine.python[1]}"


def _platform_fits(platform: str, machine: Machine) -> bool:
    if platform == "any":
        return True
    if machine.system != "Linux" or machine.glibc is None:
        return False
    if match := _GLIBC.fullmatch(platform):
        needed = (int(match[1]), int(match[2]))
        return machine.architecture == match[3] and machine.glibc >= needed
    name, _, architecture = platform.partition("_")
    return architecture == machine.architecture and (
        name in _OLD_NAMES and machine.glibc >= _OLD_NAMES[name]
    )
