"""Every snippet of the documentation runs as it stands, page by page.

The Python of a page is one script; its TOML with controllers is the ``crew.toml`` beside it; of its
shell lines those that call ``crew`` are run. What a page prints in a comment after a line is not
compared. A snippet that cannot run says why, above it: ``<!-- not run: it opens a debugger -->``.
Pages that need a platform are run on a testbed, by the tests that ``ON_TESTBEDS`` names.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).parent / "stand_in"
SECONDS = 290
LANGUAGES = {"bash", "json", "python", "text", "toml", "{eval-rst}", "{toctree}", "{image}", ""}
RUN_ELSEWHERE = (
    "pip ",
    "python ",
    "source ",
    "python3 dev.py",
    "nox ",
    "pytest",
    "cd ",
    "git ",
    ".dev",
)
SKIPS_MOST = 12

pytestmark = pytest.mark.timeout(900)

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>.+) -->\n)?^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Snippet(NamedTuple):
    """A block of code of a page."""

    language: str
    code: str
    why_not: str | None


def pages() -> Iterator[Path]:
    """All that people read about crew as it is written; decisions tell of their day."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found += [*ROOT.glob("packages/*/README.md"), *ROOT.glob("examples/*/README.md")]
    yield from sorted(path for path in found if not {"decisions", "_build"} & set(path.parts))


def snippets(page: Path) -> list[Snippet]:
    return [
        Snippet(found["language"].strip().split(" ")[0], found["code"], found["why"])
        for found in _BLOCK.finditer(page.read_text("utf-8"))
    ]


def of_language(page: Path, language: str) -> list[str]:
    return [s.code for s in snippets(page) if s.language == language and s.why_not is None]


ON_AWS = "docs/how-to/run-on-aws-batch.md"
PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
WITH_PYTHON = [
    name for name, page in PAGES.items() if name != ON_AWS and of_language(page, "python")
]
FOLLOWED = {"docs/how-to/write-a-launcher.md"}  # by tests/ecosystem, in a fresh environment
ON_TESTBEDS = {
    ON_AWS: "packages/crew-aws-batch/tests/on_aws/test_on_aws_page.py",
    "docs/tutorial/first-cloud.md": "packages/crew-aws-batch/tests/on_aws/test_on_aws_page.py",
    "docs/how-to/run-over-ssh.md": "packages/crew-ssh/tests/on_hosts/test_on_ssh_page.py",
}
WITH_CREW = [
    name
    for name, page in PAGES.items()
    if name not in FOLLOWED | set(ON_TESTBEDS)
    and any(f"\n{code}".count("\ncrew ") for code in of_language(page, "bash"))
]


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program where all platforms are this computer."""
    path = os.pathsep.join([str(STAND_IN), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        argv,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "MPLBACKEND": "Agg",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where a page's snippets run, with the configuration that it shows."""
    page = PAGES[request.node.callspec.params["name"]]
    tables = [code for code in of_language(page, "toml") if "[controllers." in code]
    beside = page.parent / "crew.toml"
    if beside.is_file():
        (tmp_path / "crew.toml").write_text(beside.read_text())
    elif tables:
        (tmp_path / "crew.toml").write_text("\n".join(tables))
    return tmp_path


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_the_python_of_a_page_runs(name: str, folder: Path) -> None:
    (folder / "page.py").write_text("\n\n".join(of_language(PAGES[name], "python")))
    done = run(folder, sys.executable, "page.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", WITH_CREW)
def test_the_commands_of_a_page_run(name: str, folder: Path) -> None:
    # They may be about a session that the page's Python has had.
    (folder / "page.py").write_text("\n\n".join(of_language(PAGES[name], "python")))
    run(folder, sys.executable, "page.py")
    for code in of_language(PAGES[name], "bash"):
        for line in code.splitlines():
            if line.startswith("crew "):
                argv = shlex.split(line, comments=True)
                done = run(folder, sys.executable, "-m", "crew_core", *argv[1:])
                assert done.returncode == 0, f"{line}: {done.stderr or done.stdout}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_snippet_that_nobody_runs(name: str) -> None:
    for snippet in snippets(PAGES[name]):
        assert snippet.language in LANGUAGES
        if snippet.language == "bash" and snippet.why_not is None:
            for line in snippet.code.splitlines():
                known = not line or line.startswith(("crew ", "#", " ", *RUN_ELSEWHERE))
                assert known, f"nobody runs {line!r}"


@pytest.mark.parametrize("name", ON_TESTBEDS)
def test_a_page_that_needs_a_platform_is_run_on_a_testbed(name: str) -> None:
    text = (ROOT / ON_TESTBEDS[name]).read_text("utf-8")
    assert Path(name).name in text, "that test is about another page"
    pytest.skip(f"{name} is NOT RUN HERE, but by {ON_TESTBEDS[name]}, on a testbed")


def test_few_snippets_are_not_run() -> None:
    left = [s.why_not for page in PAGES.values() for s in snippets(page) if s.why_not]
    assert len(left) <= SKIPS_MOST, left


def test_links_lead_somewhere() -> None:
    broken = []
    for name, page in PAGES.items():
        text = _BLOCK.sub("", page.read_text("utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            place, _, anchor = target.partition("#")
            if "://" in place or place.startswith("mailto:"):
                continue
            path = (page.parent / place).resolve() if place else page
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{name}: {target}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", head.lower()) for head in heads]
    return {head.replace(" ", "-") for head in plain}
