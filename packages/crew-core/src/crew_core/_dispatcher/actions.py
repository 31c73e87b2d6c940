"""What the pure state asks the loop to do."""

from __future__ import annotations

from dataclasses import dataclass

from crew_core._wire import messages


@dataclass(frozen=True)
class TellClient:
    """Send a message to the client."""

    message: messages.ToClient


@dataclass(frozen=True)
class TellWorker:
    """Send a message to a worker that is online."""

    instance: str
    message: messages.ToWorker


@dataclass(frozen=True)
class SendObject:
    """Send an object to a worker that is online."""

    instance: str
    digest: bytes


@dataclass(frozen=True)
class DropObjects:
    """No task will need these any more."""

    digests: list[bytes]


@dataclass(frozen=True)
class Admit:
    """Let a connection in: it is this instance, for the first time or again."""

    pipe: int
    instance: str
    again: bool
    welcome: messages.Welcome


@dataclass(frozen=True)
class TurnAway:
    """Tell a connection why it is refused, and hang up."""

    pipe: int
    refused: messages.Refused


@dataclass(frozen=True)
class HangUp:
    """An instance is no more: forget the conversation, and close the connection if there is one."""

    instance: str


@dataclass(frozen=True)
class Exit:
    """Nothing is left to do: end the process."""


Action = TellClient | TellWorker | SendObject | DropObjects | Admit | TurnAway | HangUp | Exit
