"""Controllers are found in files, in a fixed order; what is wrong is said with file and table."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._controller.configuration import find, names
from crew_core._model.errors import ConfigError


def described(launcher: str, name: str = "cpu") -> str:
    return f'[controllers.{name}]\nlauncher = "{launcher}"\nworkers = 3\n'


def in_pyproject(launcher: str, name: str = "cpu") -> str:
    return f'[tool.crew.controllers.{name}]\nlauncher = "{launcher}"\n'


def test_section_has_launcher_options_and_path(project: Path) -> None:
    (project / "crew.toml").write_text(described("slurm") + 'partition = "short"\n')
    section = find("cpu")
    assert section is not None
    assert (section.name, section.launcher) == ("cpu", "slurm")
    assert section.options == {"workers": 3, "partition": "short"}
    assert section.path == project / "crew.toml"


def test_without_files_there_is_nothing(project: Path) -> None:
    assert find("cpu") is None
    assert names() == []


def test_order_of_places(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = project.parent.parent / "config" / "crew"
    user.mkdir(parents=True)
    places = [
        (user / "crew.toml", described("user")),
        (project.parent / "pyproject.toml", in_pyproject("parent_pyproject")),
        (project / "pyproject.toml", in_pyproject("pyproject")),
        (project.parent / "crew.toml", described("parent_file")),
        (project / "crew.toml", described("file")),
    ]
    for path, text in places:
        path.write_text(text)
        section = find("cpu")
        assert section is not None
        assert section.path == path
    (project / "special.toml").write_text(described("variable"))
    monkeypatch.setenv("CREW_CONFIG", "special.toml")
    section = find("cpu")
    assert section is not None
    assert section.launcher == "variable"


def test_name_that_a_better_place_lacks_is_found_in_the_next(project: Path) -> None:
    (project / "crew.toml").write_text(described("local", "here"))
    (project / "pyproject.toml").write_text(in_pyproject("slurm", "there"))
    section = find("there")
    assert section is not None
    assert section.launcher == "slurm"
    assert names() == ["here", "there"]


def test_pyproject_without_crew_does_not_hide_one_further_up(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "crew-user"\n')
    (project.parent / "pyproject.toml").write_text(in_pyproject("slurm"))
    assert find("cpu") is not None


def test_foreign_pyproject_may_be_broken(project: Path) -> None:
    (project / "pyproject.toml").write_text("{{ a template }}")
    assert find("cpu") is None


@pytest.mark.parametrize("line", ["workers = 2", "launcher = 5"])
def test_table_without_launcher_is_refused_by_file_and_table(project: Path, line: str) -> None:
    (project / "crew.toml").write_text(f"[controllers.cpu]\n{line}\n")
    with pytest.raises(ConfigError, match=r"crew\.toml: controllers\.cpu says .*launcher"):
        find("cpu")


def test_fault_of_another_table_does_not_matter(project: Path) -> None:
    (project / "crew.toml").write_text(described("local") + "[controllers.bad]\n")
    assert find("cpu") is not None


def test_bad_toml_is_refused_by_file_and_position(project: Path) -> None:
    (project / "crew.toml").write_text("[controllers.cpu]\nlauncher = local\n")
    with pytest.raises(ConfigError, match=r"crew\.toml is not valid TOML: .*line 2") as caught:
        find("cpu")
    assert str(project / "crew.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[controller.cpu]\n", r"unknown table or key 'controller'\. Did you mean 'controllers'"),
        ("controllers = 5\n", "must be tables"),
        ("controllers.cpu = 5\n", "must be a table"),
    ],
)
def test_other_shapes_are_refused(project: Path, text: str, said: str) -> None:
    (project / "crew.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        find("cpu")


def test_file_of_the_variable_must_be_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREW_CONFIG", str(project / "nowhere.toml"))
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        find("cpu")


def test_file_that_is_no_text_is_refused(project: Path) -> None:
    (project / "crew.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        find("cpu")
