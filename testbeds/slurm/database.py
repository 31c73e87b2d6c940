"""SLURM's accounting: mariadbd and slurmdbd, so that `sacct` tells what jobs have used."""

from __future__ import annotations

import os
import pwd
import subprocess

from testbeds.errors import BedError
from testbeds.processes import Processes

PACKAGES = (
    "slurmdbd",
    "slurm-wlm-mysql-plugin",
    "mariadb-server-core",
    "mariadb-client-core",
)

# It is thrown away, so nothing of it has to be on the disk in time.
_HASTE = [
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-log-file-size=16M",
]
_SCHEMA = (
    "create database slurm_acct_db; "
    "create user slurm@'127.0.0.1' identified by 'slurm'; "
    "grant all on slurm_acct_db.* to slurm@'127.0.0.1';"
)


def start(processes: Processes, port: int) -> None:
    """Start both, for the SLURM whose configuration is in the same folder."""
    data = processes.place / "database"
    user = _make_folder(processes)
    socket = f"{data}/mariadb.sock"
    processes.start(
        "mariadbd",
        [
            *["mariadbd", "--no-defaults", f"--user={user}", f"--datadir={data}"],
            *["--bind-address=127.0.0.1", f"--port={port}", f"--socket={socket}"],
            *[f"--pid-file={data}/mariadbd.pid", "--skip-name-resolve", "--skip-log-bin"],
            *["--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"],
            *["--innodb-doublewrite=0", *_HASTE],
        ],
    )
    client = ["mariadb", "--no-defaults", f"--socket={socket}", "-e"]
    processes.wait_for("mariadbd answers", lambda: _run([*client, "select 1"]).returncode == 0)
    made = _run([*client, _SCHEMA])
    if made.returncode != 0:
        raise BedError(f"no database for SLURM: {made.stderr}")
    environment = {"SLURM_CONF": f"{processes.place}/slurm.conf"}
    processes.start("slurmdbd", ["slurmdbd", "-D"], environment)
    asks = ["env", f"SLURM_CONF={processes.place}/slurm.conf", "sacctmgr", "-n", "list", "cluster"]
    processes.wait_for("slurmdbd answers", lambda: _run(asks).returncode == 0)


def _make_folder(processes: Processes) -> str:
    """Have mariadb make its folder; the user whom it and its daemon are."""
    data = processes.place / "database"
    data.mkdir()
    user = "nobody"
    owner = pwd.getpwnam(user)
    os.chown(data, owner.pw_uid, owner.pw_gid)
    made = _run(
        [
            *["mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}"],
            *["--skip-test-db", "--auth-root-authentication-method=normal", *_HASTE],
        ]
    )
    if made.returncode != 0:
        raise BedError(f"mariadb-install-db failed: {made.stdout[-500:]}{made.stderr[-500:]}")
    return user


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
