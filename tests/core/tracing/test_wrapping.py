"""`trace`: each call of a function becomes a span, and nothing else changes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import tracklet
from tracklet.entities import Trace
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("tracklet_home")


def kept() -> list[Trace]:
    """All traces, the earliest first."""
    return tracklet.search_traces(return_type="list", order_by=["timestamp ASC"])


def last() -> Trace:
    trace_id = tracklet.get_last_active_trace_id()
    assert trace_id is not None
    trace = tracklet.get_trace(trace_id)
    assert trace is not None
    return trace


@tracklet.trace
def add(x: int, y: int = 2, *args: int, z: int = 3, **rest: int) -> int:
    """Add two numbers."""
    return x + y


def test_the_inputs_are_the_arguments_by_name_and_the_outputs_what_is_returned() -> None:
    assert add(1, 5, 6, w=7) == 6
    (span,) = last().data.spans
    assert span.name == "add"
    assert span.inputs == {"x": 1, "y": 5, "args": [6], "z": 3, "rest": {"w": 7}}
    assert span.outputs == 6
    assert span.status.status_code == "OK"
    assert span.get_attribute("mlflow.spanFunctionName") == "add"
    assert span.span_type == "UNKNOWN"


def test_name_type_and_attributes_can_be_chosen() -> None:
    @tracklet.trace(name="other", span_type="CHAIN", attributes={"k": [1, {"a": None}]})
    def function() -> None: ...

    function()
    (span,) = last().data.spans
    assert (span.name, span.span_type) == ("other", "CHAIN")
    assert span.get_attribute("k") == [1, {"a": None}]
    assert span.attributes["mlflow.spanOutputs"] is None


def test_calls_inside_are_parts_of_the_call_around_them() -> None:
    @tracklet.trace
    def inner(n: int) -> int:
        return n

    @tracklet.trace
    def outer() -> int:
        with tracklet.start_span("block"):
            return inner(1) + inner(2)

    assert outer() == 3
    (trace,) = kept()
    root, block, first, second = trace.data.spans
    assert (root.name, root.parent_id) == ("outer", None)
    assert (block.name, block.parent_id) == ("block", root.span_id)
    assert [s.parent_id for s in (first, second)] == [block.span_id] * 2
    assert {s.trace_id for s in trace.data.spans} == {trace.info.trace_id}


def test_an_exception_is_recorded_and_passes_as_the_same_object() -> None:
    error = ValueError("boom")

    @tracklet.trace
    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    assert caught.value is error
    trace = last()
    (span,) = trace.data.spans
    assert trace.info.state == span.status.status_code == "ERROR"
    assert span.status.description == "ValueError: boom"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert "in fail" in event.attributes["exception.stacktrace"]
    assert span.outputs is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_no_exception_passes_too(kind: type[BaseException]) -> None:
    @tracklet.trace
    def stop() -> None:
        raise kind

    with pytest.raises(kind):
        stop()
    assert last().info.state == "ERROR"
    assert tracklet.get_current_active_span() is None


def test_an_exception_whose_text_fails_is_recorded_by_its_type() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @tracklet.trace
    def fail() -> None:
        raise Odd

    with pytest.raises(Odd):
        fail()
    assert last().data.spans[0].events[0].attributes["exception.type"] == "Odd"


def test_methods_of_every_kind_are_traced_without_self_and_cls() -> None:
    class Model:
        @tracklet.trace
        def method(self, x: int) -> int:
            return x

        @tracklet.trace
        @classmethod
        def outside(cls, x: int) -> int:
            return x

        @classmethod
        @tracklet.trace
        def inside(cls, x: int) -> int:
            return x

        @staticmethod
        @tracklet.trace
        def static(x: int) -> int:
            return x

        @tracklet.trace
        @staticmethod
        def static_outside(x: int) -> int:
            return x

    model = Model()
    for method in (model.method, Model.outside, Model.inside, Model.static, Model.static_outside):
        assert method(4) == 4
        assert last().data.spans[0].inputs == {"x": 4}
    assert isinstance(vars(Model)["outside"], classmethod)


def test_a_coroutine_function_stays_one_and_its_tasks_do_not_meet() -> None:
    @tracklet.trace
    async def child(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @tracklet.trace
    async def parent(n: int) -> int:
        await asyncio.sleep(0)
        return sum(await asyncio.gather(child(n), child(n + 1)))

    async def main() -> list[int]:
        return await asyncio.gather(*(parent(n) for n in range(5)))

    assert inspect.iscoroutinefunction(parent)
    assert asyncio.run(main()) == [1, 3, 5, 7, 9]
    traces = kept()
    assert len(traces) == 5
    for trace in traces:
        root = trace.data.root
        assert root is not None
        assert sorted(s.inputs["n"] for s in trace.data.spans[1:]) == [
            root.inputs["n"],
            root.inputs["n"] + 1,
        ]
        assert {s.parent_id for s in trace.data.spans[1:]} == {root.span_id}


def test_threads_do_not_meet() -> None:
    barrier = threading.Barrier(4)

    @tracklet.trace
    def work(n: int) -> None:
        barrier.wait()
        with tracklet.start_span("inner") as span:
            span.set_attribute("n", n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traces = kept()
    assert len(traces) == 4
    assert all(t.data.spans[0].inputs["n"] == t.data.spans[1].attributes["n"] for t in traces)


# -- generators --------------------------------------------------------------------------------


@tracklet.trace
def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_a_generator_stays_one_and_its_outputs_are_what_it_yields() -> None:
    assert inspect.isgeneratorfunction(count)
    assert list(count(3)) == [0, 1, 2]
    (span,) = last().data.spans
    assert span.outputs == [0, 1, 2]
    assert [(e.name, e.attributes) for e in span.events] == [
        (f"mlflow.chunk.item.{i}", {"mlflow.chunk.value": str(i)}) for i in range(3)
    ]


def test_an_output_reducer_makes_the_outputs() -> None:
    reduced = tracklet.trace(output_reducer=sum)(count.__wrapped__)  # type: ignore[attr-defined]
    assert list(reduced(4)) == [0, 1, 2, 3]
    assert last().data.spans[0].outputs == 6


def test_a_failing_reducer_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    reduced = tracklet.trace(output_reducer=lambda items: 1 / 0)(
        count.__wrapped__  # type: ignore[attr-defined]
    )
    assert list(reduced(2)) == [0, 1]
    assert "ZeroDivisionError" in caplog.text
    assert last().info.state == "OK"


def test_a_generator_that_is_left_early_keeps_what_it_yielded() -> None:
    for _ in count(5):
        break
    del _
    (span,) = last().data.spans
    assert span.outputs == [0]
    assert span.status.status_code == "OK"


def test_values_sent_and_exceptions_thrown_in_reach_the_generator() -> None:
    seen: list[Any] = []

    @tracklet.trace
    def talk() -> Any:
        while True:
            try:
                seen.append((yield len(seen)))
            except KeyError as error:
                seen.append(error)
            if len(seen) == 3:
                return "done"

    generator = talk()
    assert next(generator) == 0
    assert generator.send("a") == 1
    thrown = KeyError("b")
    assert generator.throw(thrown) == 2
    with pytest.raises(StopIteration) as stop:
        generator.send("c")
    assert stop.value.value == "done"
    assert seen == ["a", thrown, "c"]
    assert last().data.spans[0].outputs == [0, 1, 2]


def test_between_its_steps_a_generator_is_not_the_active_span() -> None:
    @tracklet.trace
    def parts() -> Iterator[int]:
        with tracklet.start_span("held over the yields"):
            for i in range(2):
                with tracklet.start_span(f"part {i}"):
                    pass
                yield i

    @tracklet.trace
    def consumer() -> None:
        for i in parts():
            with tracklet.start_span(f"consumed {i}"):
                pass

    consumer()
    spans = {s.name: s for s in last().data.spans}
    root = spans["consumer"].span_id
    held = spans["held over the yields"]
    assert spans["parts"].parent_id == root
    assert held.parent_id == spans["parts"].span_id
    assert [spans[f"part {i}"].parent_id for i in range(2)] == [held.span_id] * 2
    assert [spans[f"consumed {i}"].parent_id for i in range(2)] == [root] * 2


def test_a_generators_exception_passes_as_the_same_object() -> None:
    error = ValueError("late")

    @tracklet.trace
    def fail() -> Iterator[int]:
        yield 1
        raise error

    generator = fail()
    assert next(generator) == 1
    with pytest.raises(ValueError, match="late") as caught:
        next(generator)
    assert caught.value is error
    trace = last()
    assert trace.info.state == "ERROR"
    assert trace.data.spans[0].outputs == [1]


def test_an_asynchronous_generator_stays_one() -> None:
    @tracklet.trace
    async def stream(n: int) -> AsyncIterator[int]:
        for i in range(n):
            with tracklet.start_span(f"step {i}"):
                await asyncio.sleep(0)
            yield i

    async def main() -> list[int]:
        assert tracklet.get_current_active_span() is None
        found = []
        async for i in stream(3):
            assert tracklet.get_current_active_span() is None
            found.append(i)
        return found

    assert inspect.isasyncgenfunction(stream)
    assert asyncio.run(main()) == [0, 1, 2]
    root, *steps = last().data.spans
    assert root.outputs == [0, 1, 2]
    assert {step.parent_id for step in steps} == {root.span_id}


def test_an_asynchronous_generator_takes_what_is_sent_thrown_and_closed() -> None:
    closed: list[str] = []

    @tracklet.trace
    async def talk() -> Any:
        try:
            got = yield "first"
            try:
                yield got
            except KeyError:
                yield "caught"
        finally:
            await asyncio.sleep(0)
            closed.append("inner")

    async def main() -> list[Any]:
        generator = talk()
        said = [await anext(generator), await generator.asend("sent")]
        said.append(await generator.athrow(KeyError()))
        await generator.aclose()
        return said

    assert asyncio.run(main()) == ["first", "sent", "caught"]
    assert closed == ["inner"]
    trace = last()
    assert trace.info.state == "OK"
    assert trace.data.spans[0].outputs == ["first", "sent", "caught"]


# -- what stays as it is -----------------------------------------------------------------------


def test_signature_name_and_documentation_stay() -> None:
    assert str(inspect.signature(add)).startswith("(x: 'int', y: 'int' = 2, *args")
    assert (add.__name__, add.__doc__) == ("add", "Add two numbers.")
    assert add.__wrapped__.__name__ == "add"  # type: ignore[attr-defined]


def test_wrong_arguments_raise_what_they_raise_without_tracing() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        add()  # type: ignore[call-arg]
    assert last().info.state == "ERROR"


def test_functions_of_other_kinds_can_be_wrapped() -> None:
    class Callable:
        def __init__(self) -> None:
            self.secret = 1

        def __call__(self, x: int) -> int:
            return x

    assert tracklet.trace(len)([1, 2]) == 2
    assert last().data.spans[0].inputs == {"obj": [1, 2]}
    assert tracklet.trace(functools.partial(pow, 2))(3) == 8
    called = tracklet.trace(Callable())
    assert called(5) == 5
    assert not hasattr(called, "secret")
    assert last().data.spans[0].name == "Callable"


@pytest.mark.parametrize("wrong", [3, "f", int])
def test_what_is_no_function_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidParameterValue, match="trace takes a function"):
        tracklet.trace(wrong)


def test_arguments_are_taken_down_before_the_call_changes_them() -> None:
    @tracklet.trace
    def grow(items: list[int]) -> list[int]:
        items.append(2)
        return items

    given = [1]
    assert grow(given) is given
    given.append(3)
    (span,) = last().data.spans
    assert (span.inputs, span.outputs) == ({"items": [1]}, [1, 2])


class Hostile:
    """An argument of which everything fails that tracing could ask for."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no attributes")


