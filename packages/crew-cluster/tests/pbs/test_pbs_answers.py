"""What PBS's commands print is understood, and nothing that they print is a surprise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict
from crew_cluster._pbs import answers
from scripted.commands import said


def handle(job: str, index: int | None = None, count: int = 1) -> Handle:
    return Handle(job, index, count, "crew-i", "/nowhere")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("123.vm\n", "123.vm"),
        ("123[].vm\n", "123[].vm"),
        ("123.server.site.org\n", "123.server.site.org"),
        ("123\n", "123"),
        ("*** Welcome! 3 nodes are down ***\n123.vm\n", "123.vm"),
        ("123.vm\nYour account has 1000 hours left.\n", "123.vm"),
        ("  123.vm  \n\n", "123.vm"),
    ],
)
def test_an_id_is_found_whatever_is_around_it(printed: str, expected: str) -> None:
    assert answers.job_id(said(printed)) == expected


@pytest.mark.parametrize(
    "printed", ["", "\n", "ok", "job 123.vm", "-17", "1 2", "vm", "123[4].vm", "\u0663.vm"]
)
def test_what_is_no_id_is_not_taken_for_one(printed: str) -> None:
    with pytest.raises(UnreadableError):
        answers.job_id(said(printed))


@pytest.mark.parametrize(
    ("words", "code", "verdict"),
    [
        ("qsub: Unknown queue", 170, Verdict.REFUSED),
        ("qsub: Unknown resource Resource_List.ngpus", 187, Verdict.REFUSED),
        ("qsub: Illegal attribute or resource value Resource_List.walltime", 166, Verdict.REFUSED),
        ("qsub: Array job exceeds server or queue size limit", 3, Verdict.REFUSED),
        ("qsub: Queue is not enabled", 176, Verdict.REFUSED),
        ("Connection refused\nqsub: cannot connect to server vm (errno=15010)", 162, Verdict.BUSY),
        ("", 162, Verdict.BUSY),
        ("qsub: would exceed queue generic's per-user limit", 218, Verdict.FULL),
        ("qsub: Maximum number of jobs already in queue", 198, Verdict.FULL),
        ("qsub: End of File", 1, Verdict.UNSURE),
    ],
)
def test_a_failed_submission_is_judged_by_its_words(
    words: str, code: int, verdict: Verdict
) -> None:
    assert answers.verdict(said(stderr=f"{words}\n", code=code)) is verdict


@pytest.mark.parametrize(
    ("job", "index", "name"),
    [
        ("123.vm", None, "123.vm"),
        ("123[].vm", 4, "123[4].vm"),
        ("123[].vm", None, "123[].vm"),
        ("123[]", 4, "123[4]"),
        ("123", 4, "123[4]"),
    ],
)
def test_a_jobs_name_is_as_pbs_writes_it(job: str, index: int | None, name: str) -> None:
    assert answers.element(job, index) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("123.vm", "123.vm", True),
        ("123.vm.site.org", "123.vm", True),
        ("123", "123.vm", True),
        ("123[4].vm", "123[4]", True),
        ("123[4].vm", "123[5].vm", False),
        ("123.vm", "123.vmx", False),
        ("123.vm", "124.vm", False),
        ("123.a", "123.b", False),
    ],
)
def test_a_job_is_the_same_with_more_or_less_of_its_servers_name(
    one: str, other: str, same: bool
) -> None:
    assert answers.is_same(one, other) is same
    assert answers.is_same(other, one) is same


def test_a_whole_array_is_cancelled_by_its_id() -> None:
    array = [handle("123[].vm", index, 3) for index in (1, 2, 3)]
    assert answers.to_cancel([*array, handle("124.vm")]) == ["123[].vm", "124.vm"]
    assert answers.to_cancel([array[0], array[2], array[0]]) == ["123[1].vm", "123[3].vm"]


@pytest.mark.parametrize(
    ("words", "ending", "knows"),
    [
        ("qdel: Unknown Job Id 9999.vm", False, True),
        ("qdel: Job has finished 0.vm", False, True),
        ("qstat: 0.vm Job has finished, use -x or -H to obtain it", False, True),
        ("qdel: Request invalid for state of job 0.vm", True, True),
        ("qdel: Request invalid for state of job 0.vm", False, False),
        ("qdel: Unknown Job Id 9999.vm\nqdel: Unauthorized Request  0.vm", True, False),
        ("", True, False),
    ],
)
def test_what_is_over_is_no_trouble(words: str, ending: bool, knows: bool) -> None:
    assert answers.knows_none(said(stderr=f"{words}\n", code=153), ending=ending) is knows


def test_the_unknown_are_those_that_are_complained_of() -> None:
    words = "qstat: Unknown Job Id Error 9.vm\nqstat: Unknown Job Id 8.vm\n"
    assert answers.unknown(said(stderr=words, code=153), ["7.vm", "8.vm.org", "9.vm"]) == [
        "8.vm.org",
        "9.vm",
    ]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("Server: vm\n    max_array_size = 500\n    x = y\n", 500),
        ("Server: vm\n    max_job_array_size = 40\n", 40),
        ("Server: vm\n    max_array_size = 0\n", 1),
        ("Server: vm\n", None),
    ],
)
def test_the_limit_of_arrays_is_read(text: str, limit: int | None) -> None:
    assert answers.array_limit(text) == limit


@given(st.text(), st.text(), st.integers(-64, 255))
def test_any_answer_is_understood_or_our_error(stdout: str, stderr: str, code: int) -> None:
    answer = Answer(("qsub",), code, stdout, stderr)
    assert answers.verdict(answer) in Verdict
    assert answers.knows_none(answer) in (True, False)
    assert answers.keeps_no_history(answer) in (True, False)
    answers.array_limit(stdout)
    answers.unknown(answer, ["123.vm"])
    assert all(answers.ids(answer))
    with contextlib.suppress(UnreadableError):
        assert answers.job_id(answer)


@given(st.text(), st.text())
def test_any_two_names_can_be_compared(one: str, other: str) -> None:
    assert answers.is_same(one, other) is answers.is_same(other, one)
