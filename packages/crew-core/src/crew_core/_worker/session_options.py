"""What ``reset_options`` means: the settings of the process that a task may have changed."""

from __future__ import annotations

import locale
import logging
import os
import sys
import warnings


class SessionOptions:
    """How things are now, to be put back later."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._directory = _working_directory()
        self._filters = warnings.filters[:]
        self._levels = {logger: logger.level for logger in _loggers()}
        self._disabled = logging.root.manager.disable
        self._locale = locale.setlocale(locale.LC_ALL)

    def restore(self) -> None:
        """Put back what differs. What cannot be put back is said in the log."""
        self._restore_environment()
        self._restore_directory()
        if warnings.filters != self._filters:
            with warnings.catch_warnings():  # its end tells Python that the filters changed
                pass
            warnings.filters[:] = self._filters  # type: ignore[index]  # a list outside typeshed
        for logger, level in self._levels.items():
            if logger.level != level:
                logger.setLevel(level)
        if logging.root.manager.disable != self._disabled:
            logging.disable(self._disabled)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)

    def _restore_environment(self) -> None:
        if dict(os.environ) != self._environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)

    def _restore_directory(self) -> None:
        if self._directory is None or _working_directory() == self._directory:
            return
        try:
            os.chdir(self._directory)
        except OSError as error:
            sys.stderr.write(
                f"crew: the working directory {self._directory!r} could not be entered again after "
                f"a task left it ({error}): the tasks that follow run in {_working_directory()!r}\n"
            )


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return None


def _loggers() -> list[logging.Logger]:
    """All loggers there are, the root one too."""
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]
