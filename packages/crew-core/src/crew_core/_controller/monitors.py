"""Makes the monitors that ``crew monitor NAME`` means, with options that were said before.

A person at a command line says a name only. What a monitor needs besides, such as the hosts to look
on, is in the configuration, or in what sessions have written down of their jobs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from crew_core._controller import configuration
from crew_core._launcher.monitor import Monitor
from crew_core._launcher.will import wills
from crew_core._model.errors import ConfigError
from crew_core._model.options import make_options
from crew_core._plugins.registry import find_monitor


def monitors_of(name: str) -> list[Monitor]:
    """The monitors that a name means: one, unless its platform is known by several options.

    Args:
        name: of a controller in the configuration, whose options then hold, or of a monitor.

    Raises:
        ConfigError: for a wrong configuration, or when what the monitor needs was never said.
        PluginNotFoundError: when nothing is installed that provides the monitor.
        PluginError: when what provides it is broken.
    """
    section = configuration.find(name)
    if section is not None:
        kind = find_monitor(section.launcher)
        return [kind(_options(kind, section.options))]
    kind = find_monitor(name)
    if not kind.needs:
        return [kind()]
    said = [each.options for each in configuration.sections() if each.launcher == name]
    said += [will.options for will in wills() if will.name == name]
    tables = [_kept(kind, options) for options in said if set(kind.needs) <= set(options)]
    if not tables:
        raise ConfigError(
            f"the monitor {name!r} needs {' and '.join(kind.needs)}: describe a controller in "
            f"crew.toml, or say it in Python: crew.monitor({name!r}, {kind.needs[0]}=...)"
        )
    distinct = {json.dumps(table, sort_keys=True, default=str): table for table in tables}
    return [kind(make_options(kind.Options, table)) for table in distinct.values()]


def _options(kind: type[Monitor], said: Mapping[str, Any]) -> Any:
    return make_options(kind.Options, _kept(kind, said))


def _kept(kind: type[Monitor], said: Mapping[str, Any]) -> dict[str, Any]:
    """A controller's options that are its monitor's, too."""
    own = {field.name for field in dataclasses.fields(kind.Options) if field.init}
    return {name: value for name, value in said.items() if name in own}
