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
    from crew_core._wire.messages.base import (
        PAYLOAD_MAX as PAYLOAD_MAX,
    )
    from crew_core._wire.messages.base import (
        PROTOCOL as PROTOCOL,
    )
    from crew_core._wire.messages.base import (
        SUBMIT_BYTES as SUBMIT_BYTES,
    )
    from crew_core._wire.messages.base import (
        SUBMIT_TASKS as SUBMIT_TASKS,
    )
    from crew_core._wire.messages.base import (
        WARM_UP_IDS as WARM_UP_IDS,
    )
    from crew_core._wire.messages.base import (
        Message as Message,
    )
    from crew_core._wire.messages.base import (
        Part as Part,
    )
    from crew_core._wire.messages.client import (
        Cancel as Cancel,
    )
    from crew_core._wire.messages.client import (
        ClientHello as ClientHello,
    )
    from crew_core._wire.messages.client import (
        Crashed as Crashed,
    )
    from crew_core._wire.messages.client import (
        DispatcherHello as DispatcherHello,
    )
    from crew_core._wire.messages.client import (
        DropBlobs as DropBlobs,
    )
    from crew_core._wire.messages.client import (
        Expect as Expect,
    )
    from crew_core._wire.messages.client import (
        Expected as Expected,
    )
    from crew_core._wire.messages.client import (
        ExpectedWorker as ExpectedWorker,
    )
    from crew_core._wire.messages.client import (
        FetchedObject as FetchedObject,
    )
    from crew_core._wire.messages.client import (
        FetchObject as FetchObject,
    )
    from crew_core._wire.messages.client import (
        Finished as Finished,
    )
    from crew_core._wire.messages.client import (
        FinishedTask as FinishedTask,
    )
    from crew_core._wire.messages.client import (
        Forget as Forget,
    )
    from crew_core._wire.messages.client import (
        Inspect as Inspect,
    )
    from crew_core._wire.messages.client import (
        InspectedWorker as InspectedWorker,
    )
    from crew_core._wire.messages.client import (
        Inspection as Inspection,
    )
    from crew_core._wire.messages.client import (
        JobsOver as JobsOver,
    )
    from crew_core._wire.messages.client import (
        PutObject as PutObject,
    )
    from crew_core._wire.messages.client import (
        RetryPolicy as RetryPolicy,
    )
    from crew_core._wire.messages.client import (
        Spent as Spent,
    )
    from crew_core._wire.messages.client import (
        Stop as Stop,
    )
    from crew_core._wire.messages.client import (
        Submit as Submit,
    )
    from crew_core._wire.messages.client import (
        ToClient as ToClient,
    )
    from crew_core._wire.messages.client import (
        ToDispatcher as ToDispatcher,
    )
    from crew_core._wire.messages.client import (
        WarmUp as WarmUp,
    )
    from crew_core._wire.messages.client import (
        WarmUpGivenUp as WarmUpGivenUp,
    )
    from crew_core._wire.messages.client import (
        WarmUpRan as WarmUpRan,
    )
    from crew_core._wire.messages.client import (
        WorkerCut as WorkerCut,
    )
    from crew_core._wire.messages.client import (
        WorkerGone as WorkerGone,
    )
    from crew_core._wire.messages.client import (
        WorkerOnline as WorkerOnline,
    )
    from crew_core._wire.messages.client import (
        WorkerRefused as WorkerRefused,
    )
    from crew_core._wire.messages.client import (
        decode_to_client as decode_to_client,
    )
    from crew_core._wire.messages.client import (
        decode_to_dispatcher as decode_to_dispatcher,
    )
    from crew_core._wire.messages.parts import (
        Batch as Batch,
    )
    from crew_core._wire.messages.parts import (
        Blob as Blob,
    )
    from crew_core._wire.messages.parts import (
        Command as Command,
    )
    from crew_core._wire.messages.parts import (
        EndWarmUps as EndWarmUps,
    )
    from crew_core._wire.messages.parts import (
        ForgetBlobs as ForgetBlobs,
    )
    from crew_core._wire.messages.parts import (
        HoldObject as HoldObject,
    )
    from crew_core._wire.messages.parts import (
        Outcome as Outcome,
    )
    from crew_core._wire.messages.parts import (
        OutcomeDetail as OutcomeDetail,
    )
    from crew_core._wire.messages.parts import (
        TaskBody as TaskBody,
    )
    from crew_core._wire.messages.parts import (
        WorkerSettings as WorkerSettings,
    )
    from crew_core._wire.messages.parts import (
        decode_body as decode_body,
    )
    from crew_core._wire.messages.parts import (
        decode_command as decode_command,
    )
    from crew_core._wire.messages.parts import (
        decode_detail as decode_detail,
    )
    from crew_core._wire.messages.parts import (
        decode_details as decode_details,
    )
    from crew_core._wire.messages.task_process import (
        FromTaskProcess as FromTaskProcess,
    )
    from crew_core._wire.messages.task_process import (
        HoldBlob as HoldBlob,
    )
    from crew_core._wire.messages.task_process import (
        RunTasks as RunTasks,
    )
    from crew_core._wire.messages.task_process import (
        SkipTasks as SkipTasks,
    )
    from crew_core._wire.messages.task_process import (
        TaskDone as TaskDone,
    )
    from crew_core._wire.messages.task_process import (
        TaskProcessReady as TaskProcessReady,
    )
    from crew_core._wire.messages.task_process import (
        TaskProcessSettings as TaskProcessSettings,
    )
    from crew_core._wire.messages.task_process import (
        ToTaskProcess as ToTaskProcess,
    )
    from crew_core._wire.messages.task_process import (
        decode_from_task_process as decode_from_task_process,
    )
    from crew_core._wire.messages.task_process import (
        decode_to_task_process as decode_to_task_process,
    )
    from crew_core._wire.messages.worker import (
        AskLeave as AskLeave,
    )
    from crew_core._wire.messages.worker import (
        CancelTasks as CancelTasks,
    )
    from crew_core._wire.messages.worker import (
        FromWorker as FromWorker,
    )
    from crew_core._wire.messages.worker import (
        Hello as Hello,
    )
    from crew_core._wire.messages.worker import (
        Leave as Leave,
    )
    from crew_core._wire.messages.worker import (
        Outcomes as Outcomes,
    )
    from crew_core._wire.messages.worker import (
        Recall as Recall,
    )
    from crew_core._wire.messages.worker import (
        Refused as Refused,
    )
    from crew_core._wire.messages.worker import (
        Returned as Returned,
    )
    from crew_core._wire.messages.worker import (
        ToWorker as ToWorker,
    )
    from crew_core._wire.messages.worker import (
        Warmed as Warmed,
    )
    from crew_core._wire.messages.worker import (
        Warming as Warming,
    )
    from crew_core._wire.messages.worker import (
        WarmUps as WarmUps,
    )
    from crew_core._wire.messages.worker import (
        Welcome as Welcome,
    )
    from crew_core._wire.messages.worker import (
        Work as Work,
    )
    from crew_core._wire.messages.worker import (
        decode_from_worker as decode_from_worker,
    )
    from crew_core._wire.messages.worker import (
        decode_to_worker as decode_to_worker,
    )

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
        "JobsOver",
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
