"""The controllers of a group, and which of them a call means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from crew_core._controller.controller import Controller
from crew_core._model.errors import ConfigError, CrewError

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Members(Mapping[str, Controller]):
    """The part of ``ControllerGroup`` that knows its members: a mapping, by name, in their order.

    Raises:
        ConfigError: no controller, the same one twice, or two of one name.
        TypeError: something is not a controller.
    """

    def __init__(self, *controllers: Controller) -> None:
        if not controllers:
            raise ConfigError("a group needs at least one controller")
        self._members: dict[str, Controller] = {}
        for controller in controllers:
            self._add(controller)

    def __getitem__(self, name: str) -> Controller:
        try:
            return self._members[name]
        except KeyError:
            raise KeyError(
                f"no controller {name!r} in this group: it has {', '.join(map(repr, self))}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    # A group is not its members' values: two groups of the same controllers are two things.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def only(self, *names: str) -> Self:
        """A group of some members, in the order of the names. Starts and ends nothing.

        The controllers are the same ones, so what is pushed here can be popped there.

        Args:
            names: of members, at least one.

        Raises:
            KeyError: there is no such member.
            ConfigError: a name comes twice, or there is none.

        Example::

            >>> import crew_core as crew
            >>> a, b, c = (crew.controller("local", name=name) for name in "abc")
            >>> group = crew.ControllerGroup(a, b, c)
            >>> list(group.only("c", "a"))
            ['c', 'a']
        """
        return type(self)(*(self[name] for name in names))

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _one(self, name: str | None) -> Controller:
        """The member that ``controller=`` means: the first, when nothing is said."""
        if name is None:
            return next(iter(self._members.values()))
        return self[_checked(name)]

    def _some(self, names: str | Sequence[str] | None) -> list[Controller]:
        """The members that ``controllers=`` means: all, when nothing is said."""
        if names is None:
            return list(self._members.values())
        wanted = [names] if isinstance(names, str) else list(names)
        return [self[_checked(name)] for name in dict.fromkeys(wanted)]

    def _add(self, controller: Controller) -> None:
        if isinstance(controller, Members):
            raise TypeError(
                "a group cannot be a member of a group: give its members, *group.values()"
            )
        if not isinstance(controller, Controller):
            raise TypeError(f"a group takes controllers, not {controller!r}")
        known = self._members.get(controller.name)
        if known is controller:
            raise ConfigError(f"controller {controller.name!r} is given twice")
        if known is not None:
            raise ConfigError(
                f"two controllers are named {controller.name!r}: give one another name with name="
            )
        self._members[controller.name] = controller


def of_each(members: Sequence[Controller], ask: Callable[[Controller], T]) -> list[T]:
    """Do something with each member, whatever happens with another; what came of it.

    Raises:
        Exception: what one member raised.
        CrewError: several raised; tells what each did.
    """
    answers = []
    failures: dict[str, Exception] = {}
    for member in members:
        try:
            answers.append(ask(member))
        except Exception as error:  # noqa: BLE001 - told below, after the others had their turn
            failures[member.name] = error
    if not failures:
        return answers
    first = next(iter(failures.values()))
    if len(failures) == 1:
        raise first
    told = "; ".join(f"{name!r}: {error}" for name, error in failures.items())
    raise CrewError(f"{len(failures)} controllers of the group failed: {told}") from first


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{name!r}: a controller of a group is meant by its name, a str")
    return name
