"""What every monitor is: the class that plugin authors derive from to show a platform's jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from crew_core._launcher.base import API_VERSION

if TYPE_CHECKING:
    import pandas as pd

JOB_COLUMNS = (
    "job",
    "index",
    "name",
    "state",
    "raw_state",
    "reason",
    "queue",
    "host",
    "submitted",
    "started",
    "finished",
    "exit_code",
    "instance",
    "controller",
)
"""The columns of ``jobs()``. A platform that does not know one leaves it empty; it may add more."""


class Monitor(ABC):
    """Lists and ends the jobs of one platform for a person, whichever session started them.

    Attributes:
        api_version: the version of crew's plugin interface that the class was written for.
        tables: the methods that return tables, which ``crew monitor NAME TABLE`` shows; the first
            is shown when none is named.
        needs: options without which it cannot be made; ``crew monitor NAME`` takes them from the
            configuration, and from what sessions have written down.

    Example::

        >>> import pandas as pd
        >>> from crew_core.plugins import Monitor
        >>> class Nothing(Monitor):
        ...     def jobs(self):
        ...         return pd.DataFrame(columns=["job", "state"])
        ...
        ...     def terminate(self, jobs):
        ...         pass
        >>> len(Nothing().jobs())
        0
    """

    api_version: ClassVar[int] = API_VERSION
    tables: ClassVar[tuple[str, ...]] = ("jobs",)
    needs: ClassVar[tuple[str, ...]] = ()

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """No options. A plugin's own frozen dataclass of this name declares the user's keywords."""

    def __init__(self, options: Any = None) -> None:
        if options is not None and not isinstance(options, self.Options):
            raise TypeError(
                f"{type(self).__name__}(options=…): must be {type(self).__name__}.Options or None, "
                f"not {type(options).__name__}"
            )
        self.options = self.Options() if options is None else options

    @abstractmethod
    def jobs(self) -> pd.DataFrame:
        """This user's jobs that crew launched, with the columns ``JOB_COLUMNS``. May block.

        Example::

            >>> len(crew.monitor("local").jobs()) >= 0
            True
        """

    @abstractmethod
    def terminate(self, ids: Sequence[Any] = (), *, all: bool = False) -> None:
        """End these jobs, or with ``all`` every job that crew launched for this user.

        Raises:
            ConfigError: for a job that crew did not launch; then none is ended.

        Example::

            >>> crew.monitor("local").terminate([])
        """
