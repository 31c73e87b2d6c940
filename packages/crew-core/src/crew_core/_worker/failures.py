"""What a record says of an exception: its message, its traceback, and the exception itself."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, TextIO

from crew_core._model.errors import SerializationError
from crew_core._model.record import clip, clip_end
from crew_core._wire import pickling
from crew_core._worker.texts import encodable, text_of

_OWN_DIRECTORY = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OWN_FILES = (pickling.__file__,)


class Failure(NamedTuple):
    """An exception, described."""

    error: str
    trace: str
    exception: bytes | None


def describe(error: BaseException, log: TextIO) -> Failure:
    """Describe an exception of a task, and write its whole traceback to the log."""
    trace = _trace(error)
    with suppress(OSError, ValueError):  # the log may be gone: the record still has it
        log.write(trace)
    return Failure(_message(error), clip_end(trace), _pickled(error))


def _message(error: BaseException) -> str:
    name, text = type(error).__name__, text_of(error)
    return clip(f"{name}: {text}" if text else name)


def _trace(error: BaseException) -> str:
    described = traceback.TracebackException.from_exception(error)
    for one in _chain(described):
        one.stack[:] = [frame for frame in one.stack if not _is_own(frame.filename)]
    return encodable("".join(described.format()))


def _chain(top: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An exception's description and those of its causes."""
    waiting: list[traceback.TracebackException | None] = [top]
    while waiting:
        one = waiting.pop()
        if one is not None:
            yield one
            waiting += (one.__cause__, one.__context__)


def _is_own(filename: str) -> bool:
    return filename.startswith(_OWN_DIRECTORY) or filename in _OWN_FILES


def _pickled(error: BaseException) -> bytes | None:
    """The exception, when it survives the journey: many pickle, but do not unpickle.

    Not ``SystemExit``, ``KeyboardInterrupt`` and the like: raised again in the user's session, they
    would end it.
    """
    if not isinstance(error, Exception):
        return None
    try:
        data = pickling.dump(error, "the exception")
        same = type(pickling.load(data)).__name__ == type(error).__name__
    except SerializationError:
        return None
    return data if same else None
