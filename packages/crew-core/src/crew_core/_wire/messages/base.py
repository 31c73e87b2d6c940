"""What all messages have in common: their bases, the protocol's version, its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from crew_core._model.states import Status

PROTOCOL = 1
"""Version of everything in this folder. Two processes that differ in it refuse each other."""

WARM_UP_IDS = 1 << 62
"""Task ids from here on belong to warm-ups, which run on every worker; see ``WarmUp``."""

PAYLOAD_MAX = (1 << 32) - (1 << 24)
"""The most bytes of one pickled thing: frames tell their length in 32 bits, and hold more too."""

SUBMIT_TASKS = 1000
SUBMIT_BYTES = 4 << 20
"""About as much as one ``Submit`` should carry: more would keep its reader from all else."""


MANY = 1 << 20
"""The most elements in a list that a worker sends.

A decoder makes room for as many as a list's first bytes announce, before it has seen one of them.
"""

# What a decoder takes no other value for; it costs nothing where a message is made.

if TYPE_CHECKING:
    StatusCode = int
else:
    StatusCode = Literal[tuple(int(status) for status in Status)]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""A duration: neither negative nor without end, nor what is no number."""


# Nothing in a message refers back to it, so the garbage collector need not look at any (gc=False).


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of the messages: positional on the wire, tagged with the class's name."""


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of what messages are made of."""
