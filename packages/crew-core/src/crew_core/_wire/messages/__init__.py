"""Every message that crosses a process border, one struct each.

Borders, and who says what::

    client ── ToDispatcher ─► dispatcher ── ToWorker ──► supervisor ── ToTaskProcess ──► task
    client ◄── ToClient ───── dispatcher ◄─ FromWorker ─ supervisor ◄─ FromTaskProcess ─ process
           └── client.py ──┘             └── worker.py ─┘           └── task_process.py ──┘

All times are seconds; times of day are seconds since 1970, UTC. A name is loaded with its file when
it is first used, so that a process pays for its own borders only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crew_core._wire.messages.base import *
    from crew_core._wire.messages.client import *
    from crew_core._wire.messages.parts import *
    from crew_core._wire.messages.task_process import *
    from crew_core._wire.messages.worker import *

_HOMES = {
    "base": (
        "Message",
        "PAYLOAD_MAX",
        "PROTOCOL",
        "Part",
        "SUBMIT_BYTES",
        "SUBMIT_TASKS",
        "WARM_UP_IDS",
    ),
    "parts": (
        "Batch",
        "Beside",
        "Blob",
        "Command",
        "EndWarmUps",
        "ForgetBlobs",
        "HoldObject",
        "Outcome",
        "OutcomeDetail",
        "TaskBody",
        "WorkerSettings",
        "decode_body",
        "decode_command",
        "decode_detail",
        "decode_details",
    ),
    "client": (
        "Cancel",
        "ClientHello",
        "Crashed",
        "DispatcherHello",
        "DropBlobs",
        "Employ",
        "Expect",
        "Expected",
        "ExpectedWorker",
        "FetchObject",
        "FetchedObject",
        "Finished",
        "FinishedTask",
        "Forget",
        "Inspect",
        "InspectedWorker",
        "Inspection",
        "JobEnd",
        "JobsOver",
        "MakeRoom",
        "PlatformFacts",
        "PutObject",
        "RetryPolicy",
        "Spent",
        "Stop",
        "Submit",
        "ToClient",
        "ToDispatcher",
        "WarmUp",
        "WarmUpGivenUp",
        "WarmUpRan",
        "WorkerCut",
        "WorkerGone",
        "WorkerOnline",
        "WorkerRefused",
        "decode_to_client",
        "decode_to_dispatcher",
    ),
    "worker": (
        "AskLeave",
        "CancelTasks",
        "FromWorker",
        "Hello",
        "Leave",
        "Outcomes",
        "Recall",
        "Refused",
        "Returned",
        "ToWorker",
        "WarmUps",
        "Warmed",
        "Warming",
        "Welcome",
        "Work",
        "decode_from_worker",
        "decode_to_worker",
    ),
    "task_process": (
        "FromTaskProcess",
        "HoldBlob",
        "RunTasks",
        "SkipTasks",
        "TaskDone",
        "TaskProcessReady",
        "TaskProcessSettings",
        "ToTaskProcess",
        "decode_from_task_process",
        "decode_tasks_done",
        "decode_to_task_process",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value  # the next time, it is simply there
    return value
