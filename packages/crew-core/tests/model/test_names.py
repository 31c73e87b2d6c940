"""Random names."""

from __future__ import annotations

import os

from crew_core._model.names import random_digits


def test_random_digits_are_sixteen_and_never_the_same() -> None:
    digits = [random_digits() for _ in range(1000)]
    assert len(set(digits)) == 1000
    assert {len(one) for one in digits} == {16}
    assert set("".join(digits)) <= set("0123456789abcdef")


def test_a_forked_child_has_digits_of_its_own() -> None:
    random_digits()  # there is a stock of them from now on
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, random_digits().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        childs = pipe.read().decode()
    os.waitpid(pid, 0)
    assert len(childs) == 16
    assert random_digits() != childs
