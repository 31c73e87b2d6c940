"""The client's end of a dispatcher's life."""

from __future__ import annotations

import os
from typing import cast

import pytest

from crew_core._client.client import Client, Conversation, Dispatcher
from crew_core._client.outbox import Item
from crew_core._model.errors import DispatcherError
from crew_core._wire import messages


class Other:
    """A dispatcher that says hello and nothing else, whose end its connection never tells of."""

    pid = os.getpid()

    def __init__(self) -> None:
        self.client: Client | None = None

    def post(self, *items: Item) -> None:
        for item in items:
            if isinstance(item, messages.ClientHello):
                assert self.client is not None
                hello = messages.DispatcherHello(messages.PROTOCOL, self.pid, "nowhere")
                self.client._on_message(hello)

    def close(self) -> None:
        pass

    def end(self, seconds: float) -> None:
        pass

    def is_receiving_thread(self) -> bool:
        return False


class ClientOfOther(Client):
    def _open(self, settings: messages.WorkerSettings) -> tuple[Dispatcher, Conversation]:
        other = Other()
        other.client = self
        return cast("Dispatcher", other), cast("Conversation", other)


def test_who_asks_after_the_end_is_refused_at_once() -> None:
    client = ClientOfOther(
        settings=messages.WorkerSettings(controller="c", root_seed="1"),
        retry=messages.RetryPolicy(),
        seconds_heartbeat=30,
        object_bytes=0,
        seconds_timeout=60,
        listener=lambda _: None,
        on_lost=lambda _: None,
    )
    client.stop()
    with pytest.raises(DispatcherError, match="was terminated"):
        client.inspect()
