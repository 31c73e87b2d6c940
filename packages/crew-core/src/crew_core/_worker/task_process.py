"""The process that runs users' code: takes tasks from its supervisor, one at a time.

Started as ``python -m crew_core._worker.task_process INBOX PERMITS OUTBOX LIFELINE``, the numbers
of four inherited descriptors; see ``permits`` for the first two, ``framing`` for what is said on
the inbox and the outbox, and ``parent_death`` for the lifeline. It leaves when the inbox or the
permits end, and ends when the lifeline does.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    from crew_core._wire import bare_msgspec

    gc.disable()  # until all is imported
    bare_msgspec.load(for_users=True)  # before all that needs it

from crew_core._wire import foreign_modules
from crew_core._wire.codec import encode
from crew_core._wire.messages import TaskProcessReady, TaskProcessSettings
from crew_core._wire.references import RESOLVER
from crew_core._wire.segments.store import SegmentStore
from crew_core._worker import forks
from crew_core._worker.between import Between, clean_main
from crew_core._worker.commands import Commands
from crew_core._worker.evaluate import Evaluator
from crew_core._worker.framing import write_frame
from crew_core._worker.interrupts import Interrupts
from crew_core._worker.large_buffers import LargeBuffers
from crew_core._worker.objects import Objects
from crew_core._worker.parent_death import end_with_parent
from crew_core._worker.permits import Intake
from crew_core._worker.random_state import Seeder
from crew_core._worker.search_path import adopt_callers_path
from crew_core._worker.standard_streams import StandardStreams


def main(arguments: Sequence[str]) -> None:
    """Run tasks until the supervisor has no more.

    Args:
        arguments: the four descriptors' numbers.
    """
    inbox, permits, outbox, lifeline = (int(argument) for argument in arguments)
    interrupts = Interrupts()
    interrupts.install()
    os.set_inheritable(lifeline, False)
    end_with_parent(lifeline)
    forks.keep_from_children(inbox, permits, outbox)
    streams = StandardStreams()
    faulthandler.enable(2)
    if adopt_callers_path():
        foreign_modules.share_search_path()
    sys.argv[:] = ["crew-task"]  # a task that reads its command line must not see ours

    objects = Objects()
    RESOLVER.set(objects.get)
    commands = Commands(objects)
    intake = Intake(inbox, permits, commands.hold, objects.hold, commands.forget)
    settings = intake.wait_for_settings()
    if settings is None:
        return
    store = objects.store = _segments(settings)
    evaluator = _evaluator(settings, commands, interrupts, streams, LargeBuffers(store))
    try:
        _serve(intake, evaluator, outbox)
    except BrokenPipeError:  # nobody reads our outcomes any more
        return


def _evaluator(
    settings: TaskProcessSettings,
    commands: Commands,
    interrupts: Interrupts,
    streams: StandardStreams,
    buffers: LargeBuffers,
) -> Evaluator:
    main_names = clean_main()
    between = Between(settings.settings, main_names, commands.unload)
    seeder = Seeder(int(settings.settings.root_seed))
    return Evaluator(commands, main_names, between, seeder, interrupts, streams, buffers=buffers)


def _segments(settings: TaskProcessSettings) -> SegmentStore | None:
    if not settings.settings.segments:
        return None
    store = SegmentStore(settings.settings.segments, f"{settings.instance}.{os.getpid()}")
    store.discard_parts(f"{settings.instance}.")  # of the process whose place this one takes
    return store


def _serve(intake: Intake, evaluator: Evaluator, outbox: int) -> None:
    write_frame(outbox, encode(TaskProcessReady(os.getpid())))
    commands = evaluator.commands
    while (task := intake.next_task()) is not None:
        calls = commands.calls
        if calls is None or not calls.fits(task):
            calls = commands.calls = evaluator.plain_calls(task)
        if calls is not None:
            write_frame(outbox, calls.run(task))
            calls.clean_up()
        else:
            write_frame(outbox, encode(evaluator.run(task)))
            evaluator.clean_up()
        del task, calls  # nothing is kept that may be forgotten before the next one


if __name__ == "__main__":
    # The module again, under its own name: __main__ will be the user's.
    from crew_core._worker.task_process import main as _main

    gc.enable()
    _main(sys.argv[1:])
