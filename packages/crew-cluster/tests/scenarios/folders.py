"""Whose a job is whose name is too narrow to tell: its folder knows."""

from __future__ import annotations

from pathlib import Path

from crew_cluster._cluster.folder import records


def names_of(controller: str, directory: Path) -> set[str]:
    """The names of a controller's jobs."""
    found = records(directory)
    return {folder.name for folder, record in found if record["controller"] == controller}
