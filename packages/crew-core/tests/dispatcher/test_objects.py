"""To whom objects are sent, and when they are forgotten; without sockets, clock or processes."""

from __future__ import annotations

from crew_core._wire import messages
from dispatcher.bench import COMMAND, WARM, Bench, warmed

A, B, C = b"object a", b"object b", b"object c"


def submit_with(bench: Bench, task_id: int, *objects: bytes) -> None:
    task = messages.Batch(task_id, [f"t{task_id}"], b"digest", [b""], objects=objects)
    bench.client(messages.Submit([task], [COMMAND]))


def test_an_object_is_sent_to_each_worker_that_needs_it_once_and_before_the_task() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    bench.worker("w")
    for task_id in (1, 2):
        submit_with(bench, task_id, A)
        bench.done("w", task_id)
    submit_with(bench, 3, A)
    bench.worker("v")
    submit_with(bench, 4, A)
    assert bench.objects == {"w": [A], "v": [A]}
    kinds = [o if isinstance(o, bytes) else type(o).__name__ for o in bench.orders["v"]]
    assert kinds == [A, "Work"]


def test_an_object_goes_with_a_task_to_the_worker_that_takes_it_next() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    pipe = bench.worker("w")
    submit_with(bench, 1, A)
    bench.cut(pipe)
    bench.worker("v")
    assert bench.objects == {"w": [A], "v": [A]}


def test_a_warm_up_gets_its_objects_too() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    task = messages.Batch(WARM + 1, ["w"], b"digest", [b""], objects=(A,))
    bench.client(messages.WarmUp(task, [COMMAND]))
    bench.worker("w")
    assert bench.objects == {"w": [A]}


def test_over_the_limit_a_worker_forgets_what_it_did_not_use_for_longest() -> None:
    bench = Bench(object_bytes=25)
    for digest in (A, B, C):
        bench.state.on_object(digest, 10)
    bench.worker("w")
    for task_id, digest in enumerate((A, B, A, C), start=1):
        submit_with(bench, task_id, digest)
        bench.done("w", task_id)
    assert messages.ForgetBlobs([B]) in bench.orders["w"]
    submit_with(bench, 5, B)
    assert bench.objects["w"] == [A, B, C, B]
    assert bench.orders["w"][-3] == messages.ForgetBlobs([A])


def test_a_worker_never_forgets_what_its_tasks_and_warm_ups_need() -> None:
    bench = Bench(object_bytes=1)
    for digest in (A, B, C):
        bench.state.on_object(digest, 10)
    bench.worker("w")
    task = messages.Batch(WARM + 1, ["w"], b"digest", [b""], objects=(A,))
    bench.client(messages.WarmUp(task, [COMMAND]))
    warmed(bench, "w", 1)
    submit_with(bench, 1, B, C)
    assert not any(isinstance(o, messages.ForgetBlobs) for o in bench.orders["w"])
    bench.done("w", 1)
    submit_with(bench, 2, C)
    assert messages.ForgetBlobs([B]) in bench.orders["w"]


def test_a_dropped_object_is_forgotten_everywhere() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    bench.worker("w")
    bench.worker("without")
    submit_with(bench, 1, A)
    name = next(iter(bench.objects))
    bench.done(name, 1)
    bench.client(messages.DropBlobs([A]))
    assert bench.dropped == [A]
    told = [n for n, o in bench.orders.items() if messages.ForgetBlobs([A]) in o]
    assert told == [name]
