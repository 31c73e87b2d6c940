"""Random names and ids."""

from __future__ import annotations

import os

from crew_core._model.checks import check_count


def random_name(n: int = 8) -> str:
    """A random name of ``2 * n`` hexadecimal digits, independent of any seed.

    Raises:
        ConfigError: when ``n`` is not a positive whole number.

    Example::

        >>> len(crew.random_name())
        16
    """
    check_count("n", n, least=1)
    return token(n)


def token(n: int) -> str:
    """As ``random_name``, without a check; good for secrets as well.

    What ``secrets.token_hex`` does, without the imports of ``secrets``, which each start would pay.
    """
    return os.urandom(n).hex()


def random_digits() -> str:
    """Sixteen random hexadecimal digits, for names that are needed by the thousand.

    The system is asked for many at once: to ask lets other threads in, which takes longer than
    all the rest.
    """
    while True:
        try:
            return _digits.pop()
        except IndexError:
            many = os.urandom(8 * _AT_ONCE).hex()
            _digits.extend([many[i : i + 16] for i in range(0, len(many), 16)])


_AT_ONCE = 256
_digits: list[str] = []

if hasattr(os, "register_at_fork"):  # a forked child must not give out the same
    os.register_at_fork(after_in_child=_digits.clear)
