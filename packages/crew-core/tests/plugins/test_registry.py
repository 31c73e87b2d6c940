"""Launchers are found by name, lazily, and a broken plugin harms nobody but who asks for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from crew_core._launcher.local import LocalLauncher
from crew_core._launcher.local_monitor import LocalMonitor
from crew_core._model.errors import PluginContractError, PluginError, PluginNotFoundError
from crew_core._plugins.presence import DISABLE_VARIABLE
from crew_core._plugins.registry import find_launcher, find_monitor, fresh, launchers

Install = Callable[..., Path]
Registering = Callable[[Mapping[str, str]], str]

LAUNCHER = """
    from crew_core.plugins import Launcher

    class Mine(Launcher):
        def launch(self, request):
            return [w.instance for w in request.workers]
"""


def names() -> list[str]:
    return [info.name for info in launchers()]


def test_local_launcher_and_monitor_are_always_there(site: Path) -> None:
    assert find_launcher("local") is LocalLauncher
    assert find_monitor("local") is LocalMonitor
    assert "local" in names()


def test_installed_launcher_is_found_by_name(install: Install, registering: Registering) -> None:
    install(
        "crew-mine",
        {"mine": "plugin_mine"},
        {"plugin_mine": registering({"mine": "plugin_cls:Mine"}), "plugin_cls": LAUNCHER},
    )
    assert find_launcher("mine").__name__ == "Mine"
    (info,) = [info for info in launchers() if info.name == "mine"]
    assert (info.package, info.version, info.problem) == ("crew-mine", "1.0", None)


def test_listing_imports_no_launcher(install: Install, registering: Registering) -> None:
    install(
        "crew-mine",
        {"mine": "plugin_mine"},
        {"plugin_mine": registering({"mine": "plugin_cls:Mine"}), "plugin_cls": LAUNCHER},
    )
    assert "mine" in names()
    assert "plugin_mine" in sys.modules
    assert "plugin_cls" not in sys.modules


def test_plugins_are_looked_for_once(
    install: Install, registering: Registering, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = "import sys\nsys.argv.append('plugin_mine')\n"
    text = counting + registering({"mine": "a:B"})
    monkeypatch.setattr(sys, "argv", [])
    install("crew-mine", {"mine": "plugin_mine"}, {"plugin_mine": text})
    for _ in range(3):
        assert "mine" in names()
        sys.modules.pop("plugin_mine", None)
    assert sys.argv == ["plugin_mine"]


def test_broken_plugin_does_not_stop_others(install: Install, registering: Registering) -> None:
    install("crew-bad", {"a_bad": "plugin_bad"}, {"plugin_bad": "import no_such_module_at_all"})
    install("crew-mine", {"mine": "plugin_mine"}, {"plugin_mine": registering({"mine": "a:B"})})
    assert "mine" in names()
    (broken,) = [info for info in launchers() if info.problem]
    assert (broken.name, broken.package) == ("a_bad", "crew-bad")
    assert "no_such_module_at_all" in str(broken.problem)


def test_broken_plugin_is_named_when_an_unknown_name_is_asked_for(install: Install) -> None:
    install("crew-bad", {"bad": "plugin_bad"}, {"plugin_bad": "1 / 0"}, version="2.3")
    with pytest.raises(PluginNotFoundError) as caught:
        find_launcher("something")
    message = str(caught.value)
    assert "'bad' of crew-bad 2.3" in message
    assert "ZeroDivisionError" in message


def test_asking_for_a_well_known_launcher_of_a_broken_package_tells_why(install: Install) -> None:
    # Comes before an installed crew-cluster, which it hides.
    install("crew-cluster", {"cluster": "plugin_c"}, {"plugin_c": "import no_such_module_at_all"})
    with pytest.raises(PluginError, match=r"plugin 'cluster' of crew-cluster 1\.0") as caught:
        find_launcher("slurm")
    assert not isinstance(caught.value, PluginNotFoundError)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_misspelt_hook_is_a_broken_plugin_with_the_nearest_hook(install: Install) -> None:
    text = """
        from crew_core.plugins import hookimpl

        @hookimpl
        def crew_lauchers():
            return {}
    """
    install("crew-typo", {"typo": "plugin_typo"}, {"plugin_typo": text})
    (broken,) = [info for info in launchers() if info.problem]
    assert "no hook 'crew_lauchers'. Did you mean 'crew_launchers'?" in str(broken.problem)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def crew_launchers():\n    return {}", "not marked"),
        ("@hookimpl\ndef crew_launchers(request):\n    return {}", "request"),
        ("@hookimpl\ndef crew_launchers():\n    return ['mine']", "must return a dict"),
        ("@hookimpl\ndef crew_launchers():\n    return {'mine': 'no path'}", "module:Class"),
        ("@hookimpl\ndef crew_launchers():\n    return {5: 'a:B'}", "plain text"),
        ("@hookimpl\ndef crew_launchers():\n    raise KeyError('gone')", "KeyError"),
        ("@hookimpl(wrapper=True)\ndef crew_launchers():\n    yield", "wrapper"),
    ],
)
def test_plugin_that_breaks_the_contract_is_told_so(install: Install, text: str, said: str) -> None:
    head = "from crew_core.plugins import hookimpl\n"
    install("crew-bad", {"bad": "plugin_bad"}, {"plugin_bad": head + text})
    (broken,) = [info for info in launchers() if info.problem]
    assert said in str(broken.problem)
    assert "local" in names()


def test_hooks_of_a_newer_crew_may_be_marked_optional(
    install: Install, registering: Registering
) -> None:
    extra = "\n@hookimpl(optionalhook=True)\ndef crew_of_the_future():\n    pass\n"
    install(
        "crew-mine", {"mine": "plugin_mine"}, {"plugin_mine": registering({"mine": "a:B"}) + extra}
    )
    assert "mine" in names()
    assert not [info for info in launchers() if info.problem and info.package == "crew-mine"]


def test_name_claimed_by_two_packages_is_an_error_that_names_both(
    install: Install, registering: Registering
) -> None:
    install("crew-one", {"one": "plugin_one"}, {"plugin_one": registering({"mine": "a:B"})})
    install("crew-two", {"two": "plugin_two"}, {"plugin_two": registering({"mine": "c:D"})})
    with pytest.raises(PluginError, match=r"crew-one 1\.0 \(a:B\) and crew-two 1\.0 \(c:D\)"):
        find_launcher("mine")
    assert find_launcher("local") is LocalLauncher


def test_unknown_name_lists_what_is_known_and_the_nearest(site: Path) -> None:
    with pytest.raises(PluginNotFoundError, match=r"local.*Did you mean 'local'\?"):
        find_launcher("locl")


def test_names_of_the_configuration_are_suggested_too(site: Path) -> None:
    with pytest.raises(PluginNotFoundError, match=r"Did you mean 'mycluster'\?"):
        find_launcher("myclustr", ["mycluster"])


def test_unknown_name_says_which_package_would_bring_it(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, "all")
    fresh()
    with pytest.raises(PluginNotFoundError, match="pip install crew-cluster"):
        find_launcher("slurm")


@pytest.mark.parametrize("disabled", ["mine", "crew-mine", "x, Crew_Mine", "all"])
def test_disabled_plugin_is_not_loaded(
    install: Install, registering: Registering, monkeypatch: pytest.MonkeyPatch, disabled: str
) -> None:
    monkeypatch.setenv(DISABLE_VARIABLE, disabled)
    install("crew-mine", {"mine": "plugin_mine"}, {"plugin_mine": registering({"mine": "a:B"})})
    assert "mine" not in names()
    assert "plugin_mine" not in sys.modules
    assert "local" in names()


def test_dotted_path_stands_for_a_name(install: Install) -> None:
    install("crew-mine", {}, {"plugin_cls": LAUNCHER})
    assert find_launcher("plugin_cls:Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Mine: pass", r"not a subclass of crew_core\.plugins\.Launcher"),
        ("Mine = 5", "not a subclass"),
        ("Other = 5", "plugin_cls has no Mine"),
        ("class Mine(Launcher): pass", "does not define launch"),
        (
            "class Mine(Launcher):\n    api_version = 2\n    def launch(self, request): return []",
            r"written for version 2 .* has version 1",
        ),
        (
            "class Mine(Launcher):\n"
            "    class Options: pass\n"
            "    def launch(self, request): return []",
            "not a dataclass",
        ),
    ],
)
def test_class_that_does_not_fit_is_refused_by_name(
    install: Install, registering: Registering, text: str, said: str
) -> None:
    install(
        "crew-mine",
        {"mine": "plugin_mine"},
        {
            "plugin_mine": registering({"mine": "plugin_cls:Mine"}),
            "plugin_cls": "from crew_core.plugins import Launcher\n" + text,
        },
    )
    with pytest.raises(PluginContractError, match=said) as caught:
        find_launcher("mine")
    assert "crew-mine 1.0" in str(caught.value)


def test_launcher_whose_module_raises_is_named_with_its_package(
    install: Install, registering: Registering
) -> None:
    install(
        "crew-mine",
        {"mine": "plugin_mine"},
        {
            "plugin_mine": registering({"mine": "plugin_cls:Mine"}),
            "plugin_cls": "raise RuntimeError('no licence')",
        },
    )
    with pytest.raises(PluginError, match=r"'mine' .*crew-mine 1\.0.* RuntimeError: no licence"):
        find_launcher("mine")
