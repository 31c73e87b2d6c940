"""All faults there are, in the order of the table."""

from __future__ import annotations

from chaos.faults import (
    clocks,
    descriptors,
    disks,
    freezes,
    kills,
    lives,
    memory,
    networks,
)
from chaos.faults.base import Fault

FAULTS: tuple[type[Fault], ...] = (
    kills.KillTaskProcess,
    kills.KillSupervisor,
    kills.KillAllWorkers,
    kills.KillDaemon,
    freezes.FreezeTaskProcess,
    freezes.FreezeSupervisor,
    freezes.FreezeWorkerForLong,
    freezes.FreezeDispatcher,
    freezes.FreezeClient,
    memory.GreedyInGroup,
    memory.GreedyUnderLimit,
    disks.FullLogs,
    disks.FullSpill,
    disks.FullSharedMemory,
    disks.SlowLogs,
    disks.SlowSpill,
    descriptors.NoneAtDispatcher,
    descriptors.NoneAtClient,
    descriptors.NoneAtWorker,
    clocks.ClientsClock,
    clocks.DispatchersClock,
    clocks.WorkersClock,
    networks.ShortCut,
    networks.LongCut,
    lives.KillDispatcher,
    lives.KillClient,
    lives.KillEverything,
)
