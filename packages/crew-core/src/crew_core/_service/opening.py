"""The first words on a connection between a service and a caller."""

from __future__ import annotations

from typing import Any

from crew_core._wire import codec
from crew_core._wire.messages import Message

PROTOCOL = 1
"""Version of what services and callers say to each other; those that differ refuse each other."""


class Knock(Message, frozen=True):
    """A caller's: who it claims to be."""

    protocol: int
    secret: str

    def __repr__(self) -> str:
        return "Knock(***)"


class Entry(Message, frozen=True):
    """The service's: come in."""


class Refusal(Message, frozen=True):
    """The service's: stay out."""

    why: str


read_knock: codec.Decoder[Knock] = codec.Decoder(Knock)
read_answer: codec.Decoder[Any] = codec.Decoder(Entry | Refusal)
