"""What the pure state asks the loop to do."""

# Not dataclasses: each start would pay for what makes them.

from __future__ import annotations

import msgspec

from crew_core._wire import messages


class TellClient(msgspec.Struct, frozen=True):
    """Send a message to the client."""

    message: messages.ToClient


class TellWorker(msgspec.Struct, frozen=True):
    """Send a message to a worker that is online."""

    instance: str
    message: messages.ToWorker


class SendObject(msgspec.Struct, frozen=True):
    """Send an object to a worker that is online."""

    instance: str
    digest: bytes


class DropObjects(msgspec.Struct, frozen=True):
    """No task will need these any more."""

    digests: list[bytes]


class Admit(msgspec.Struct, frozen=True):
    """Let a connection in: it is this instance, for the first time or again."""

    pipe: int
    instance: str
    again: bool
    welcome: messages.Welcome


class TurnAway(msgspec.Struct, frozen=True):
    """Tell a connection why it is refused."""

    pipe: int
    refused: messages.Refused
    instance: str = ""  # whose launch has failed by that; empty when it proved to be nobody's


class HangUp(msgspec.Struct, frozen=True):
    """An instance is no more: forget the conversation, and close the connection if there is one."""

    instance: str


class Exit(msgspec.Struct, frozen=True):
    """Nothing is left to do: end the process."""


Action = TellClient | TellWorker | SendObject | DropObjects | Admit | TurnAway | HangUp | Exit
