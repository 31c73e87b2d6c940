"""How what workers are started with is packed. Both sides of it need nothing but Python.

A bundle holds the starts of several workers: the words after the interpreter's on the command line,
and the variables to add. They hold the workers' secrets.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Start(NamedTuple):
    """What one worker is started with.

    Attributes:
        words: the command line after the interpreter.
        variables: to add to the environment.
    """

    words: Sequence[str]
    variables: Mapping[str, str]


def pack(starts: Sequence[Start]) -> str:
    """One line of text, as short as can be."""
    plain = json.dumps([[list(start.words), dict(start.variables)] for start in starts])
    return base64.b64encode(zlib.compress(plain.encode(), 9)).decode()


def unpack(text: str) -> list[Start]:
    """The reverse.

    Raises:
        ValueError: it is no such text.
    """
    try:
        read = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
        return [Start(words, variables) for words, variables in read]
    except (ValueError, TypeError, zlib.error) as error:
        raise ValueError("not the bundle of a launch") from error
