"""What is to be sent to the dispatcher: a burst of pushes becomes few messages.

Tasks that are pushed one by one are gathered as they come, those pushed as batches when they go.
"""

from __future__ import annotations

from msgspec.structs import replace

from crew_core._wire import messages

_SMALL_BYTES = messages.SUBMIT_BYTES // messages.SUBMIT_TASKS  # so many such tasks are no stall

Item = messages.ToDispatcher | messages.Batch | messages.Blob


class _Run:
    """Tasks with consecutive ids that were pushed one by one."""

    __slots__ = ("first", "like", "parts")

    def __init__(self, like: messages.Batch, first: int, parts: list[str | bytes]) -> None:
        self.like = like
        self.first = first
        self.parts = parts  # of each task the name and the body

    def batch(self) -> messages.Batch:
        names, bodies = self.parts[::2], self.parts[1::2]
        return replace(self.like, first=self.first, names=names, bodies=bodies)


class Outbox:
    """Takes what is to be sent, in order. Not thread-safe.

    Ctrl-C may strike whoever puts something in at any instruction: each item is there, or is not.
    """

    def __init__(self) -> None:
        self._items: list[Item | _Run] = []
        self._run: _Run | None = None  # the last item, when it is one

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, *items: Item) -> None:
        """Add messages, or parts of them."""
        self._run = None
        self._items.extend(items)

    def put_task(self, like: messages.Batch, task_id: int, name: str, body: bytes) -> None:
        """Add one task to a batch of those that are like it.

        Args:
            like: a batch without tasks; the same object where tasks may go together.
            task_id: the task's id.
            name: its name.
            body: its body, encoded.
        """
        run = self._run
        if len(body) > _SMALL_BYTES:
            self.put(replace(like, first=task_id, names=[name], bodies=[body]))
        elif (
            run is not None
            and run.like is like
            and task_id - run.first == len(run.parts) >> 1 < messages.SUBMIT_TASKS
        ):
            run.parts += (name, body)
        else:
            run = _Run(like, task_id, [name, body])
            self._items.append(run)
            self._run = run  # from now on, as it is among the items

    def take(self) -> list[Item]:
        """Everything, which is then no longer here."""
        items, self._items, self._run = self._items, [], None
        return [item.batch() if isinstance(item, _Run) else item for item in items]


def gather(items: list[Item]) -> list[messages.ToDispatcher]:
    """Neighbouring tasks and blobs become one ``Submit``, up to a size that does not stall."""
    gathered: list[messages.ToDispatcher] = []
    batches: list[messages.Batch] = []
    blobs: list[messages.Blob] = []
    tasks = size = 0

    def finish() -> None:
        nonlocal batches, blobs, tasks, size
        if batches or blobs:
            gathered.append(messages.Submit(_merged(batches), blobs))
            batches, blobs, tasks, size = [], [], 0, 0

    for item in items:
        if isinstance(item, messages.Batch):
            batches.append(item)
            tasks += len(item.bodies)
            size += sum(map(len, item.bodies))
        elif isinstance(item, messages.Blob):
            blobs.append(item)
            size += len(item.payload)
        else:
            finish()
            gathered.append(item)
        if tasks >= messages.SUBMIT_TASKS or size >= messages.SUBMIT_BYTES:
            finish()
    finish()
    return gathered


def _merged(batches: list[messages.Batch]) -> list[messages.Batch]:
    """Neighbours that can be one batch are one: pushes of one task each, mostly."""
    runs: list[list[messages.Batch]] = []
    stop, common = -1, None
    for batch in batches:
        if batch.first == stop and batch.common == common:
            runs[-1].append(batch)
        else:
            runs.append([batch])
            common = batch.common
        stop = batch.ids.stop
    return [_joined(run) for run in runs]


def _joined(run: list[messages.Batch]) -> messages.Batch:
    if len(run) == 1:
        return run[0]
    names = [name for batch in run for name in batch.names]
    bodies = [body for batch in run for body in batch.bodies]
    return replace(run[0], names=names, bodies=bodies)
