"""What a user pushes becomes messages to the dispatcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crew_core._controller import references
from crew_core._controller.commands import PreparedCommand
from crew_core._controller.references import Pickled
from crew_core._controller.task_options import TaskOptions
from crew_core._wire import codec, messages


def to_task(
    task_id: int,
    name: str,
    command: PreparedCommand,
    arguments: Pickled,
    crashes: int,
    options: TaskOptions,
    beside: messages.Beside | None = None,
) -> messages.Batch:
    """The message that queues one task."""
    mentioned = (*command.references, *arguments.references)
    return _batch(
        task_id,
        [name],
        command,
        [to_body(arguments, options, beside)],
        options,
        crashes,
        references.digests(mentioned) if mentioned else (),
    )


def to_batches(
    command: PreparedCommand,
    first: int,
    names: list[str],
    arguments: Sequence[bytes],
    options: TaskOptions,
    seeds: Sequence[int | None],
) -> list[messages.Batch]:
    """The messages that queue tasks without references or large buffers."""
    body, encode, algorithm = messages.TaskBody, codec.encode, options.algorithm
    pairs = zip(arguments, seeds, strict=True)
    bodies = [encode(body(data, seed, algorithm)) for data, seed in pairs]
    return [
        _batch(first + here.start, names[here], command, bodies[here], options)
        for here in _slices(bodies)
    ]


def _slices(bodies: list[bytes]) -> Iterator[slice]:
    """Parts that do not stall whoever reads them."""
    start = size = 0
    for i, body in enumerate(bodies):
        too_large = size and size + len(body) > messages.SUBMIT_BYTES
        if i - start >= messages.SUBMIT_TASKS or too_large:
            yield slice(start, i)
            start, size = i, 0
        size += len(body)
    if start < len(bodies):
        yield slice(start, len(bodies))


def template(command: PreparedCommand, options: TaskOptions) -> messages.Batch:
    """The message that queues tasks, without the tasks."""
    return _batch(0, [], command, [], options)


def to_body(
    arguments: Pickled, options: TaskOptions, beside: messages.Beside | None = None
) -> bytes:
    """What only the task process reads of a task, encoded."""
    body = messages.TaskBody(arguments.data, options.seed, options.algorithm, None, beside)
    return codec.encode(body)


def _batch(
    first: int,
    names: list[str],
    command: PreparedCommand,
    bodies: list[bytes],
    options: TaskOptions,
    crashes: int = 0,
    objects: tuple[bytes, ...] = (),
) -> messages.Batch:
    return messages.Batch(
        first,
        names,
        command.blob.digest,
        bodies,
        options.priority,
        crashes,
        options.seconds_timeout,
        options.seconds_queue,
        options.seconds_expected,
        objects,
    )
