"""Whether two objects with large buffers are pickled alike, found out without reading most of them.

To read all of a large buffer for a digest takes longer than to copy it to where workers find it. So
objects have a *look*, made of the small pickle and of samples of the large buffers. Only those that
look alike are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from crew_core._controller.references import Pickled

_SAMPLES = 64  # of each buffer
_SAMPLE_BYTES = 512
_COMPARE_BYTES = 1 << 16  # at once: they stay near the processor


def digest_of(pickled: Pickled) -> bytes:
    """The same for all that is pickled alike, and for nothing else."""
    found = hashlib.blake2b(pickled.data, digest_size=16)
    for buffer in pickled.beside:
        found.update(buffer)
    return found.digest()


def look_of(pickled: Pickled) -> bytes:
    """The same for all that is pickled alike, and for few others."""
    found = hashlib.blake2b(pickled.data, digest_size=16)
    for buffer in pickled.beside:
        found.update(buffer.nbytes.to_bytes(8, "little"))
        for start in range(0, buffer.nbytes, max(buffer.nbytes // _SAMPLES, _SAMPLE_BYTES)):
            found.update(buffer[start : start + _SAMPLE_BYTES])
    return found.digest()


def are_equal(buffers: Sequence[memoryview], others: Sequence[memoryview]) -> bool:
    """True when buffers of the same sizes have the same content."""
    return all(
        one[start : start + _COMPARE_BYTES].tobytes()
        == other[start : start + _COMPARE_BYTES].tobytes()
        for one, other in zip(buffers, others, strict=True)
        for start in range(0, one.nbytes, _COMPARE_BYTES)
    )
