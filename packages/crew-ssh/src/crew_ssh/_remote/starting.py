"""Starts workers: each in a session of its own, with its secrets in its environment alone."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from crew_ssh._remote.folders import Folder, Place

# It outlives signals to the group, to write down how the worker has ended.
_WRAPPER = """\
crew_folder=$1
shift
trap : HUP INT TERM USR1 USR2
"$@"
crew_code=$?
echo "$crew_code" >"$crew_folder/exit.new" && mv "$crew_folder/exit.new" "$crew_folder/exit"
exit "$crew_code"
"""

OF_CONNECTION = ("SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND")

_children: dict[int, subprocess.Popen[bytes]] = {}


def start(
    place: Place, site: str, controller: str, slots: int, workers: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Start workers, as many as there is room for.

    Args:
        place: the run directory.
        site: what the user calls this host; some call one by two names.
        controller: whose they are; the slots are its own.
        slots: so many workers of this controller may run here by this name.
        workers: name, instance, argv, env and workdir of each.

    Returns:
        For each worker its process, or that there is no room, or what went wrong.
    """
    answers: list[dict[str, Any]] = []
    with place.locked():
        reap()
        ours = {"site": site, "controller": controller}
        used = sum(
            folder.process() is not None
            for folder in place.workers()
            if ours.items() <= folder.facts().items()
        )
        for worker in workers:
            if used >= slots:
                answers.append({"full": True})
                continue
            answers.append(_start(place.worker(worker["name"]), ours, worker))
            used += "pid" in answers[-1]
    return answers


def reap() -> None:
    """Take notice of our own children's ends."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def _start(folder: Folder, ours: Mapping[str, str], worker: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**ours, "instance": worker["instance"], "since": time.time()}
    try:
        folder.make(facts)
    except FileExistsError:
        return {"error": f"{folder.name} has been started here before"}
    except OSError as error:
        return {"error": f"cannot make {folder.path}: {error.strerror}"}
    home = os.path.expanduser("~")
    workdir = worker.get("workdir") or home
    variables = {k: v for k, v in os.environ.items() if k not in OF_CONNECTION}
    output = os.open(folder.file("output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, "crew", folder.path, *worker["argv"]],
            env={**variables, **worker["env"]},
            cwd=os.path.expanduser(workdir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        folder.remove()
        return {"error": f"cannot start in {workdir}: {error.strerror}"}
    finally:
        os.close(output)
    _children[child.pid] = child
    folder.note_process(child.pid)
    return {"pid": child.pid, "folder": folder.path}
