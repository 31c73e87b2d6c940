"""The hooks that a plugin may implement. Three register classes by name; the others only observe.

An observer is called in crew's own threads, soon after the event: it should return at once, and
what it raises is logged and ignored. A function may leave out arguments it does not want.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crew_core._plugins.markers import hookspec

if TYPE_CHECKING:
    from crew_core._model.record import Record


@hookspec
def crew_launchers() -> dict[str, str]:  # type: ignore[empty-body]
    """Launchers by name, each as "package.module:Class". Import none of them here."""


@hookspec
def crew_monitors() -> dict[str, str]:  # type: ignore[empty-body]
    """Monitors by name, each as "package.module:Class". Import none of them here."""


@hookspec
def crew_runners() -> dict[str, str]:  # type: ignore[empty-body]
    """What ``via="NAME://..."`` reaches, by NAME, each as "package.module:Class". Import none."""


@hookspec
def crew_controller_started(controller: str) -> None:
    """A controller's dispatcher is up."""


@hookspec
def crew_controller_terminated(controller: str) -> None:
    """A controller has terminated and left nothing behind."""


@hookspec
def crew_worker_launched(controller: str, worker: int, instance: str, handle: Any) -> None:
    """A launcher returned this handle for a worker, which has not connected yet."""


@hookspec
def crew_worker_exited(controller: str, worker: int, instance: str, reason: str) -> None:
    """A worker is no more, for this reason."""


@hookspec
def crew_task_finished(controller: str, record: Record) -> None:
    """A task has ended for good."""
