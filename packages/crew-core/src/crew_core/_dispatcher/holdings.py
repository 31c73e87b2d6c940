"""What tasks need besides themselves, and what of it each worker has: commands and objects. Pure.

A command or an object is sent to a worker with the first task that needs it. The objects of one
worker stay below a limit, if its tasks let them: those that were not used for longest are forgotten
there, and sent again when they are needed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from crew_core._dispatcher.actions import Action, DropObjects, SendObject, TellWorker
from crew_core._dispatcher.instances import Instance
from crew_core._wire import messages


class Holdings:
    """Commands, and the sizes of objects.

    Args:
        object_bytes: what one worker's objects may take.
    """

    def __init__(self, object_bytes: int) -> None:
        self._object_bytes = object_bytes
        self.commands: dict[bytes, bytes] = {}
        self._sizes: dict[bytes, int] = {}  # of objects

    def keep(self, commands: Iterable[messages.Blob]) -> None:
        """Tasks will need these commands."""
        for blob in commands:
            self.commands[blob.digest] = blob.payload

    def note_object(self, digest: bytes, size: int) -> None:
        """Tasks will need this object."""
        self._sizes[digest] = size

    def drop(self, digests: list[bytes], living: Iterable[Instance]) -> list[Action]:
        """No task will need these: let everybody forget them."""
        for digest in digests:
            self.commands.pop(digest, None)
        objects = [digest for digest in digests if self._sizes.pop(digest, None) is not None]
        told: list[Action] = [DropObjects(objects)] if objects else []
        for instance in living:
            held = [d for d in digests if d in instance.blobs or d in instance.objects]
            instance.blobs.difference_update(held)
            for digest in held:
                instance.objects.pop(digest, None)
            if held:
                told.append(TellWorker(instance.id, messages.ForgetBlobs(held)))
        return told

    def commands_for(
        self, instance: Instance, tasks: Iterable[messages.Batch]
    ) -> list[messages.Blob]:
        """The commands of these tasks that the worker has not had. From now on it has."""
        lacking = dict.fromkeys(t.digest for t in tasks if t.digest not in instance.blobs)
        instance.blobs.update(lacking)
        return [messages.Blob(digest, self.commands[digest]) for digest in lacking]

    def objects_for(
        self,
        instance: Instance,
        tasks: Iterable[messages.Batch],
        pinned: Iterable[messages.Batch],
    ) -> list[Action]:
        """What to do so that the worker has the objects of these tasks. From now on it has.

        Args:
            instance: the worker.
            tasks: which it is about to be given, and which count among its assigned ones.
            pinned: tasks that it may run again at any time.
        """
        wanted = dict.fromkeys(d for t in tasks for d in t.objects if d in self._sizes)
        send = [digest for digest in wanted if digest not in instance.objects]
        for digest in wanted:  # the last used comes last
            instance.objects.pop(digest, None)
            instance.objects[digest] = None
        evicted = self._evict(instance, pinned)
        told: list[Action] = []
        if evicted:
            told.append(TellWorker(instance.id, messages.ForgetBlobs(evicted)))
        return told + [SendObject(instance.id, digest) for digest in send]

    def _evict(self, instance: Instance, pinned: Iterable[messages.Batch]) -> list[bytes]:
        excess = sum(self._sizes[d] for d in instance.objects) - self._object_bytes
        if excess <= 0:
            return []
        needed = {d for task in pinned for d in task.objects}
        needed.update(d for entry in instance.assigned.values() for d in entry.batch.objects)
        evicted = []
        for digest in list(instance.objects):
            if excess > 0 and digest not in needed:
                del instance.objects[digest]
                evicted.append(digest)
                excess -= self._sizes[digest]
        return evicted
