"""AWS Batch for crew: the launcher and the monitor are found by name, job definitions here.

Example::

    from crew_aws_batch import JobDefinition

    JobDefinition("worker", "queue").register("repository/image:tag", cpus=1, memory=2)
"""

# General layout
#
# _definition/   job definitions: what containers are to be
# _monitor/      shows, ends and accounts for jobs
# _doctor/       says what is missing before anything is launched
# _aws/          what all of them share: how AWS is asked, and what its answers mean

from __future__ import annotations

TYPE_CHECKING = False  # as crew_core: workers import this package, and must not pay for the rest
if TYPE_CHECKING:
    from crew_aws_batch._definition.definition import JobDefinition
    from crew_aws_batch._launcher.doctor import doctor

__all__ = ["JobDefinition", "doctor"]


def __getattr__(name: str) -> object:
    if name == "JobDefinition":
        from crew_aws_batch._definition.definition import JobDefinition

        return JobDefinition
    if name == "doctor":
        from crew_aws_batch._launcher.doctor import doctor

        return doctor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
