"""What a user pushes becomes messages: checked at the call, pickled once, commands sent once."""

from __future__ import annotations

import hashlib
import math
import numbers
import operator
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from crew_core._controller import references
from crew_core._controller.references import Pickled, Reference
from crew_core._controller.unchanged import Snapshot, snapshot
from crew_core._model.checks import check_flag
from crew_core._model.errors import ConfigError, SerializationError
from crew_core._model.names import random_digits
from crew_core._model.options import nearest
from crew_core._model.program import check_name as check_variable
from crew_core._model.program import check_program
from crew_core._model.streams import ALGORITHMS
from crew_core._wire import codec, messages, pickling

_COMMANDS_KEPT = 256
_KEPT_BYTES = 1 << 16  # of a command: with it all that its function holds on to is kept
_MAPPED_BYTES = 4 << 20  # of data that tasks share: to copy them for each takes longer than to map
_SEED_LIMIT = 1 << 63
_PRIORITY_LIMIT = 1 << 31

Choice = TypeVar("Choice", bound=str)


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is to be run; the keywords of ``push`` that say so.

    Attributes:
        seed: for the task's random numbers; None: the task's own stream.
        algorithm: NumPy bit generator of ``crew.rng()``.
        seconds_timeout: longest run time.
        seconds_queue: longest wait for a worker.
        seconds_expected: a worker with less time left than this is not given the task.
        priority: larger first.
        save_command: keep the command's text in the record.
    """

    seed: int | None = None
    algorithm: str | None = None
    seconds_timeout: float | None = None
    seconds_queue: float | None = None
    seconds_expected: float | None = None
    priority: int = 0
    save_command: bool = False

    def __post_init__(self) -> None:
        if self.seed is not None:
            msgspec.structs.force_setattr(self, "seed", check_seed(self.seed))
        if self.algorithm is not None:
            _check_algorithm(self.algorithm)
        for option in ("seconds_timeout", "seconds_queue", "seconds_expected"):
            msgspec.structs.force_setattr(self, option, _check_limit(option, getattr(self, option)))
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise TypeError(f"priority={self.priority!r}: must be a whole number")
        if not -_PRIORITY_LIMIT <= self.priority < _PRIORITY_LIMIT:
            raise ConfigError(f"priority={self.priority!r}: must be from -2**31 to 2**31 - 1")
        check_flag("save_command", self.save_command)


def task_options(
    *,
    seed: int | None,
    algorithm: str | None,
    seconds_timeout: float | None,
    seconds_queue: float | None,
    seconds_expected: float | None,
    priority: int,
    save_command: bool,
) -> TaskOptions:
    """These, checked. Most pushes give none of them, and there may be thousands in a row."""
    if (
        seed is None
        and algorithm is None
        and seconds_timeout is None
        and seconds_queue is None
        and seconds_expected is None
        and type(priority) is int
        and priority == 0
        and save_command is False
    ):
        return PLAIN
    return TaskOptions(
        seed=seed,
        algorithm=algorithm,
        seconds_timeout=seconds_timeout,
        seconds_queue=seconds_queue,
        seconds_expected=seconds_expected,
        priority=priority,
        save_command=save_command,
    )


def check_seed(seed: Any) -> int:
    """A seed as a number, or ConfigError."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed={seed!r}: must be a whole number or None") from None
    if not 0 <= number < _SEED_LIMIT:
        raise ConfigError(f"seed={seed!r}: must be from 0 to 2**63 - 1")
    return number


def check_choice(option: str, value: object, choices: Sequence[Choice]) -> Choice:
    """One of a few words, or ConfigError."""
    for choice in choices:
        if value == choice:
            return choice
    allowed = ", ".join(map(repr, choices))
    raise ConfigError(
        f"{option}={value!r}: must be one of {allowed}.{nearest(str(value), choices)}"
    )


def check_timeout(option: str, value: object) -> float:
    """Seconds, zero or more, maybe infinite, or ConfigError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{option}={value!r}: must be a number of seconds")
    seconds = float(value)
    if math.isnan(seconds) or seconds < 0:
        raise ConfigError(f"{option}={value!r}: must be zero or more")
    return seconds


def check_mapping(option: str, value: object) -> dict[str, Any]:
    """Names and values, or an error that says what is wrong."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{option}={value!r}: must be a dict of names and values")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{option}: the name {key!r} must be a string")
    return dict(value)


