"""``python -m fuzz.corpus``: write the beginnings of the corpus anew, from what processes say."""

from __future__ import annotations

from collections.abc import Iterator

from crew_core._wire import codec, messages
from crew_core._wire.link import Link
from crew_core._wire.network.settings import WorkerIdentity
from crew_core._wire.stream import frame
from fuzz.borders import CORPUS
from fuzz.borders.frames import LIMIT
from fuzz.borders.messages import DECODERS

_DETAIL = codec.encode(messages.OutcomeDetail(value=b"v", pid=7, cause="crash"))
_BATCH = messages.Batch(5, ["a", "b"], b"digest", [b"1", b"2"], priority=1, objects=(b"o",))
_BLOB = messages.Blob(b"digest", b"command")
_SETTINGS = messages.WorkerSettings("c", "1")
_HELLO = messages.Hello(messages.PROTOCOL, "w1", "secret", "life", 7, "here", "3.11")
_FROM_WORKER = (
    _HELLO,
    messages.Outcomes([1, 2], [0, 19], [0.5, None], [_DETAIL, _DETAIL], {1: ("s",)}),
    messages.Warmed(messages.Outcome(1, 0, 0.1, _DETAIL), died=True),
    messages.Warming([1]),
    messages.Returned([2, 3]),
    messages.AskLeave("idle", must=False),
)
_TO_WORKER = (
    messages.Welcome(_SETTINGS),
    messages.Work([_BATCH], [_BLOB]),
    messages.Recall([1]),
    messages.Leave(now=True),
)
_TO_DISPATCHER = (
    messages.ClientHello(messages.PROTOCOL, 1, "3.11", _SETTINGS, messages.RetryPolicy(), 30.0),
    messages.Submit([_BATCH], [_BLOB]),
    messages.Expect(1, [messages.ExpectedWorker("w1", 1, b"d")]),
    messages.Cancel([1]),
)
_TO_CLIENT = (
    messages.Finished("w1", [1], [0], [0.5], [1], [_DETAIL]),
    messages.WorkerGone("w1", True, "idle", 3),
)
_FROM_TASK = (messages.TaskProcessReady(7), messages.TaskDone(1, 0, 0.5, _DETAIL))
_TO_TASK = (messages.TaskProcessSettings(_SETTINGS, "w1"), messages.RunTasks(1, b"d", [b"b"]))
_BODY = (messages.TaskBody(b"a", beside=messages.Beside((1,), "s")),)
_COMMAND = (messages.Command(text="1 + 1", packages=("os",)),)
_PIECES = 9  # sizes of pieces in which small frames come
_OF_DECODERS = (
    _FROM_WORKER,
    _TO_WORKER,
    _TO_DISPATCHER,
    _TO_CLIENT,
    _FROM_TASK,
    _TO_TASK,
    _BODY,
    _COMMAND,
    (messages.OutcomeDetail(value=b"v", error="e", pid=1),),
)


def main() -> None:
    """Write."""
    for old in CORPUS.glob("*/start-*"):
        old.unlink()
    for border, data in _all():
        folder = CORPUS / border
        folder.mkdir(parents=True, exist_ok=True)
        taken = len(list(folder.glob("start-*")))
        (folder / f"start-{taken:02}").write_bytes(data)


def _all() -> Iterator[tuple[str, bytes]]:
    said = [codec.encode(message) for message in _FROM_WORKER]
    stream = b"".join(map(frame, said))
    yield "frames", b"\x07" + stream
    yield "frames", b"\x00" + frame(b"") + frame(b"x") + b"\xff\xff\xff\xff"
    yield "frames", b"\x3f" + frame(b"x") + frame(bytes(LIMIT + 1))
    yield "pipe_frames", b"\x0b" + stream
    small = b"".join(map(frame, (b"", b"x", b"yy", b"zzz")))
    for size in range(_PIECES):
        yield "frames", bytes([size]) + small
        yield "pipe_frames", bytes([size]) + small
    link = Link()
    link.post(b"payload")
    yield "link", b"\x00\x03abc\x01" + _given(3, link.next_frame() or b"")
    yield "link", b"\x00\x03abc\x01" + _given(2, link.opening(b"hello"))
    yield "process_table", b"python\0-m\0crew_core._worker\0--instance\0i\0--url\0unix:///a/b"
    yield "process_table", b"python\0-m\0crew_core._dispatcher\0--client-pid\0" + b"9" * 5000
    yield "process_table", b"7 (a) b) S " + b"1 " * 30 + b"\nbtime 1000\nVmHWM:\t 12 kB\n"
    yield "process_table", b"0::/user/a\n7:cpu,memory:/b/\noom 1\noom_kill 3\n"
    for i, kind in enumerate(_OF_DECODERS):
        assert len(_OF_DECODERS) == len(DECODERS)
        for message in kind:
            yield "messages", bytes([i]) + codec.encode(message)
    yield "messages", bytes([len(DECODERS)]) + _with_length(_DETAIL) * 2
    identity = WorkerIdentity(b"c", b"k", b"a", b"d").to_text().encode()
    yield "messages", bytes([len(DECODERS) + 2]) + identity
    let_in, turn, submit = b"\x00\x00\x00", b"\x03\x00", b"\x02\x00"
    yield "dispatcher", submit + let_in + turn
    for payload in said:
        yield "dispatcher", let_in + turn + submit + turn + b"\x05\x00" + _with_length(payload)
    # Columns of different lengths; no number for seconds; nonsense about a death.
    yield "dispatcher", let_in + turn + submit + turn + b"\x06\x00\x00\x01\x00\x00\x02" + bytes(9)
    yield "dispatcher", let_in + turn + submit + turn + b"\x06\x00\x00\x01\x00\x01\x00\x05\x00"
    yield "dispatcher", let_in + turn + submit + turn + b"\x06\x00\x00\x01\x00\x01\x03\x00\x02"
    # A task so short that nothing can be divided by it, and then others.
    short = b"\x06\x00\x00\x01\x00\x01\x00\x03\x00"
    another = b"\x00\x00\x01"
    begun = let_in + turn + submit + turn
    yield "dispatcher", begun + short + turn + submit * 4 + another + turn


def _given(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + _with_length(data)


def _with_length(data: bytes) -> bytes:
    return bytes([len(data)]) + data


if __name__ == "__main__":
    main()
