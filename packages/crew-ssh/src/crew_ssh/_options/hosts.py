"""What a user says of one host: a name, or a table with more. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crew_core.plugins import ConfigError

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_SLOTS_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class HostOptions:
    """One host, with what holds for all where the user says nothing about this one.

    Attributes:
        host: as ssh knows it: a name, an address, an alias of ``~/.ssh/config``, with or without
            ``user@``; or ``ssh://user@host:port``.
        slots: how many workers it takes at once; None: as many as it has processors.
        python: the interpreter there; None: the controller's version of Python, found on PATH.
        env: variables that its workers get.
        prologue: lines for its ``sh`` before anything else, such as "module load python".
        workdir: the directory in which tasks begin; None: the home directory.
        bootstrap: crew is installed for the time being where it is missing.
    """

    host: str
    slots: int | None = None
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    prologue: tuple[str, ...] = ()
    workdir: str | None = None
    bootstrap: bool = False

    def __post_init__(self) -> None:
        check_address(self.host)
        if self.slots is not None:
            _check_slots(self.slots)
        check_path("python", self.python)
        check_path("workdir", self.workdir)
        check_variables(self.env)
        object.__setattr__(self, "prologue", lines_of("prologue", self.prologue))
        if not isinstance(self.bootstrap, bool):
            raise TypeError(f"bootstrap={self.bootstrap!r}: must be True or False")

    def plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**dataclasses.asdict(self), "env": dict(self.env)}


def host_options(given: object, common: Mapping[str, Any]) -> HostOptions:
    """A host from an element of ``hosts``.

    Args:
        given: its name, or a table of the fields of ``HostOptions``.
        common: what holds for all hosts that say nothing else, by field. Variables are joined.

    Raises:
        ConfigError: for an impossible value or an unknown key.
        TypeError: for a value of the wrong type.
    """
    table = {"host": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping):
        raise TypeError(f"hosts: {given!r} must be a host's name or a table, not {_kind(given)}")
    known = [field.name for field in dataclasses.fields(HostOptions)]
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ConfigError(f"hosts: unknown key {unknown[0]!r}. Valid keys: {', '.join(known)}")
    if "host" not in table:
        raise ConfigError(f"hosts: {dict(table)!r} does not say which host: add host=")
    values = {**common, **table}
    own = table.get("env") or {}
    if isinstance(own, Mapping):
        values["env"] = {**common.get("env", {}), **own}
    return HostOptions(**values)


def all_hosts(given: Sequence[object], common: Mapping[str, Any]) -> tuple[HostOptions, ...]:
    """The hosts of a launcher.

    Raises:
        ConfigError: there is none, or one is named twice, or an impossible value.
        TypeError: for a value of the wrong type.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f'hosts={given!r}: must be a list of hosts, as in hosts=["node1"]')
    hosts = tuple(host_options(entry, common) for entry in given)
    if not hosts:
        raise ConfigError('hosts=[]: name the hosts that workers may run on: hosts=["node1"]')
    names = [host.host for host in hosts]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"hosts: {twice[0]!r} is named twice; give it more slots= instead")
    return hosts


# ── Checks ─────────────────────────────────────────────────────────────────────────────────────


def check_address(host: object) -> None:
    """Refuse what cannot be a host, or what a program ``ssh`` would take for an option."""
    if not isinstance(host, str):
        raise TypeError(f"hosts: {host!r} must be text, not {_kind(host)}")
    if not host or host.startswith("-") or not host.isprintable() or set(host) & set(" '\"\\$`"):
        raise ConfigError(f'hosts: {host!r} must be a host as ssh knows it, such as "me@node1"')


def check_variables(variables: object) -> None:
    """Refuse what cannot be variables of an environment."""
    if not isinstance(variables, Mapping):
        raise TypeError(f"env={variables!r}: must be a table of variables, not {_kind(variables)}")
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"env: {name!r} and its value must be text")
        if re.fullmatch(_VARIABLE, name) is None:
            raise ConfigError(f"env: {name!r} cannot be the name of a variable")
        if "\0" in value:
            raise ConfigError(f"env: the value of {name} must not hold NUL")


def check_path(option: str, value: object) -> None:
    """Refuse what cannot be a path on a host."""
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"{option}={value!r}: must be text, not {_kind(value)}")
    if not value or not value.isprintable():
        raise ConfigError(f"{option}={value!r}: must be a path on the host")


def lines_of(option: str, value: object) -> tuple[str, ...]:
    """Lines for a shell, as a tuple."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{option}={value!r}: must be a list of lines")
    for line in value:
        if not isinstance(line, str):
            raise TypeError(f"{option}: {line!r} must be text, not {_kind(line)}")
        if "\0" in line:
            raise ConfigError(f"{option}: {line!r} must not hold NUL")
    return tuple(value)


def _check_slots(slots: object) -> None:
    if isinstance(slots, bool) or not isinstance(slots, int):
        raise TypeError(f"slots={slots!r}: must be a whole number, not {_kind(slots)}")
    if not 1 <= slots <= _SLOTS_MOST:
        raise ConfigError(f"slots={slots!r}: must be at least 1, and {_SLOTS_MOST} at most")


def _kind(value: object) -> str:
    return type(value).__name__
