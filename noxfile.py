"""Runs every check of the repository; finds the packages instead of listing them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
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
    "docs",
    "docs_tests",
    "bench_tests",
    "fuzz_tests",
    "chaos_tests",
    "testbed_tests",
    "schedulers",
    "hosts",
    "aws_batch",
    "packages",
    "lowest",
]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
CORE = "crew-core"
CLUSTER = "crew-cluster"
SSH = "crew-ssh"
AWS_BATCH = "crew-aws-batch"
RUSH = "crew-rush"
ON_TESTBEDS = "test_on_*.py"
ABOUT_BEHAVIOUR = ("attacks", "conformance", "parity", "simulator")
# Each of the core's other tests runs on the oldest, on the newest, and on one Python in between.
LEFT_TO_OTHERS = {
    "3.11": ("cli", "network", "semantics"),
    "3.12": ("controller", "launcher", "test_examples.py"),
}
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
FUZZED_PYTHON = "3.11"  # atheris comes for few

TEST_TOOLS = ["hypothesis", "pytest", "pytest-timeout"]
CORE_TEST_TOOLS = ["ipykernel", "nbclient", "nbformat", "numpy", "pytest-xdist"]
RUSH_TEST_TOOLS = ["pytest-xdist", "redis"]
DOCS_TOOLS = ["furo", "myst-parser", "pytest", "sphinx"]
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
SCRIPTS = [
    "dev.py",
    "noxfile.py",
    "scripts",
    "tests",
    "examples",
    "benchmarks",
    "chaos",
    "fuzz",
    "testbeds",
]


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
    more = {CORE: CORE_TEST_TOOLS, RUSH: RUSH_TEST_TOOLS}
    tools = [*TEST_TOOLS, *more.get(package, [])]
    install(session, *tools, *editable(*dict.fromkeys((CORE, package))))
    at_once = {CORE: "3", RUSH: "2"}.get(package)
    workers = ["-n", at_once, "--dist", "worksteal"] if at_once else []
    session.run(
        "pytest", *workers, *left_out(session, package), *session.posargs, tests_of(package)
    )


def tests_of(package: str) -> str:
    """The folder of a package's tests."""
    return f"packages/{package}/tests"


def left_out(session: nox.Session, package: str) -> list[str]:
    """Leave what is hardly about a Python's version to the oldest, the newest, and one between.

    What is about behaviour alone needs none between; what needs a testbed has its own session.
    """
    if package in (CLUSTER, SSH, AWS_BATCH, RUSH):
        return [f"--ignore-glob=*/{ON_TESTBEDS}"]
    others = LEFT_TO_OTHERS.get(str(session.python))
    if package != CORE or others is None:
        return []
    return [f"--ignore={tests_of(CORE)}/{place}" for place in (*ABOUT_BEHAVIOUR, *others)]


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes, on one Python."""
    install(session, *TEST_TOOLS, *CORE_TEST_TOOLS, *RUSH_TEST_TOOLS, *editable(CORE, RUSH))
    for package in (CORE, RUSH):
        session.run("pytest", "-m", "slow", *session.posargs, tests_of(package))


@nox.session
def simulate(session: nox.Session) -> None:
    """Run crew under a virtual clock, with faults; `-- --seed N` replays a run, and tells it."""
    install(session, *editable(CORE))
    env = {"PYTHONPATH": tests_of(CORE), "PYTHONUNBUFFERED": "1"}
    session.run("python", "-m", "simulator", *session.posargs, env=env)


@nox.session
def ecosystem(session: nox.Session) -> None:
    """Test all distributions together, as wheels, the way users install them."""
    install(session, *TEST_TOOLS, "hatchling")
    wheels = [f"packages/{name}" for name in PACKAGES]
    session.install(
        "--quiet",
        "--no-build-isolation",
        *wheels,
        env={"PIP_CONSTRAINT": str(CONSTRAINTS)},
    )
    session.run("pytest", *session.posargs, "tests/ecosystem")


@nox.session(python=PYTHONS)
def packages(session: nox.Session) -> None:
    """Build wheels and sdists, and try them in clean environments, with the newest dependencies.

    An sdist becomes the wheel that is tried as well: the oldest and the newest Python will do.
    """
    try_packages(session, "*.whl", [])
    if session.python in (PYTHONS[0], PYTHONS[-1]):
        try_packages(session, "*.tar.gz", [])


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """The same with the lowest dependencies that are allowed."""
    session.install("--quiet", "--constraint", str(CONSTRAINTS), "packaging", "tomli")
    bounds = str(session.run("python", "scripts/lowest.py", silent=True))
    constraints = Path(session.create_tmp()).absolute() / "lowest.txt"
    constraints.write_text(bounds)
    try_packages(session, "*.whl", ["--constraint", str(constraints)])


def try_packages(session: nox.Session, kind: str, arguments: list[str]) -> None:
    """Install what is built of all packages into an environment of its own, and try it there."""
    found = sorted(map(str, built_packages(session).glob(kind)))
    clean = Path(session.create_tmp()).absolute() / "clean"
    shutil.rmtree(clean, ignore_errors=True)
    session.run("python", "-m", "venv", str(clean))
    python = str(clean / ("Scripts" if os.name == "nt" else "bin") / "python")
    # Most of what is installed is never imported here, so compiling it would be in vain.
    install = ["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    session.run(python, *install, *arguments, *found, external=True)
    with session.chdir(clean):
        smoke = str(ROOT / "scripts" / "smoke.py")
        session.run(python, smoke, "--loops", "slurm", "aws_batch", "ssh", external=True)


def built_packages(session: nox.Session) -> Path:
    """Where wheel and sdist of every package are; built once for all sessions."""
    files = [path for path in sorted(ROOT.glob("packages/**/*")) if path.is_file()]
    sources = hashlib.sha256()
    for path in files:
        if "__pycache__" not in path.parts:
            sources.update(path.read_bytes())
    folder = ROOT / ".nox" / "dist" / sources.hexdigest()[:16]
    if not folder.is_dir():
        unfinished = folder.with_suffix(".new")
        session.install("--quiet", "--constraint", str(CONSTRAINTS), "build")
        for name in PACKAGES:
            source = f"packages/{name}"
            session.run("python", "-m", "build", "--outdir", str(unfinished), source, silent=True)
        unfinished.rename(folder)
    return folder


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site strictly, into docs/_build."""
    install(session, *DOCS_TOOLS, *editable(*PACKAGES))
    session.run("python", "scripts/reference.py", "--check")
    strictly = ["--fail-on-warning", "--keep-going", "--fresh-env"]
    session.run("sphinx-build", *strictly, "docs", "docs/_build/html", *session.posargs)