def check_packages(packages: object) -> tuple[str, ...]:
    """Module names, or an error that says what is wrong."""
    if type(packages) is tuple and not packages:
        return ()
    if isinstance(packages, str) or not isinstance(packages, Sequence):
        raise TypeError(f"packages={packages!r}: must be a list of module names")
    for name in packages:
        if not isinstance(name, str):
            raise TypeError(f"packages: {name!r} must be a module's name")
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"packages: {name!r} is not a module's name")
    return tuple(packages)


def check_name(name: object) -> str:
    """A task's name, made up when it is None."""
    if name is None:
        return unnamed()
    if not isinstance(name, str):
        raise TypeError(f"name={name!r}: must be a string")
    if not name:
        raise ConfigError("name='': a task's name must not be empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"name={name!r}: cannot be encoded ({error})") from None
    return name


def unnamed() -> str:
    """A name for a task that was given none."""
    return f"unnamed_task_{random_digits()}"


# ── Commands ───────────────────────────────────────────────────────────────────────────────────


class PreparedCommand(msgspec.Struct, frozen=True):
    """A command, ready to be sent.

    Attributes:
        blob: what goes to the dispatcher, once.
        shown: its text, for ``save_command``.
        references: what it mentions that was put.
    """

    blob: messages.Blob
    shown: str
    references: tuple[Reference[Any], ...] = ()


def prepare(
    command: Callable[..., Any] | str,
    data_names: Sequence[str],
    *,
    data: Callable[[], Pickled] | None = None,
    global_names: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
) -> PreparedCommand:
    """Check and pickle a command with all that its tasks have in common.

    Args:
        command: a callable, or text.
        data_names: every name that its tasks will have as data.
        data: pickles the values that all its tasks share.
        global_names: the ``globals`` of ``push``.
        packages: modules to import first.

    Raises:
        ConfigError: text that does not parse, or names that cannot be names.
        TypeError: neither callable nor text.
        SerializationError: it cannot be pickled.
    """
    if isinstance(command, str):
        _check_text(command, tuple(sorted(data_names)))
        for name in global_names or ():
            check_variable(name)
    elif not callable(command):
        raise TypeError(
            f"command={command!r}: must be a callable or a string of Python, "
            f"not {type(command).__name__}"
        )
    if data or global_names or packages:
        return _pickle_command(command, data, global_names, packages)
    if not isinstance(command, str):
        return _prepare_function(command)
    if len(command) <= _KEPT_BYTES:
        return _prepare_text(command)
    return _pickle_command(command)


@lru_cache(maxsize=_COMMANDS_KEPT)
def _prepare_text(text: str) -> PreparedCommand:
    return _pickle_command(text)


def _prepare_function(function: Callable[..., Any]) -> PreparedCommand:
    if (known := _prepared.get(id(function))) is not None and known.snapshot.holds:
        return known.command
    _prepared.pop(id(function), None)
    # Before it is pickled: what changes meanwhile is noticed the next time.
    seen = snapshot(function)
    prepared = _pickle_command(function)
    if seen is not None and len(prepared.blob.payload) <= _KEPT_BYTES:
        if len(_prepared) >= _COMMANDS_KEPT:
            _prepared.clear()
        _prepared[id(function)] = _Known(function, seen, prepared)
    return prepared


class _Known(NamedTuple):
    function: object  # kept, so that no other gets its id
    snapshot: Snapshot
    command: PreparedCommand


_prepared: dict[int, _Known] = {}


def _pickle_command(
    command: Callable[..., Any] | str,
    data: Callable[[], Pickled] | None = None,
    global_names: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
) -> PreparedCommand:
    shared = None if data is None else data()
    pickled = references.pickled(lambda: _payload(command, shared, global_names, packages))
    payload = pickled.data
    check_size(len(payload), "the command with its data and globals")
    digest = hashlib.blake2b(payload, digest_size=16).digest()
    mentioned = pickled.references if shared is None else (*shared.references, *pickled.references)
    return PreparedCommand(messages.Blob(digest, payload), _show(command), mentioned)


def _payload(
    command: Callable[..., Any] | str,
    data: Pickled | None,
    global_names: Mapping[str, Any] | None,
    packages: Sequence[str],
) -> bytes:
    whole = messages.Command(
        function=None if isinstance(command, str) else pickling.dump_command(command),
        text=command if isinstance(command, str) else None,
        data=None if data is None else data.data,
        globals=pickling.dump(dict(global_names), "globals") if global_names else None,
        packages=tuple(packages),
    )
    return codec.encode(whole)


@lru_cache(maxsize=256)
def _check_text(text: str, names: tuple[str, ...]) -> None:
    check_program(text, names)


def _show(command: Callable[..., Any] | str) -> str:
    if isinstance(command, str):
        return command
    module = getattr(command, "__module__", None)
    name = getattr(command, "__qualname__", None)
    return repr(command) if name is None else f"{module}.{name}" if module else name


class KnownCommands:
    """Which commands the dispatcher has, and which it may forget. Not thread-safe."""

    def __init__(self, is_needed: Callable[[bytes], bool]) -> None:
        self._is_needed = is_needed
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def to_send(self, blob: messages.Blob) -> list[messages.Blob]:
        """The blob, unless the dispatcher has it."""
        if blob.digest in self._known:
            self._known.move_to_end(blob.digest)
            return []
        self._known[blob.digest] = None
        return [blob]

    def forget(self, digest: bytes) -> None:
        """The dispatcher may not have it after all: send it again."""
        self._known.pop(digest, None)

    def to_drop(self) -> list[bytes]:
        """Commands that were not used for long and that no unfinished task needs."""
        excess = len(self._known) - _COMMANDS_KEPT
        if excess < _COMMANDS_KEPT:  # look seldom: each look goes over many
            return []
        idle = [digest for digest in self._known if not self._is_needed(digest)][:excess]
        for digest in idle:
            del self._known[digest]
        return idle


def to_task(
    task_id: int,
    name: str,
    command: PreparedCommand,
    arguments: Pickled,
    crashes: int,
    options: TaskOptions,
    beside: messages.Beside | None = None,
) -> messages.Batch:
    """The message that queues one task."""
    mentioned = (*command.references, *arguments.references)
    return _batch(
        task_id,
        [name],
        command,
        [to_body(arguments, options, beside)],
        options,
        crashes,
        references.digests(mentioned) if mentioned else (),
    )


def to_batches(
    command: PreparedCommand,
    first: int,
    names: list[str],
    arguments: Sequence[bytes],
    options: TaskOptions,
    seeds: Sequence[int | None],
) -> list[messages.Batch]:
    """The messages that queue tasks without references or large buffers."""
    body, encode, algorithm = messages.TaskBody, codec.encode, options.algorithm
    pairs = zip(arguments, seeds, strict=True)
    bodies = [encode(body(data, seed, algorithm)) for data, seed in pairs]
    return [
        _batch(first + here.start, names[here], command, bodies[here], options)
        for here in _slices(bodies)
    ]


def _slices(bodies: list[bytes]) -> Iterator[slice]:
    """Parts that do not stall whoever reads them."""
    start = size = 0
    for i, body in enumerate(bodies):
        too_large = size and size + len(body) > messages.SUBMIT_BYTES
        if i - start >= messages.SUBMIT_TASKS or too_large:
            yield slice(start, i)
            start, size = i, 0
        size += len(body)
    if start < len(bodies):
        yield slice(start, len(bodies))


def template(command: PreparedCommand, options: TaskOptions) -> messages.Batch:
    """The message that queues tasks, without the tasks."""
    return _batch(0, [], command, [], options)


def to_body(
    arguments: Pickled, options: TaskOptions, beside: messages.Beside | None = None
) -> bytes:
    """What only the task process reads of a task, encoded."""
    body = messages.TaskBody(arguments.data, options.seed, options.algorithm, None, beside)
    return codec.encode(body)


def _batch(
    first: int,
    names: list[str],
    command: PreparedCommand,
    bodies: list[bytes],
    options: TaskOptions,
    crashes: int = 0,
    objects: tuple[bytes, ...] = (),
) -> messages.Batch:
    return messages.Batch(
        first,
        names,
        command.blob.digest,
        bodies,
        options.priority,
        crashes,
        options.seconds_timeout,
        options.seconds_queue,
        options.seconds_expected,
        objects,
    )


def pickle_arguments(
    command: Callable[..., Any] | str, args: Sequence[Any], data: dict[str, Any]
) -> Pickled:
    """What one task is called with, as bytes.

    Raises:
        ConfigError: positional arguments for text.
        SerializationError: something in them cannot be pickled; names it.
    """
    if type(args) is not tuple and (
        isinstance(args, (str, bytes, Mapping)) or not hasattr(args, "__iter__")
    ):
        raise TypeError(f"args={args!r}: must be a tuple or list of positional arguments")
    positional = tuple(args)
    if positional and isinstance(command, str):
        raise ConfigError("args: text takes no positional arguments; give values by name in data")
    if (plain := pickling.dump_plain(positional, data)) is not None:
        check_size(len(plain), "args and data")
        return Pickled(plain)
    large: pickling.Beside = []
    pickled = references.pickled(lambda: pickling.dump_arguments(positional, data, large))
    check_size(len(pickled.data), "args and data")
    return pickled._replace(beside=large) if large else pickled


def pickle_shared(data: Mapping[str, Any], put: Callable[[Pickled], Pickled | None]) -> Pickled:
    """Pickle what all tasks of a command share.

    Args:
        data: by name.
        put: is given the pickle if it is worth it, and gives one that refers to it; None:
            tasks would not find them.

    Raises:
        SerializationError: it cannot be pickled, or is too large.
    """
    large: pickling.Beside = []
    pickled = references.pickled(lambda: pickling.dump_shared(data, large))
    if not large:
        return pickled
    found = None
    if sum(buffer.nbytes for buffer in large) >= _MAPPED_BYTES:
        found = put(pickled._replace(beside=large))
    return found or references.pickled(lambda: pickling.dump_shared(data))


def pickle_anew(reference: references.Reference[Any]) -> Pickled:
    """Pickle a reference to what each task is to have for itself."""
    return references.pickled(lambda: pickling.dump(references.Anew(reference), "data"))


def pickle_object(obj: object) -> Pickled:
    """What is put, as bytes.

    Raises:
        SerializationError: it cannot be pickled, or is too large.
    """
    large: pickling.Beside = []
    pickled = references.pickled(lambda: pickling.dump(obj, "the object", large))
    check_size(len(pickled.data), "the object")
    return pickled._replace(beside=large) if large else pickled


def check_size(size: int, what: str) -> None:
    """Refuse what is too large for a message."""
    if size > messages.PAYLOAD_MAX:
        raise SerializationError(
            f"{what} came to {size} bytes, and at most {messages.PAYLOAD_MAX} can be sent at once. "
            "Write large data to a file and pass the file's name, or put it in parts."
        )


def spread_seed(seed: int, count: int) -> list[int]:
    """A seed for each of many tasks. NumPy's SeedSequence makes them as good as independent."""
    import numpy as np

    words = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [word >> 1 for word in words.tolist()]


def _check_algorithm(algorithm: object) -> None:
    if not isinstance(algorithm, str):
        raise TypeError(f"algorithm={algorithm!r}: must be a string or None")
    if algorithm not in ALGORITHMS:
        hint = nearest(algorithm, ALGORITHMS)
        raise ConfigError(f"algorithm={algorithm!r}: must be one of {', '.join(ALGORITHMS)}.{hint}")


def _check_limit(option: str, value: object) -> float | None:
    if value is None:
        return None
    seconds = check_timeout(option, value)
    if seconds == 0:
        raise ConfigError(f"{option}={value!r}: must be more than zero")
    return None if math.isinf(seconds) else seconds


PLAIN = TaskOptions()
"""Nothing but the defaults."""
