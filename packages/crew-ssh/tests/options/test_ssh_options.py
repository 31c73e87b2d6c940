"""What users may say of hosts, and what is refused at once."""

from __future__ import annotations

from typing import Any

import pytest

from crew_core.plugins import ConfigError
from crew_ssh._options.options import SshOptions


def test_a_name_is_a_host_with_what_holds_for_all() -> None:
    options = SshOptions(hosts=("node1",), slots=3, python="/opt/py", env={"A": "1"})
    (host,) = options.all_hosts()
    assert (host.host, host.slots, host.python, host.env) == ("node1", 3, "/opt/py", {"A": "1"})


def test_what_a_host_says_itself_holds() -> None:
    table = {"host": "node2", "slots": 4, "env": {"B": "2"}, "prologue": ["module load x"]}
    options = SshOptions(hosts=("node1", table), slots=1, env={"A": "1"}, workdir="/work")
    first, second = options.all_hosts()
    assert (first.slots, second.slots) == (1, 4)
    assert second.env == {"A": "1", "B": "2"}, "variables are joined"
    assert (second.prologue, second.workdir) == (("module load x",), "/work")


@pytest.mark.parametrize(
    "bad",
    [
        {"hosts": ("",)},
        {"hosts": ("-oProxyCommand=harm",)},
        {"hosts": ("node1; harm",)},
        {"hosts": ("node1", "node1")},
        {"hosts": ({"slots": 2},)},
        {"hosts": ({"host": "node1", "slot": 2},)},
        {"hosts": ({"host": "node1", "slots": 0},)},
        {"slots": 0},
        {"placement": "round"},
        {"tunnel": "maybe"},
        {"env": {"A B": "1"}},
        {"seconds_connect": 0},
        {"workdir": ""},
    ],
)
def test_impossible_values_are_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        SshOptions(**{"hosts": ("node0",), **bad})
    named = {"hosts": ("host", "slots")}.get(next(iter(bad)), (next(iter(bad)),))
    assert any(name in str(caught.value) for name in named)


@pytest.mark.parametrize(
    "bad",
    [
        {"hosts": "node1"},
        {"hosts": (1,)},
        {"slots": "2"},
        {"env": ["A"]},
        {"env": {"A": 1}},
        {"prologue": "module load x"},
        {"bootstrap": "yes"},
        {"ssh_config": 3},
    ],
)
def test_wrong_types_are_type_errors(bad: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        SshOptions(**{"hosts": ("node0",), **bad})
