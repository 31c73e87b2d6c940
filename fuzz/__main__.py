"""``python -m fuzz --seconds N [BORDER ...]``: fuzz every border in turn, for so long together.

With atheris, which sees what its inputs reach; else blindly. A border that does not hold is told
with a command that shows it again: ``python -m fuzz --again BORDER FILE``. What is new to atheris
is kept in ``--finds``, for whoever wants to add to the corpus.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz import blind
from fuzz.borders import CORPUS, load, names

_INPUT_MAX = 4096
_INPUT_SECONDS = 10
_MEMORY_MEGABYTES = 2048
_AT_START = 60  # seconds that libFuzzer may take before and after


def main() -> int:
    """Fuzz; 1 when something was found."""
    options = _parse()
    if options.again:
        load(options.borders[0])(Path(options.borders[1]).read_bytes())
        print("it holds")
        return 0
    if options.alone:
        return _guided(options.borders[0], options.seconds, options.finds)
    borders = options.borders or names()
    each = options.seconds / len(borders)
    is_guided = importlib.util.find_spec("atheris") is not None
    how = "with atheris" if is_guided else "blindly, as atheris is not installed"
    print(f"fuzz: {len(borders)} borders, {each:.0f} s each, {how}")
    with tempfile.TemporaryDirectory() as scratch:
        finds = Path(options.finds or scratch)
        failed = [name for name in borders if not _fuzz(name, each, finds, is_guided)]
    if failed:
        print(f"fuzz: {', '.join(failed)} did not hold")
    return 1 if failed else 0


def _fuzz(name: str, seconds: float, finds: Path, is_guided: bool) -> bool:
    (finds / name).mkdir(parents=True, exist_ok=True)
    if is_guided:
        # A process of its own: libFuzzer ends it, and what it loads it instruments.
        command = [sys.executable, "-m", "fuzz", "--alone", "--seconds", str(seconds)]
        command += ["--finds", str(finds), name]
        held = _run(command, seconds + _AT_START) == 0
        print(f"fuzz: {name} {'held' if held else 'did not hold'}", flush=True)
        return held
    tried = blind.fuzz(name, load(name), seconds, seed=0)
    print(f"fuzz: {name} held {tried} times", flush=True)
    return True


def _run(command: list[str], seconds: float) -> int | None:
    """The exit code; None when it did not end."""
    try:
        return subprocess.run(command, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return None


def _guided(name: str, seconds: float, finds: str) -> int:
    import atheris

    with atheris.instrument_imports(include=["crew_core", "crew_cluster", "fuzz.borders"]):
        check = load(name)
    mine = Path(finds) / name
    atheris.Setup(
        [
            "fuzz",
            str(mine),
            str(CORPUS / name),
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={_INPUT_MAX}",
            f"-timeout={_INPUT_SECONDS}",
            f"-rss_limit_mb={_MEMORY_MEGABYTES}",
            f"-artifact_prefix={Path.cwd() / name}-",
            "-verbosity=0",
            "-print_final_stats=1",
        ],
        check,
    )
    atheris.Fuzz()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("borders", nargs="*", help=f"one or more of {', '.join(names())}")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all together")
    parser.add_argument("--finds", default="", help="a folder for inputs that reach something new")
    parser.add_argument("--again", action="store_true", help="try one border with one file")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
