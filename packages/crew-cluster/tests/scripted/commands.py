"""Commands that answer from a list."""

from __future__ import annotations

from collections.abc import Sequence

from crew_cluster._cluster.commands import Answer, CommandError


class Scripted:
    """Answers commands from a list instead of running them, and keeps what it was asked."""

    def __init__(self, *answers: Answer | CommandError) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, ...]] = []
        self.given: list[bytes | None] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        self.asked.append(tuple(argv))
        self.given.append(stdin)
        answer = self._answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        return answer._replace(argv=tuple(argv))

    @property
    def programs(self) -> list[str]:
        """What was run, without arguments."""
        return [argv[0] for argv in self.asked]


def said(stdout: str = "", stderr: str = "", code: int = 0) -> Answer:
    """An answer."""
    return Answer((), code, stdout, stderr)


def silence(*, began: bool = True) -> CommandError:
    """No answer in time; or the program was never run."""
    return CommandError("no answer", ["asked"], began=began)
