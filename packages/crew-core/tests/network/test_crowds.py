"""Many strangers at once: they cost the dispatcher little memory, and the work goes on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import psutil
import pytest

import crew_core as crew
from crew_core._wire.network.door import split_url

Make = Callable[..., crew.Controller]

SECONDS = 90
MOST_GROWTH = 100_000_000
"""Bytes: 256 strangers, a handshake begun with each."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_thousands_of_strangers_cost_little_memory_and_the_work_goes_on(make: Make) -> None:
    controller = make(host="127.0.0.1", workers=2)
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
    dispatcher = psutil.Process(controller.client.pid)
    before = dispatcher.memory_info().rss
    (address,) = split_url(controller.client.url)
    with contextlib.ExitStack() as stack:
        for _ in range(700):
            stack.enter_context(socket.create_connection(address))
        for i in range(3000):
            with socket.create_connection(address) as connection, contextlib.suppress(OSError):
                connection.sendall(b"\x16\x03\x01\x40\x00" + bytes(2000))
            if i % 500 == 0:
                assert controller.submit(sum, [1, i]).result(SECONDS) == i + 1
        # New workers get in as well, between the strangers.
        controller.launch(2)
        table = controller.map("x", {"x": range(1000)})
        assert table["result"].tolist() == list(range(1000))
        assert dispatcher.memory_info().rss - before < MOST_GROWTH
    crew.retry(lambda: controller.client.summary()["online"].sum() >= 2, seconds_timeout=SECONDS)
    # It takes notice of each that has gone in its own time.
    crew.retry(lambda: dispatcher.num_fds() < 100, seconds_timeout=SECONDS)
