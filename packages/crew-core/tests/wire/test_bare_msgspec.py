from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    code = f"import sys\nfrom crew_core._wire import bare_msgspec\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_messages_travel_and_no_stand_in_is_left() -> None:
    code = (
        "bare_msgspec.load()\n"
        "from crew_core._wire import codec, messages\n"
        "blob = messages.Blob(b'digest', b'payload')\n"
        "print(codec.Decoder(messages.Blob)(codec.encode(blob)) == blob)\n"
        "print([name for name in ('uuid', 'decimal') if name in sys.modules])\n"
        "import decimal, uuid\n"
        "print(decimal.Decimal('1'), len(str(uuid.uuid4())))\n"
    )
    assert run(code).splitlines() == ["True", "[]", "1 36"]


def test_users_find_all_of_msgspec() -> None:
    code = (
        "bare_msgspec.load(for_users=True)\n"
        "import datetime, decimal, msgspec, uuid\n"
        "from typing import Annotated, TypedDict\n"
        "class Row(TypedDict, total=False):\n"
        "    key: uuid.UUID\n"
        "    sum: decimal.Decimal\n"
        "    day: Annotated[datetime.date, msgspec.Meta(description='a day')]\n"
        "row = Row(key=uuid.UUID(int=1), sum=decimal.Decimal('1.5'), day=datetime.date.min)\n"
        "print(msgspec.json.decode(msgspec.json.encode(row), type=Row) == row)\n"
        "print(msgspec.inspect.type_info(int), msgspec.json.schema(Row)['$ref'])\n"
    )
    assert run(code).splitlines() == [
        "True",
        "IntType(gt=None, ge=None, lt=None, le=None, multiple_of=None) #/$defs/Row",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "import msgspec.json; print(msgspec.json.encode(1))",
        "from msgspec import json; print(json.encode(1))",
        "from msgspec.json import encode; print(encode(1))",
        "import msgspec; print(msgspec.json.encode(1))",
        "import msgspec; msgspec.yaml; print(hasattr(msgspec, 'x') or msgspec.json.encode(1))",
    ],
)
def test_parts_of_msgspec_are_loaded_when_they_are_used(code: str) -> None:
    assert run(f"bare_msgspec.load(for_users=True)\n{code}") == "b'1'\n"


@pytest.mark.parametrize("module", ["uuid", "decimal"])
def test_what_is_there_already_is_used(module: str) -> None:
    code = f"import {module}\nbefore = {module}\nbare_msgspec.load()\n"
    assert run(f"{code}print(sys.modules[{module!r}] is before)") == "True\n"


def test_a_version_that_asks_for_more_gets_the_real_modules() -> None:
    code = (
        "bare_msgspec._stand_ins = lambda for_users: {'uuid': bare_msgspec._stand_in('uuid')}\n"
        "bare_msgspec.load()\n"
        "import msgspec, uuid\n"
        "print(msgspec.json.decode(msgspec.json.encode(uuid.UUID(int=1)), type=uuid.UUID).int)\n"
    )
    assert run(code) == "1\n"
