"""Which hosts a connection goes through. Pure: who knows the user's setup is asked."""

from __future__ import annotations

from collections.abc import Callable

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.settings import Settings


def route_to(
    alias: str, settings: Callable[[str], Settings], _before: tuple[str, ...] = ()
) -> tuple[Settings, ...]:
    """The hosts from the first that is dialled to the one that is meant.

    The first of a host's jumps is reached as its own settings say; each later one through the one
    before it, as ssh does.

    Raises:
        SshError: the jumps lead in a circle, or what ``settings`` raises.
    """
    if alias in _before:
        circle = " → ".join([*_before, alias])
        raise SshError(
            f"ProxyJump leads in a circle: {circle}. Look at your SSH configuration",
            transient=False,
        )
    target = settings(alias)
    if not target.jumps:
        return (target,)
    first, *others = target.jumps
    way = route_to(first, settings, (*_before, alias))
    return (*way, *(settings(hop) for hop in others), target)
