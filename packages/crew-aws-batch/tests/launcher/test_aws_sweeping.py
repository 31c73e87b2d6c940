"""What several workers share is deleted when the last of them has it, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crew_aws_batch._bundle import Start
from crew_aws_batch._launcher.handle import Handle, handles_of
from crew_aws_batch._launcher.sweeping import Sweeper
from crew_aws_batch._launcher.vault import Vault, open_vault
from loopback.aws import Fault, LoopbackAws
from testbeds.waiting import until

FOREVER = 10**6


@pytest.fixture
def vault(aws: LoopbackAws) -> Vault:
    return open_vault("secrets_manager", aws.clients(), None)


@pytest.fixture
def sweeper(aws: LoopbackAws) -> Sweeper:
    return Sweeper(aws.clients(), FOREVER)


@pytest.fixture
def handles(aws: LoopbackAws, vault: Vault, sweeper: Sweeper) -> Iterator[list[Handle]]:
    """Five workers who share two entries."""
    parameters: dict[str, Any] = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}
    aws.clients().call("batch", "submit_job", **parameters, arrayProperties={"size": 5})
    vault.put("n", [repr(Start([], {})), "more"], {})
    found = handles_of("job-1", "n", 5, 3)
    sweeper.note(vault, found, 3)
    yield found
    sweeper.close()


def test_jobs_that_wait_keep_their_entries(
    aws: LoopbackAws, sweeper: Sweeper, handles: list[Handle]
) -> None:
    sweeper.sweep()
    assert set(aws.secrets) == {"crew/n/0", "crew/n/1"}


def test_of_a_large_array_that_waits_one_question_is_asked(
    aws: LoopbackAws, vault: Vault, sweeper: Sweeper
) -> None:
    parameters: dict[str, Any] = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}
    aws.clients().call("batch", "submit_job", **parameters, arrayProperties={"size": 500})
    numbers = range(0, 500, 30)
    vault.put("n", [str(number) for number in numbers], {})
    sweeper.note(vault, handles_of("job-1", "n", 500, 30), 30)
    sweeper.sweep()
    assert len(aws.asked("DescribeJobs")) == 1
    aws.turn("job-1:499", "RUNNING")
    sweeper.sweep()
    sweeper.sweep()
    assert len(aws.asked("DescribeJobs")) == 1 + 2 * 6
    sweeper.close()


def test_an_entry_goes_when_all_its_users_run_at_two_looks(
    aws: LoopbackAws, sweeper: Sweeper, handles: list[Handle]
) -> None:
    for index in (3, 4):
        aws.turn(f"job-1:{index}", "RUNNING")
    sweeper.sweep()
    assert len(aws.secrets) == 2  # they may just have started
    sweeper.sweep()
    assert set(aws.secrets) == {"crew/n/0"}
    aws.turn("job-1", "SUCCEEDED")
    sweeper.sweep()
    assert aws.secrets == {}
    assert sweeper.left == []


def test_workers_that_were_ended_need_nothing(
    aws: LoopbackAws, sweeper: Sweeper, handles: list[Handle]
) -> None:
    sweeper.over(handle.element for handle in handles[:3])
    assert set(aws.secrets) == {"crew/n/1"}


def test_who_takes_over_learns_at_once_who_needs_nothing(
    aws: LoopbackAws, vault: Vault, handles: list[Handle]
) -> None:
    for index in (0, 1, 2):
        aws.turn(f"job-1:{index}", "SUCCEEDED")
    aws.turn("job-1:3", "RUNNING")
    heir = Sweeper(aws.clients(), FOREVER)
    heir.adopt(vault, handles[3])
    assert set(aws.secrets) == {"crew/n/1"}
    heir.over([handles[4].element])
    heir.adopt(vault, handles[3])  # known by now: nobody is asked again
    assert len(aws.asked("DescribeJobs")) == 1
    heir.over([handles[3].element])
    assert aws.secrets == {}


def test_who_takes_over_while_aws_is_silent_looks_later(
    aws: LoopbackAws, vault: Vault, handles: list[Handle]
) -> None:
    aws.faults = [Fault("DescribeJobs", status=400, code="ClientException")]
    heir = Sweeper(aws.clients(), FOREVER)
    heir.adopt(vault, handles[0])
    aws.turn("job-1", "SUCCEEDED")
    heir.sweep()
    assert aws.secrets == {}


def test_all_goes_with_the_process(
    aws: LoopbackAws, sweeper: Sweeper, handles: list[Handle]
) -> None:
    sweeper.close()
    assert aws.secrets == {}


def test_it_sweeps_by_itself(aws: LoopbackAws, vault: Vault) -> None:
    swept = Sweeper(aws.clients(), 0.01)
    parameters: dict[str, Any] = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}
    aws.clients().call("batch", "submit_job", **parameters, arrayProperties={"size": 2})
    vault.put("n", ["both"], {})
    aws.turn("job-1", "RUNNING")
    swept.note(vault, handles_of("job-1", "n", 2, 2), 2)
    until(lambda: swept.left == [] and aws.secrets == {})
