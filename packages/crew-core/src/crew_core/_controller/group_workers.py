"""Orders to the members of a group: workers to launch, tasks to cancel, names to remember."""

from __future__ import annotations

from collections.abc import Sequence

from crew_core._controller.members import Members, of_each


class GroupWorkers(Members):
    """The part of ``ControllerGroup`` that gives orders. All members get them, even if one raises.

    What one member raised is raised itself; of several errors a CrewError tells.
    """

    def cancel(
        self,
        names: str | Sequence[str] = (),
        all: bool = False,
        controllers: str | Sequence[str] | None = None,
    ) -> None:
        """Stop tasks of members, waiting or running, as ``Controller.cancel``. Does not wait.

        Args:
            names: a name or several; in whichever member a task of that name is.
            all: every unfinished task, submitted ones too.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            DispatcherError: a member's dispatcher is dead.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     for name in group:
            ...         task = group.push("import time; time.sleep(60)", controller=name)
            ...     group.cancel(all=True)
            ...     print([record.status for record in group.results()])
            ['cancel', 'cancel']
        """
        of_each(self._some(controllers), lambda member: member.cancel(names, all))

    def scale(self, throttle: bool = True, controllers: str | Sequence[str] | None = None) -> bool:
        """Look at members' tasks now and launch workers that are missing. True when some were.

        Starts members that are not running. Blocks until the platforms have taken the workers.

        Args:
            throttle: as in ``Controller.scale``.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            LaunchError: a platform refused.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     print(group.scale())
            False
        """
        return any(of_each(self._some(controllers), lambda member: member.scale(throttle)))

    def autoscale(self, controllers: str | Sequence[str] | None = None) -> None:
        """Launch workers in the background as tasks need them. On from the start.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     group.descale()
            ...     task = group.push(abs, (-1,))
            ...     group.autoscale()
            ...     print(task.result())
            1
        """
        of_each(self._some(controllers), lambda member: member.autoscale())

    def descale(self, controllers: str | Sequence[str] | None = None) -> None:
        """Launch nothing until ``scale`` or ``autoscale`` is called.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     group.descale()
            ...     task = group.push(abs, (-1,))
            ...     print(group.wait(seconds_timeout=0.1))
            False
        """
        of_each(self._some(controllers), lambda member: member.descale())

    def launch(self, n: int = 1, controllers: str | Sequence[str] | None = None) -> None:
        """Launch ``n`` workers for each member now, also beyond ``workers``.

        Blocks until the platforms have them.

        Args:
            n: workers for each member.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            LaunchError: a platform refused.
            ConfigError: ``n`` is not a whole number of at least 1.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local", name="a")) as group:
            ...     group.launch(2)
            ...     print(len(group["a"].launcher.summary()))
            2
        """
        of_each(self._some(controllers), lambda member: member.launch(n))

    def push_backlog(self, name: str, controller: str | None = None) -> None:
        """Remember the name of a task that is not to be pushed yet, in a member's backlog.

        Args:
            name: the task's.
            controller: the member's name; None: the first member.

        Raises:
            KeyError: there is no such member.
            ConfigError: it is there already.

        Example::

            >>> import crew_core as crew
            >>> group = crew.ControllerGroup(crew.controller("local"))
            >>> group.push_backlog("later")
            >>> group.pop_backlog()
            ['later']
        """
        self._one(controller).push_backlog(name)

    def pop_backlog(self, controllers: str | Sequence[str] | None = None) -> list[str]:
        """Names from the backlogs, for each member as many as it has free workers.

        Member by member, and first in first out within a member's backlog.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> group = crew.ControllerGroup(a, b)
            >>> for name, member in [("x", "b"), ("y", "a"), ("z", "a")]:
            ...     group.push_backlog(name, controller=member)
            >>> group.pop_backlog()
            ['y', 'x']
        """
        popped = [member.pop_backlog() for member in self._some(controllers)]
        return [name for names in popped for name in names]
