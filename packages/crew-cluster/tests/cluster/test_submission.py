"""Workers are submitted all or none, in few submissions, and none of them twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_cluster._cluster import submission
from crew_cluster._cluster.commands import Answer, CommandError
from crew_cluster._cluster.folder import Folder
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.shelf import Shelf
from crew_cluster._cluster.submission import Submitter
from crew_cluster._slurm.options import SlurmOptions
from crew_cluster._slurm.scheduler import Slurm
from crew_core.plugins import LaunchError
from scripted.commands import Scripted, said, silence
from scripted.requests import request

LIMIT = said("MaxArraySize            = 4\n")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_PAUSES", (0.0, 0.0, 0.0))


class Site:
    """A submitter, and the commands that it runs."""

    def __init__(self, directory: Path, *answers: Answer | CommandError) -> None:
        self.run = Scripted(*answers)
        self.directory = directory
        self._submitter = Submitter(Slurm(), self.run, Shelf(directory))

    def submit(self, count: int = 1, options: SlurmOptions | None = None) -> list[Handle]:
        return self._submitter.submit(options or SlurmOptions(), request(count))

    @property
    def folders(self) -> list[str]:
        if not self.directory.exists():
            return []
        return sorted(path.name for path in self.directory.iterdir())


def test_one_worker_is_a_plain_job(tmp_path: Path) -> None:
    site = Site(tmp_path, said("17\n"))
    (handle,) = site.submit()
    assert (handle.job, handle.index) == ("17", None)
    assert "--array" not in (tmp_path / "crew-c-i1" / "script.sh").read_text()


def test_several_workers_are_one_array(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"))
    handles = site.submit(3)
    assert [(handle.job, handle.index) for handle in handles] == [("17", 1), ("17", 2), ("17", 3)]
    assert "#SBATCH --array=1-3\n" in (tmp_path / "crew-c-i1" / "script.sh").read_text()


def test_more_than_the_site_takes_are_several_submissions(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"), said("18\n"), said("19\n"))
    handles = site.submit(7)
    assert [f"{handle.job}_{handle.index}" for handle in handles] == [
        "17_1", "17_2", "17_3", "18_1", "18_2", "18_3", "19_None",
    ]  # fmt: skip
    assert site.folders == ["crew-c-i1", "crew-c-i4", "crew-c-i7"]


def test_the_site_is_asked_for_its_limit_once(tmp_path: Path) -> None:
    site = Site(tmp_path / "a", LIMIT, said("17\n"), said("18\n"))
    site.submit(2)
    site.directory.joinpath("crew-c-i1").rename(tmp_path / "elsewhere")
    site.submit(2)
    assert site.run.programs == ["scontrol", "sbatch", "sbatch"]


def test_a_user_can_want_smaller_arrays(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"), said("18\n"))
    handles = site.submit(2, SlurmOptions(array_size=1))
    assert [handle.index for handle in handles] == [None, None]


def test_without_the_arrays_directive_there_are_no_arrays(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"), said("18\n"))
    handles = site.submit(2, SlurmOptions(drop_directives=("--array",)))
    assert [handle.index for handle in handles] == [None, None]


def test_a_refusal_is_told_in_the_schedulers_words(tmp_path: Path) -> None:
    words = "sbatch: error: invalid partition specified: nope"
    site = Site(tmp_path, said(stderr=words, code=1))
    with pytest.raises(LaunchError, match="invalid partition specified: nope") as caught:
        site.submit()
    assert not caught.value.transient
    assert caught.value.returncode == 1
    assert caught.value.stderr == words
    assert caught.value.argv is not None
    assert caught.value.argv[0] == "sbatch"


def test_a_busy_scheduler_is_tried_again_later(tmp_path: Path) -> None:
    words = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
    with pytest.raises(LaunchError) as caught:
        Site(tmp_path, said(stderr=words, code=1)).submit()
    assert caught.value.transient


def test_a_site_that_takes_no_more_of_a_users_jobs_may_take_fewer(tmp_path: Path) -> None:
    words = "sbatch: error: AssocMaxSubmitJobLimit"
    with pytest.raises(LaunchError, match="AssocMaxSubmitJobLimit") as caught:
        Site(tmp_path, LIMIT, said(stderr=words, code=1)).submit(3)
    assert (caught.value.transient, caught.value.too_many) == (True, True)


def test_a_refusal_leaves_no_secret_behind(tmp_path: Path) -> None:
    site = Site(tmp_path, said(stderr="no", code=1))
    with pytest.raises(LaunchError):
        site.submit()
    assert site.folders == []


def test_a_refused_part_ends_the_rest(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"), said(stderr="no", code=1), said())
    with pytest.raises(LaunchError):
        site.submit(5)
    assert site.run.asked[-1] == ("scancel", "--quiet", "17")
    assert [path.name for path in (tmp_path / "crew-c-i1").iterdir() if path.name.isdigit()] == []


def test_a_lost_answer_is_looked_for_by_name(tmp_path: Path) -> None:
    site = Site(tmp_path, silence(), said("17|crew-c-i1\n"))
    (handle,) = site.submit()
    assert handle.job == "17"
    assert site.run.programs == ["sbatch", "squeue"]


def test_a_timeout_of_the_scheduler_itself_is_looked_for(tmp_path: Path) -> None:
    words = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    site = Site(tmp_path, said(stderr=words, code=1), said(), said("17|crew-c-i1\n"))
    assert [handle.job for handle in site.submit()] == ["17"]


def test_a_lost_answer_that_is_not_found_starts_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, silence(), said(), said("", "busy", 1), said("9|crew-other-i1\n"))
    with pytest.raises(LaunchError, match="did not say whether it took") as caught:
        site.submit()
    assert caught.value.transient
    assert site.folders == []
    assert site.run.programs == ["sbatch", *["squeue"] * 3]


def test_a_scheduler_that_says_nothing_at_all_is_not_waited_for(tmp_path: Path) -> None:
    site = Site(tmp_path, silence(), silence())
    with pytest.raises(LaunchError, match="did not say whether it took"):
        site.submit()
    assert site.run.programs == ["sbatch", "squeue"]


def test_an_answer_without_an_id_is_looked_for(tmp_path: Path) -> None:
    site = Site(tmp_path, said("Welcome to the cluster!\n"), said("17|crew-c-i1\n"))
    assert [handle.job for handle in site.submit()] == ["17"]


def test_a_missing_program_is_an_error_at_once(tmp_path: Path) -> None:
    site = Site(tmp_path, silence(began=False))
    with pytest.raises(LaunchError) as caught:
        site.submit()
    assert not caught.value.transient
    assert site.run.programs == ["sbatch"]


def test_a_job_that_cannot_be_written_down_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, said("17\n"), said())
    write, written = Folder.write_record, list[object]()

    def full(self: Folder, facts: dict[str, object]) -> None:
        if written:
            raise LaunchError("the disk is full")
        written.append(facts)
        write(self, facts)

    monkeypatch.setattr(Folder, "write_record", full)
    with pytest.raises(LaunchError, match="the disk is full"):
        site.submit()
    assert site.run.programs == ["sbatch", "scancel"]
    assert site.folders == []


def test_a_folder_of_another_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "crew-c-i1").mkdir()
    with pytest.raises(LaunchError):
        Site(tmp_path).submit()
    assert (tmp_path / "crew-c-i1").exists()


def test_no_command_line_and_no_script_holds_a_secret(tmp_path: Path) -> None:
    site = Site(tmp_path, LIMIT, said("17\n"))
    site.submit(3)
    shown = str(site.run.asked) + (tmp_path / "crew-c-i1" / "script.sh").read_text()
    assert "secret" not in shown


def test_folders_for_output_are_made(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    options = SlurmOptions(log_output=logs / "%A_%a.txt", log_error=tmp_path / "%j" / "e.txt")
    Site(tmp_path / "scripts", said("17\n")).submit(options=options)
    assert logs.is_dir()
    assert not (tmp_path / "%j").exists()
