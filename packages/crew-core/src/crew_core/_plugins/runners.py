"""Makes what a user's ``via=`` asks for: the runner that a plugin provides, with its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crew_core._launcher.command_runner import CommandRunner
from crew_core._model.errors import ConfigError
from crew_core._model.options import make_options
from crew_core._plugins.registry import find_runner

_ADDRESS = "address"


def command_runner(via: str | Mapping[str, Any]) -> CommandRunner:
    """The computer that a user means by ``via=``. Nothing is reached yet.

    Args:
        via: its address, such as "ssh://login.cluster"; or a table with the address and options
            of what reaches it: ``{"address": "ssh://login.cluster", "tunnel": True}``.

    Raises:
        ConfigError: for what is no address, an unknown option or an impossible value.
        TypeError: for a value of the wrong type.
        PluginNotFoundError: when nothing is installed that reaches such an address.
        PluginError: when what does is broken.

    Example::

        >>> from crew_core.plugins import command_runner
        >>> command_runner("nowhere://login.cluster")
        Traceback (most recent call last):
        ...
        crew_core._model.errors.PluginNotFoundError: no runner 'nowhere'. Known here: ...
    """
    if not isinstance(via, str | Mapping):
        raise TypeError(f"via={via!r}: must be an address or a table, not {type(via).__name__}")
    table: dict[str, Any] = {_ADDRESS: via} if isinstance(via, str) else dict(via)
    address = table.pop(_ADDRESS, None)
    if not isinstance(address, str) or not all(address.partition("://")):
        raise ConfigError(
            f'via={via!r}: must be, or have as its {_ADDRESS!r}, "ssh://HOST" or the like'
        )
    kind = find_runner(address.partition("://")[0])
    return kind(address, make_options(kind.Options, table))