@nox.session
def docs_tests(session: nox.Session) -> None:
    """Run every snippet of the documentation, and follow its links."""
    install(session, *TEST_TOOLS, "pytest-xdist", *editable(*PACKAGES))
    session.run("pytest", "-n", "2", "-rs", *session.posargs, "tests/docs")


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
    install(session, *TEST_TOOLS, *editable(CORE, CLUSTER))
    session.run("pytest", *session.posargs, "tests/fuzz")


@nox.session(python=FUZZED_PYTHON)
def fuzz(session: nox.Session) -> None:
    """Fuzz every border that others can reach; `-- --seconds N` for so long together."""
    install(session, "atheris", *editable(CORE, CLUSTER))
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
def testbed_tests(session: nox.Session) -> None:
    """Bring up every testbed that this machine can have, and prove it with jobs."""
    install(session, *TEST_TOOLS, "pytest-xdist")
    beds = ["-n", "3", "--dist", "loadfile"]  # they mostly wait
    session.run("pytest", *beds, *session.posargs, "tests/testbeds")


@nox.session
def schedulers(session: nox.Session) -> None:
    """Test launchers on real schedulers and stand-ins, which testbeds bring up and take down."""
    run_on_testbeds(session, CLUSTER, RUSH)


@nox.session
def aws_batch(session: nox.Session) -> None:
    """Test crew on an AWS Batch that a testbed brings up, whose jobs are real containers."""
    run_on_testbeds(session, AWS_BATCH, beside=[RUSH])


@nox.session
def hosts(session: nox.Session) -> None:
    """Test crew-ssh on real sshd, which testbeds bring up and take down."""
    run_on_testbeds(session, SSH, beside=[CLUSTER, RUSH])


def run_on_testbeds(session: nox.Session, *packages: str, beside: Sequence[str] = ()) -> None:
    """Run what of these packages' tests needs a testbed; with the packages beside them."""
    install(session, *TEST_TOOLS, "pytest-xdist", *editable(CORE, *packages, *beside))
    places = [tests_of(package) for package in packages]
    found = sorted(str(file) for place in places for file in ROOT.glob(f"{place}/**/{ON_TESTBEDS}"))
    beds = ["-n", "2", "--dist", "loadfile"]  # they mostly wait
    session.run("pytest", *beds, *(session.posargs or found))


@nox.session
def bench_schedulers(session: nox.Session) -> None:
    """Measure how long workers take to come, beside the schedulers' own jobs."""
    install(session, *editable(CORE, CLUSTER))
    session.run("python", "-m", "benchmarks.schedulers", *session.posargs)


@nox.session
def bench_tunnels(session: nox.Session) -> None:
    """Measure how long tasks take through crew-ssh's tunnel, beside a bare forward."""
    install(session, *editable(CORE, SSH))
    session.run("python", "-m", "benchmarks.tunnels", *session.posargs)


@nox.session
def bench_aws_batch(session: nox.Session) -> None:
    """Measure that nobody waits for an AWS that answers late."""
    install(session, *editable(CORE, AWS_BATCH))
    session.run("python", "-m", "benchmarks.aws_batch", *session.posargs)


@nox.session
def bench_rush(session: nox.Session) -> None:
    """Measure the stores of crew-rush: tasks a second, and fetches."""
    install(session, "redis", *editable(CORE, RUSH))
    session.run("python", "-m", "benchmarks.rush", *session.posargs)


@nox.session
def tour(session: nox.Session) -> None:
    """Show what crew does, in a minute."""
    install(session, *editable(CORE))
    session.run("python", "examples/tour.py", *session.posargs, env={"PYTHONUNBUFFERED": "1"})
