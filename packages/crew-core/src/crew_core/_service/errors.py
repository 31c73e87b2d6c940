"""What can go wrong between a service and those who call it."""

from __future__ import annotations

from crew_core._model.errors import CrewError


class ServiceError(CrewError):
    """A service and its caller do not come together.

    Example::

        >>> from crew_core.services import ServiceError, ServiceLostError
        >>> issubclass(ServiceLostError, ServiceError)
        True
    """


class ServiceRefusedError(ServiceError):
    """The service does not let this caller in: the secret or the version is another.

    Example::

        >>> from crew_core.services import ServiceError, ServiceRefusedError
        >>> issubclass(ServiceRefusedError, ServiceError)
        True
    """


class ServiceLostError(ServiceError):
    """The service was not reached, or did not answer, in the time that was given.

    The request may have been carried out or not.

    Example::

        >>> from crew_core.services import Caller, Pass
        >>> caller = Caller(Pass(url="unix:///no/such/socket", secret="s"))
        >>> try:
        ...     caller.call(b"", timeout=0.1)
        ... except crew.CrewError as error:
        ...     type(error).__name__
        'ServiceLostError'
    """
