"""Tracing fails at every place where it can, and the traced code does not notice."""

from __future__ import annotations

import asyncio
import functools
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tracklet
import tracklet.tracing
from tracklet.tracing import context, live, spans, wrapping

pytestmark = pytest.mark.usefixtures("tracklet_home")

ERROR = ValueError("the user's")


class Model:
    @tracklet.trace
    def predict(self, values: list[int], scale: int = 2) -> list[int]:
        with tracklet.start_span("scale") as span:
            span.set_inputs(values)
            span.add_event(tracklet.entities.SpanEvent("hit"))
            result = [scale * value for value in values]
            span.set_outputs(result)
        return result


@tracklet.trace
def stream(n: int) -> Iterator[int]:
    for i in range(n):
        with tracklet.start_span("step"):
            pass
        yield i


@tracklet.trace
async def wait(x: int) -> int:
    await asyncio.sleep(0)
    return x


@tracklet.trace
async def flow(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@tracklet.trace
def fail() -> None:
    raise ERROR


def program() -> list[Any]:
    """Traced code of every kind; what it gives must always be the same."""

    async def tasks() -> list[Any]:
        return [await wait(3), [i async for i in flow(2)]]

    results: list[Any] = [Model().predict([1, 2]), list(stream(2)), asyncio.run(tasks())]
    try:
        fail()
    except ValueError as error:
        results.append(error is ERROR)
    tracklet.update_current_trace(tags={"outside": 1})
    with tracklet.start_span("block"):
        tracklet.update_current_trace(tags={"a": 1}, metadata={"b": 2})
    results.append(tracklet.get_current_active_span())
    return results


EXPECTED = [[2, 4], [0, 1], [3, [0, 1]], True, None]

# What tracing itself calls while traced code runs: functions of ours that may fail.
PLACES: list[tuple[Any, str]] = [
    (live, "_new_trace"),
    (live, "_sampled"),
    (live, "TrackletClient"),
    (live, "LiveSpan"),
    (live, "validate_key"),
    (live.LiveTrace, "info"),
    (live.LiveTrace, "present"),
    (live.active, "to_record"),
    (live, "get_active_model_id"),
    (live.experiments, "experiment_for_new_run"),
    (live.run_context, "resolve_tags"),
    (context, "note_last"),
    (wrapping, "json_text"),
    (wrapping, "SpanEvent"),
    (wrapping.inspect, "signature"),
    (wrapping.Traced, "_inputs"),
    (spans.LiveSpan, "record_exception"),
    (tracklet.entities.LiveSpan, "end"),
]


@pytest.mark.parametrize(
    ("owner", "name"), PLACES, ids=lambda value: getattr(value, "__name__", value)
)
def test_whatever_fails_the_program_gives_the_same(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program() == EXPECTED
    tracklet.tracing.reset()  # also what is remembered is asked for again
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @functools.wraps(real, updated=())
    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        # The user's own calls of these are not what is tested here.
        caller: FrameType = sys._getframe(1)
        if "tracklet" in caller.f_globals.get("__name__", ""):
            calls += 1
            raise RuntimeError("ours")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, broken)
    assert program() == EXPECTED
    assert calls or name == "signature"  # signatures are looked up once


def test_no_random_state_is_touched() -> None:
    random.seed(1)
    np.random.seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist())
    program()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
