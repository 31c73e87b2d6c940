"""The tags that our jobs and their secrets carry: by them it is known whose they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

CONTROLLER = "crew-controller"
LAUNCHER = "crew-launcher"
USER = "crew-user"
HOST = "crew-host"

MOST = 50
"""So many tags AWS takes, ours included."""

_LONGEST = 256
_BAD = re.compile(r"[^A-Za-z0-9 +\-=._:/@]")


class Owner(NamedTuple):
    """Whose job it is; None where it does not say."""

    controller: str | None
    user: str | None
    host: str | None


def job_tags(
    controller: str, launcher: str, user: str, host: str, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The tags of a job: the user's own, and ours.

    Args:
        controller: the controller's name.
        launcher: the launcher's.
        user: who launched it.
        host: on which computer.
        extra: the user's own tags.
    """
    ours = {CONTROLLER: controller, LAUNCHER: launcher, USER: user, HOST: host}
    return {**(extra or {}), **{key: _value(text) for key, text in ours.items() if text}}


def owner(tags: Mapping[str, str] | None) -> Owner:
    """Whose a job with these tags is."""
    found = tags or {}
    return Owner(found.get(CONTROLLER), found.get(USER), found.get(HOST))


def is_of(tags: Mapping[str, str] | None, user: str) -> bool:
    """True for what this user has launched by crew."""
    return owner(tags).user == _value(user)


def _value(text: str) -> str:
    return _BAD.sub("_", text)[:_LONGEST]
