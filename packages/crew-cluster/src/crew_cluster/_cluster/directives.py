"""A script's directives: what crew generates, less what the user drops, with what the user adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from crew_core.plugins import ConfigError


class Directive(NamedTuple):
    """One line that the scheduler reads, without its prefix.

    Attributes:
        key: what it is about, as ``Dialect.keys`` finds it in a user's line: "--mem", "-l h_rt".
        text: the whole of it, values quoted as the scheduler likes: "--mem=4096M".
    """

    key: str
    text: str


@dataclass(frozen=True)
class Dialect:
    """How one scheduler writes directives.

    Attributes:
        prefix: what its lines begin with.
        aliases: short options and the long ones they stand for, where both exist.
        several: options that may stand on several lines, each about what its first word names.
        attached: a short option's value may follow without a space.
    """

    prefix: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    several: frozenset[str] = frozenset()
    attached: bool = False

    def keys(self, text: str) -> list[str]:
        """What a user's line is about: usually one thing."""
        option, _, value = self.bare(text).partition(" ")
        if option.startswith("--"):
            return [option.partition("=")[0]]
        if self.attached and option[:2] in self.aliases:
            option = option[:2]
        option = self.aliases.get(option, option)
        if option not in self.several:
            return [option]
        parts = [part.partition("=")[0].strip() for part in value.split(",")]
        return [f"{option} {part}" for part in parts if part] or [option]

    def bare(self, text: str) -> str:
        """A user's line without the prefix, if it has one."""
        return text.strip().removeprefix(self.prefix).strip()

    def line(self, text: str) -> str:
        """The line of the script."""
        return f"{self.prefix} {text}"

    def among(self, lines: Sequence[str]) -> list[str]:
        """Those of a user's shell lines that the scheduler reads."""
        found = (line for text in lines for line in text.split("\n"))
        return [line for line in found if line.startswith(self.prefix)]


def arrange(
    generated: Sequence[Directive],
    dialect: Dialect,
    *,
    drop: Sequence[str] = (),
    extra: Sequence[str] = (),
    lines: Sequence[str] = (),
) -> list[str]:
    """The directives of a script, in order.

    Args:
        generated: what follows from the options.
        dialect: the scheduler's.
        drop: what the user does not want of it.
        extra: lines that the user adds; what was generated about the same things goes.
        lines: the user's shell lines, which come later; likewise where they are directives.
    """
    said = [*extra, *dialect.among(lines)]
    replaced = {key for text in said for key in dialect.keys(text)}
    kept = [
        directive.text
        for directive in generated
        if directive.key not in replaced
        and not any(matches(directive.key, dialect.bare(word)) for word in drop)
    ]
    added = [bare for text in extra if (bare := dialect.bare(text))]
    return [dialect.line(text) for text in (*kept, *added)]


def matches(key: str, word: str) -> bool:
    """True when a user's word means this directive: "--mem", "mem", "-l", "-l h_rt", "h_rt"."""
    plain = key.lstrip("-")
    return bool(word) and (
        word in (key, plain, key.rpartition(" ")[2]) or key.startswith(f"{word} ")
    )


def refuse_own(dialect: Dialect, keys: Sequence[str], said: Sequence[str], hint: str) -> None:
    """Refuse directives of a user's about what only crew can say.

    Raises:
        ConfigError: naming the line, with a hint what to do instead.
    """
    for text in said:
        if set(dialect.keys(text)) & set(keys):
            raise ConfigError(f"directive {text!r} cannot be given; {hint}")
