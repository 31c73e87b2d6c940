"""Tasks that are pushed one by one: what they have in common is said once for many of them."""

from __future__ import annotations

from typing import Any

from crew_core._client.client import Client
from crew_core._controller.commands import PreparedCommand
from crew_core._controller.handle import Task
from crew_core._controller.references import Pickled
from crew_core._controller.submission import template, to_body
from crew_core._controller.task_options import PLAIN, TaskOptions
from crew_core._wire import messages


class Singles:
    """Sends such tasks, as long as they use nothing that was put and never crashed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._like = messages.Batch(0, [], b"", [])  # the last one's, without the task itself
        self._options = PLAIN

    def send(
        self, handle: Task[Any], command: PreparedCommand, arguments: Pickled, options: TaskOptions
    ) -> None:
        """Queue one. The dispatcher has its command."""
        digest = command.blob.digest
        if self._like.digest != digest or not (
            options is self._options or _queued_alike(options, self._options)
        ):
            self._like, self._options = template(command, options), options
        self._client.submit_one(self._like, handle.id, handle._name, to_body(arguments, options))


def _queued_alike(one: TaskOptions, other: TaskOptions) -> bool:
    """True when the dispatcher treats both the same."""
    return (
        one.priority == other.priority
        and one.seconds_timeout == other.seconds_timeout
        and one.seconds_queue == other.seconds_queue
        and one.seconds_expected == other.seconds_expected
    )
