"""What a launcher's plugin raises is told as what it is: trouble that passes, or a defect."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

import crew_core as crew
from crew_core._launcher.guarded import GuardedLauncher
from crew_core.plugins import LaunchRequest
from crew_core.testing import FakeLauncher


class Failing(FakeLauncher):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise self._error


def refusal(error: Exception) -> crew.LaunchError:
    with pytest.raises(crew.LaunchError) as caught:
        GuardedLauncher(Failing(error), "test").launch(())
    return caught.value


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC])
def test_what_the_computer_is_short_of_is_tried_again_and_nobodys_defect(number: int) -> None:
    told = refusal(OSError(number, os.strerror(number)))
    assert told.transient
    assert os.strerror(number) in str(told)
    assert "defect" not in str(told)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no sbatch"), KeyError("x")])
def test_anything_else_is_a_defect_that_is_not_tried_again(error: Exception) -> None:
    told = refusal(error)
    assert not told.transient
    assert "defect" in str(told)
