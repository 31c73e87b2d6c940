"""A launcher's options as a carrier is told them: plain values. Imports nothing that is large."""

from __future__ import annotations

import os
from typing import Any

from crew_ssh._options.options import SshOptions


def told_of(options: SshOptions) -> dict[str, Any]:
    """Options as plain values; what hosts say nothing about is filled in.

    Raises:
        ConfigError: no host is named.
    """
    file = options.ssh_config
    hosts = [host.plain() for host in options.all_hosts()]
    return {
        "hosts": hosts,
        "pack": options.placement == "pack",
        "tunnel": options.tunnel,
        "ssh_config": None if file is None else os.fspath(file),
        "seconds_connect": options.seconds_connect,
        "run_directory": options.run_directory,
    }
