"""Runs every check of the repository; finds the packages instead of listing them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "types",
    "imports",
    "tests",
    "slow",
    "ecosystem",
    "bench_tests",
    "fuzz_tests",
    "chaos_tests",
]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
CORE = "crew-core"
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
FUZZED_PYTHON = "3.11"  # atheris comes for few

TEST_TOOLS = ["pytest", "pytest-timeout"]
CORE_TEST_TOOLS = ["hypothesis", "ipykernel", "nbclient", "nbformat", "numpy", "pytest-xdist"]
TYPED_TOOLS = [
    "hypothesis",
    "mypy",
    "nbclient",
    "nbformat",
    "nox",
    "pandas-stubs",
    "pytest",
    "tomli",
    "types-psutil",
]
SCRIPTS = ["dev.py", "noxfile.py", "scripts", "tests", "examples", "benchmarks", "chaos", "fuzz"]


def editable(*packages: str) -> list[str]:
    """Give pip's arguments for packages of this repository, installed in place."""
    return [argument for name in packages for argument in ("-e", f"packages/{name}")]


def install(session: nox.Session, *arguments: str) -> None:
    """Install once: asking pip again costs seconds when nothing has changed."""
    manifests = [CONSTRAINTS, *sorted(ROOT.glob("packages/*/pyproject.toml"))]
    wanted = hashlib.sha256(repr(arguments).encode())
    for manifest in manifests:
        wanted.update(manifest.read_bytes())
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    stamp.unlink(missing_ok=True)
    # As a variable and not as -c, so that isolated builds get the same hatchling.
    session.install("--quiet", *arguments, env={"PIP_CONSTRAINT": str(CONSTRAINTS)})
    stamp.write_text(wanted.hexdigest())


def python_files(*places: str) -> list[str]:
    """Keep the places that hold Python files, so that checkers do not stumble over the rest."""
    return [
        place
        for place in places
        if (ROOT / place).suffix == ".py" or any((ROOT / place).rglob("*.py"))
    ]


def run_all(session: nox.Session, *commands: list[str]) -> None:
    """Run every command before failing, so that one look shows all there is to mend."""
    failed = []
    for command in commands:
        try:
            session.run(*command)
        except CommandFailed:
            failed.append(" ".join(command))
    if failed:
        session.error(f"{len(failed)} of {len(commands)} failed: {'; '.join(failed)}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session, "ruff")
    run_all(session, ["ruff", "check", "."], ["ruff", "format", "--check", "."])


@nox.session
def types(session: nox.Session) -> None:
    """Check types, package by package."""
    install(session, *TYPED_TOOLS, *editable(*PACKAGES))
    # One run each: test modules of two packages may share a name, which mypy takes for a clash.
    targets = [[f"packages/{package}/src", f"packages/{package}/tests"] for package in PACKAGES]
    run_all(session, *(["mypy", *python_files(*target)] for target in [*targets, SCRIPTS]))


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports respect the layers and the public doors."""
    install(session, "import-linter", *editable(*PACKAGES))
    session.run("lint-imports", "--no-cache")


@nox.session(python=PYTHONS)
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Run one package's tests against the core of this repository."""
    tools = [*TEST_TOOLS, *(CORE_TEST_TOOLS if package == CORE else [])]
    install(session, *tools, *editable(*dict.fromkeys((CORE, package))))
    workers = ["-n", "3", "--dist", "worksteal"] if package == CORE else []
    session.run(
        "pytest", *workers, *left_out(session, package), *session.posargs, tests_of(package)
    )


def tests_of(package: str) -> str:
    """The folder of a package's tests."""
    return f"packages/{package}/tests"


def left_out(session: nox.Session, package: str) -> list[str]:
    """Leave what is about behaviour and not about a Python's version to the oldest and newest."""
    if package != CORE or session.python in (PYTHONS[0], PYTHONS[-1]):
        return []
    return [f"--ignore={tests_of(CORE)}/{folder}" for folder in ("parity", "conformance")]


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes, on one Python."""
    install(session, *TEST_TOOLS, *CORE_TEST_TOOLS, *editable(CORE))
    session.run("pytest", "-m", "slow", *session.posargs, tests_of(CORE))


@nox.session
def simulate(session: nox.Session) -> None:
    """Run crew under a virtual clock, with faults; `-- --seed N` replays a run, and tells it."""
    install(session, *editable(CORE))
    env = {"PYTHONPATH": tests_of(CORE), "PYTHONUNBUFFERED": "1"}
    session.run("python", "-m", "simulator", *session.posargs, env=env)


@nox.session
def ecosystem(session: nox.Session) -> None:
    """Test all four distributions together, as wheels, the way users install them."""
    install(session, *TEST_TOOLS, "hatchling")
    wheels = [f"packages/{name}" for name in PACKAGES]
    session.install(
        "--quiet",
        "--no-build-isolation",
        *wheels,
        env={"PIP_CONSTRAINT": str(CONSTRAINTS)},
    )
    session.run("pytest", *session.posargs, "tests/ecosystem")


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in what crew depends on, where somebody can be asked."""
    install(session, "pip-audit", *editable(*PACKAGES))
    session.run("python", "scripts/audit.py", *session.posargs)


@nox.session
def bench_tests(session: nox.Session) -> None:
    """Test what the benchmarks do with numbers and processes, without any peer."""
    install(session, *TEST_TOOLS, "psutil")
    session.run("pytest", *session.posargs, "tests/benchmarks")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure crew beside its peers; `-- --quick` compares with the committed figures."""
    install(session, "psutil")
    session.run("python", "-m", "benchmarks", *session.posargs, env={"PYTHONUNBUFFERED": "1"})


@nox.session
def fuzz_tests(session: nox.Session) -> None:
    """Try every border with what it fell for once, and with some thousand changes of it."""
    install(session, *TEST_TOOLS, "hypothesis", *editable(CORE))
    session.run("pytest", *session.posargs, "tests/fuzz")


@nox.session(python=FUZZED_PYTHON)
def fuzz(session: nox.Session) -> None:
    """Fuzz every border that others can reach; `-- --seconds N` for so long together."""
    install(session, "atheris", *editable(CORE))
    session.run("python", "-m", "fuzz", *session.posargs, env={"PYTHONUNBUFFERED": "1"})


@nox.session
def chaos_tests(session: nox.Session) -> None:
    """Test how chaos counts, and do each of its faults once."""
    install(session, *TEST_TOOLS, *editable(CORE))
    session.run("pytest", *session.posargs, "tests/chaos")


@nox.session
def chaos(session: nox.Session) -> None:
    """Strike running controllers with real faults for 20 minutes; `-- --minutes N --seed N`."""
    install(session, *editable(CORE))
    session.run("python", "-m", "chaos", *session.posargs, env={"PYTHONUNBUFFERED": "1"})


@nox.session
def tour(session: nox.Session) -> None:
    """Show what crew does, in a minute."""
    install(session, *editable(CORE))
    session.run("python", "examples/tour.py", *session.posargs, env={"PYTHONUNBUFFERED": "1"})
