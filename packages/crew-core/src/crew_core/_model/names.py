"""Random names and ids."""

from __future__ import annotations

import secrets

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
    return secrets.token_hex(n)
