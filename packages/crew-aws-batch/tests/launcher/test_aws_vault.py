"""What workers are started with is packed into few entries, and seen by none but their jobs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from crew_aws_batch import _bootstrap
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._bundle import Start, pack, unpack
from crew_aws_batch._launcher.vault import open_vault, place, shared_by
from loopback.aws import Fault, LoopbackAws

TAGS = {"crew-controller": "c"}


def starts(count: int, size: int = 20) -> list[Start]:
    return [
        Start(["-m", "w", str(n)], {"CREW_SECRET": os.urandom(size).hex()}) for n in range(count)
    ]


def test_a_bundle_is_unpacked_as_it_was_packed() -> None:
    some = starts(3)
    assert unpack(pack(some)) == some


@pytest.mark.parametrize("text", ["", "no bundle", "bm8="])
def test_other_text_is_no_bundle(text: str) -> None:
    with pytest.raises(ValueError, match="not the bundle"):
        unpack(text)


@pytest.mark.parametrize("kind", ["secrets_manager", "parameter_store"])
def test_entries_come_and_go(aws: LoopbackAws, kind: str) -> None:
    vault = open_vault(kind, aws.clients(), None)
    kept = aws.secrets if kind == "secrets_manager" else aws.parameters
    some = starts(3)
    placed = place(vault, "crew-c-i1", some, TAGS)
    assert (placed.share, placed.bundles, placed.variables) == (3, 1, {})
    assert unpack(kept[_bootstrap.entry_name(kind, "crew-c-i1", 0)]) == some
    assert vault.names("crew-c-") == {"crew-c-i1": [0]}
    vault.remove("crew-c-i1", [0])
    vault.remove("crew-c-i1", [0])  # again, as others may have done it
    assert kept == {}


def test_many_workers_need_few_entries_and_none_is_too_long(aws: LoopbackAws) -> None:
    vault = open_vault("secrets_manager", aws.clients(), None)
    many = starts(500, size=700)
    placed = place(vault, "crew-c-i1", many, TAGS)
    assert placed.share > 20
    assert placed.bundles == len(aws.secrets) == aws.calls["CreateSecret"]
    found = [
        start
        for number in range(placed.bundles)
        for start in unpack(aws.secrets[f"crew/crew-c-i1/{number}"])
    ]
    assert found == many


def test_nothing_is_left_of_entries_that_could_not_all_be_made(aws: LoopbackAws) -> None:
    vault = open_vault("parameter_store", aws.clients(), None)
    aws.faults = [Fault("PutParameter", status=400, code="ParameterLimitExceeded")]
    with pytest.raises(AwsError, match="Parameter Store"):
        place(vault, "crew-c-i1", starts(40, size=700), TAGS)
    assert aws.parameters == {}


def test_entries_carry_the_tags_of_their_jobs(aws: LoopbackAws) -> None:
    place(open_vault("secrets_manager", aws.clients(), "key-1"), "n", starts(1), TAGS)
    [asked] = aws.asked("CreateSecret")
    assert asked["Tags"] == [{"Key": "crew-controller", "Value": "c"}]
    assert asked["KmsKeyId"] == "key-1"


def test_variables_are_used_only_when_asked_for(aws: LoopbackAws) -> None:
    vault = open_vault("environment", aws.clients(), None)
    placed = place(vault, "n", starts(2), TAGS)
    assert list(placed.variables) == ["CREW_START_0"]
    assert aws.requests == []


def test_so_many_share_an_entry_as_fit() -> None:
    assert shared_by(starts(10, size=700), 1) == 1
    assert shared_by(starts(10), 10**6) == 10


class _BecameError(Exception):
    """What the job became."""


@pytest.fixture
def become(aws: LoopbackAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the bootstrap; the command line and environment that it becomes, or its exit code."""
    import boto3

    def client(service: str, **options: Any) -> Any:
        return aws.clients().client(service)

    def execve(path: str, argv: list[str], environment: dict[str, str]) -> None:
        raise _BecameError(argv, environment)

    monkeypatch.setattr(boto3, "client", client)
    monkeypatch.setattr(os, "execve", execve)

    def run(*argv: str, index: int | None = None) -> Any:
        if index is not None:
            monkeypatch.setenv(_bootstrap.INDEX, str(index))
        try:
            return _bootstrap.main(list(argv))
        except _BecameError as became:
            return became.args

    return run


@pytest.mark.parametrize("kind", ["secrets_manager", "parameter_store"])
def test_a_job_fetches_its_start_once_and_deletes_it(
    aws: LoopbackAws, become: Any, kind: str
) -> None:
    vault = open_vault(kind, aws.clients(), None)
    [start] = starts(1)
    place(vault, "n", [start], TAGS)
    argv, environment = become(kind, "eu-west-1", "n", "1")
    assert argv[1:] == start.words
    assert environment["CREW_SECRET"] == start.variables["CREW_SECRET"]
    assert aws.secrets == aws.parameters == {}
    assert become(kind, "eu-west-1", "n", "1") == 0  # a second attempt finds nothing to start


def test_jobs_of_an_array_take_their_own_of_a_shared_entry(aws: LoopbackAws, become: Any) -> None:
    some = starts(5)
    vault = open_vault("secrets_manager", aws.clients(), None)
    vault.put("n", [pack(some[:3]), pack(some[3:])], TAGS)
    for index, start in enumerate(some):
        argv, _ = become("secrets_manager", "eu-west-1", "n", "3", index=index)
        assert argv[1:] == start.words
    assert len(aws.secrets) == 2  # others may still come


def test_a_job_that_was_given_up_ends_without_a_failure(become: Any, capfd: Any) -> None:
    assert become("secrets_manager", "eu-west-1", "n", "1") == 0
    assert "nothing to start for n" in capfd.readouterr().err


def test_variables_with_starts_are_not_handed_on(become: Any, monkeypatch: Any) -> None:
    some = starts(2)
    monkeypatch.setenv("CREW_START_0", pack(some))
    argv, environment = become("environment", "eu-west-1", "n", "2", index=1)
    assert argv[1:] == some[1].words
    assert "CREW_START_0" not in environment


def test_a_job_that_may_not_delete_starts_all_the_same(
    aws: LoopbackAws, become: Any, capfd: Any
) -> None:
    place(open_vault("secrets_manager", aws.clients(), None), "n", starts(1), TAGS)
    aws.faults = [Fault("DeleteSecret", status=403, code="AccessDeniedException", times=-1)]
    assert isinstance(become("secrets_manager", "eu-west-1", "n", "1"), tuple)
    assert "cannot delete crew/n/0" in capfd.readouterr().err