def test_arguments_that_resist_are_no_problem_of_the_callers() -> None:
    @tracklet.trace
    def echo(value: Any) -> Any:
        return value

    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    for value in (
        Hostile(),
        cycle,
        deep,
        {(1, 2): 3},
        "\ud800",
        float("nan"),
        b"x",
        {1},
        iter([1]),
    ):
        assert echo(value) is value
        assert last().info.state == "OK"
    while deep is not None:  # taken apart by hand: freeing it would recurse as deep
        (deep,) = deep


def test_a_traced_function_can_be_pickled_by_name_and_by_value() -> None:
    assert pickle.loads(pickle.dumps(add)) is add
    scope: dict[str, Any] = {"tracklet": tracklet, "__name__": "__main__"}
    exec(  # a function of a script, which cloudpickle takes along by value
        "@tracklet.trace\ndef double(x: 'unknown.Type'): return 2 * x\n"
        "@tracklet.trace\ndef twice(x):\n    yield x\n    yield x\n"
        "double(1)",
        scope,
    )
    double, twice = (
        cloudpickle.loads(cloudpickle.dumps(scope[name])) for name in ("double", "twice")
    )
    assert double is not scope["double"]
    assert double(4) == 8
    assert list(twice(4)) == [4, 4]
    assert len(kept()) == 3


def test_with_tracing_off_functions_run_as_they_are() -> None:
    tracklet.tracing.disable()
    assert add(1) == 3
    assert list(count(2)) == [0, 1]
    assert kept() == []
    tracklet.tracing.enable()
    assert add(1) == 3
    assert len(kept()) == 1


def test_a_sampling_ratio_drops_whole_traces() -> None:
    @tracklet.trace(sampling_ratio_override=0.0)
    def never() -> int:
        return add(1)

    assert never() == 3
    assert kept() == []
    with pytest.raises(InvalidParameterValue, match="0 to 1"):
        tracklet.trace(sampling_ratio_override=2)


def test_the_sampling_option_is_a_share_and_draws_from_no_generator_of_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import random

    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", "0.5")
    state = random.getstate()
    for _ in range(60):
        add(1)
    assert random.getstate() == state
    assert 5 < len(kept()) < 55


def test_a_process_that_ends_has_kept_its_traces(tracklet_home: Path) -> None:
    script = """
import os, tracklet
@tracklet.trace
def f(): return 1
f()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tracklet_home, check=True)
    assert done.returncode == 0
    assert [t.data.spans[0].outputs for t in kept()] == [1]
