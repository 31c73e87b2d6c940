"""Every error of crew-rush a user can meet.

::

    CrewError
    └── RushError
        ├── StoreError            the store cannot be reached, does not let us in, or is closed
        ├── NetworkNotFoundError  the store has no network of this id
        ├── WorkerGoneError       a worker goes on that is no longer one of its network's
        └── OversizedObjectError  a value is larger than a store takes

``RushWarning`` is what a call gives that had less to do than it was asked for.
"""

from __future__ import annotations

from crew_core import CrewError


class RushError(CrewError):
    """Base of the errors of crew-rush.

    Example::

        >>> import crew_rush
        >>> issubclass(crew_rush.StoreError, crew_rush.RushError)
        True
    """


class StoreError(RushError):
    """The store cannot be reached, does not let us in, or has been closed.

    Example::

        >>> import crew_rush
        >>> try:
        ...     crew_rush.Rush("example", store="ftp://somewhere")
        ... except ValueError as error:
        ...     "redis://" in str(error)
        True
    """


class NetworkNotFoundError(RushError):
    """The store has no network of this id.

    Example::

        >>> import crew_rush
        >>> with crew_rush.EmbeddedStore() as store:
        ...     try:
        ...         crew_rush.Rush("nobody-made-it", store=store, create=False)
        ...     except crew_rush.NetworkNotFoundError as error:
        ...         "nobody-made-it" in str(error)
        True
    """


class WorkerGoneError(RushError):
    """A worker that was given up, killed or replaced goes on all the same. Its loop should end.

    Example::

        >>> import crew_rush
        >>> issubclass(crew_rush.WorkerGoneError, crew_rush.RushError)
        True
    """


class OversizedObjectError(RushError):
    """A value is larger than ``large_object_bytes``, and there is no ``large_objects_path``.

    Example::

        >>> import crew_rush
        >>> with crew_rush.Rush(large_object_bytes=1000) as rush:
        ...     try:
        ...         rush.push_tasks([{"x": bytes(2000)}])
        ...     except crew_rush.OversizedObjectError:
        ...         rush.n_tasks
        0
    """


class RushWarning(UserWarning):
    """There was less to do than was asked for, such as to stop a worker that does not run.

    Example::

        >>> import crew_rush
        >>> issubclass(crew_rush.RushWarning, UserWarning)
        True
    """
