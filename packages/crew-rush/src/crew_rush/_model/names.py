"""Ids of workers, made of words that people can tell apart, and of tasks."""

from __future__ import annotations

import os
import re

from crew_core import ConfigError


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES = _words(
    "able amber bold brave brisk calm clear clever cosmic crisp daring eager early easy elder fair "
    "fine fleet fond frank gentle glad golden grand happy hardy honest humble jolly keen kind late "
    "lively lucky merry mild modest neat nimble noble patient plain polite proud quick quiet rapid "
    "ready royal sharp shy silent silver smart snug soft solid spry steady sunny swift tidy warm "
    "wise witty young"
)
_ANIMALS = _words(
    "ant badger bat bear beaver bee bison boar camel carp cat cod crab crane crow deer dingo dog "
    "dove duck eagle eel egret elk falcon ferret finch fox frog gecko goat goose gull hare hawk "
    "heron horse ibis ibex jackal jay koala lark lemur llama lynx magpie marten mole moose mouse "
    "newt orca otter owl panda perch pike plover pony puffin quail rabbit raven robin seal shrew "
    "snail stork swan tapir tern toad trout viper vole walrus weasel whale wolf wren yak zebra"
)
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def worker_name() -> str:
    """An id of a worker: an adjective, an animal, and eight random digits."""
    draw = os.urandom(8)
    adjective = _ADJECTIVES[int.from_bytes(draw[:2], "big") % len(_ADJECTIVES)]
    animal = _ANIMALS[int.from_bytes(draw[2:4], "big") % len(_ANIMALS)]
    return f"{adjective}_{animal}_{draw[4:].hex()}"


def token() -> str:
    """An id of a task, an attempt or a life."""
    return os.urandom(16).hex()


def check_network(network_id: str) -> str:
    """The id of a network, if it can be one.

    Raises:
        ConfigError: it holds other characters than letters, digits and ``_.-``, or too many.
    """
    if not isinstance(network_id, str) or not _NETWORK.fullmatch(network_id):
        raise ConfigError(
            f"network_id={network_id!r}: must be 1 to 64 letters, digits, '_', '.' or '-', "
            "beginning with a letter or a digit"
        )
    return network_id
