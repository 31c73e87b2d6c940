"""What a user can say about workers on Grid Engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from crew_cluster._cluster.checks import check_word, checked, path_without
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.options import (
    AMOUNTS,
    COUNTS,
    COUNTS_FROM_ZERO,
    FLAG,
    WORD,
    ClusterOptions,
    Ladder,
    Place,
    WholeLadder,
)
from crew_core.plugins import ConfigError

# "host:path", and several of them; no backslash helps, and "#" is a comment even between quotes.
OUTPUT = checked(path_without(",:#\"'\\"))


@dataclass(frozen=True, kw_only=True)
class SgeOptions(ClusterOptions):
    """What a user can say about workers on Grid Engine, besides what all schedulers have.

    ``account`` is the project. Sites choose which resources there are and what they are called, so
    their names are options, too. Most count memory for each slot, of which a job has ``cores``.
    ``log_output`` and ``log_error`` may have Grid Engine's patterns, such as ``$JOB_ID.$TASK_ID``.

    Attributes:
        queue: the queue, or several with commas between; None: any.
        cwd: jobs start in the directory of the program that launches them, not in the user's home.
        envvars: jobs get all of this program's variables but those of a surrounding job.
        log_join: errors go where other output goes; None: unless ``log_error`` is given.
        memory_gigabytes_limit: the most memory of one worker's job, or of each of its slots, in GiB
            (steps).
        memory_gigabytes_required: memory that must be there for it, likewise (steps).
        cores: slots of one worker's job (steps).
        gpu: another name for ``gpus`` (steps).
        reservation: the number of the advance reservation to use.
        constraint: further resources, such as "arch=lx-amd64", with commas between.
        exclude: hosts not to use, with commas between.
        memory_limit_resource: what ``memory_gigabytes_limit`` asks for. Grid Engine itself holds
            jobs to "h_vmem", but not to "h_rss".
        memory_resource: what ``memory_gigabytes_required`` asks for. Grid Engine itself has
            "mem_free".
        gpu_resource: what ``gpus`` asks for.
        exclusive_resource: what ``exclusive`` asks for.
        parallel_environment: what gives ``cores``.
    """

    queue: str | None = field(default=None, metadata=WORD)
    cwd: bool = field(default=True, metadata=FLAG)
    envvars: bool = field(default=False, metadata=FLAG)
    log_output: Place = field(default=None, metadata=OUTPUT)
    log_error: Place = field(default=None, metadata=OUTPUT)
    log_join: bool | None = field(default=None, metadata=FLAG)
    memory_gigabytes_limit: Ladder = field(default=None, metadata=AMOUNTS)
    memory_gigabytes_required: Ladder = field(default=None, metadata=AMOUNTS)
    cores: WholeLadder = field(default=None, metadata=COUNTS)
    gpu: WholeLadder = field(default=None, metadata=COUNTS_FROM_ZERO)
    reservation: str | None = field(default=None, metadata=WORD)
    constraint: str | None = field(default=None, metadata=WORD)
    exclude: str | None = field(default=None, metadata=WORD)
    memory_limit_resource: str = field(default="h_rss", metadata=WORD)
    memory_resource: str = field(default="m_mem_free", metadata=WORD)
    gpu_resource: str = field(default="gpu", metadata=WORD)
    exclusive_resource: str = field(default="exclusive", metadata=WORD)
    parallel_environment: str = field(default="smp", metadata=WORD)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_word("shell", self.interpreter)
        if self.gpu is not None and self.gpus is not None:
            raise ConfigError("gpu and gpus cannot both be given")
        if self.log_error is None:
            if self.log_join is False:
                raise ConfigError("log_join=False: needs log_error=, where errors are to go")
        elif self.log_join:
            raise ConfigError("log_error and log_join=True cannot both be given")
        elif self.log_output is None:
            raise ConfigError("log_error: needs log_output=, as crew keeps both in one file")

    @property
    def interpreter(self) -> str:
        """The shell without its arguments."""
        return self.shell.split()[0]

    @property
    def devices(self) -> int | None:
        """Graphics processors, by either name."""
        return one(self.gpus if self.gpu is None else self.gpu)
