"""Tells whoever reads pytest's report what a bed could not have: import the hooks in a conftest."""

from __future__ import annotations

from typing import Any

import pytest

_SAID = pytest.StashKey[dict[str, None]]()
_OUTPUT = "said by testbeds"


def say(config: pytest.Config, words: str) -> None:
    """Have it told at the end, once, whichever of several workers of pytest says it."""
    said = config.stash.setdefault(_SAID, {})
    said[words] = None
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    if output is not None:  # this is one of several: it has no report of its own
        output[_OUTPUT] = list(said)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one of several workers has said."""
    for words in getattr(node, "workeroutput", {}).get(_OUTPUT, ()):
        say(node.config, words)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell it."""
    for words in config.stash.get(_SAID, ()):
        terminalreporter.write_line(words)
