"""``trace``: functions of every kind, of which each call becomes a span.

Each wrapper is of the kind that it wraps, so ``inspect.iscoroutinefunction`` and its like still
answer right. What the wrapped function returns, yields and raises passes as the same object.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from tracklet.entities import LiveSpan, SpanEvent, SpanType
from tracklet.entities.json_text import json_text
from tracklet.entities.span import FUNCTION_ATTRIBUTE, OUTPUTS_ATTRIBUTE
from tracklet.errors import InvalidParameterValue
from tracklet.tracing import context, live
from tracklet.tracing.spans import close, described, destination

F = TypeVar("F", bound=Callable[..., Any])


@overload
def trace(
    func: F,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    description: str | None = None,
) -> F: ...


@overload
def trace(
    func: None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    description: str | None = None,
) -> Callable[[F], F]: ...


def trace(
    func: Callable[..., Any] | None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    description: str | None = None,
) -> Any:
    """Make a span of each call of a function.

    ::

        @tracklet.trace
        def answer(question: str) -> str: ...

        @tracklet.trace(name="search", span_type="RETRIEVER")
        async def search(query: str) -> list[str]: ...

        total = tracklet.trace(sum)([1, 2])

    The inputs are the arguments by name, with their defaults and without ``self`` and ``cls``; the
    outputs are what is returned, or the list of what is yielded. An exception makes the status
    ERROR and goes on. Functions, methods, class and static methods, coroutine functions and both
    kinds of generator functions can be traced. No failure of tracing reaches the traced code.

    Args:
        func: The function.
        name: What its spans are called; the function's name by default.
        span_type: What it does, such as ``SpanType.LLM``.
        attributes: Facts for each span.
        output_reducer: For generators: makes the outputs of the list of what was yielded.
        trace_destination: For roots: an experiment, as ``MlflowExperimentLocation``.
        sampling_ratio_override: For roots: the share of calls that are traced, from 0 to 1; by
            default what the option ``TRACE_SAMPLING_RATIO`` says, or all.
        description: What the function is for, in words.

    Raises:
        InvalidParameterValue: ``func`` is no function, or the ratio is out of its range.
    """
    ratio = sampling_ratio_override
    if ratio is not None and not 0 <= ratio <= 1:
        raise InvalidParameterValue(
            f"sampling_ratio_override is a number from 0 to 1; got {ratio!r}"
        )

    def decorate(function: Any) -> Any:
        if isinstance(function, classmethod | staticmethod):
            return type(function)(decorate(function.__func__))
        if not callable(function) or inspect.isclass(function):
            raise InvalidParameterValue(
                f"trace takes a function or method; got {function!r} of type "
                f"{type(function).__name__}"
            )
        called = Traced(
            function,
            name,
            span_type,
            described(attributes, description),
            output_reducer,
            destination(trace_destination),
            ratio,
        )
        return _wrapped(function, called)

    return decorate if func is None else decorate(func)


class Traced:
    """What the spans of one function have in common."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        span_type: str,
        attributes: Mapping[str, Any] | None,
        reducer: Callable[[list[Any]], Any] | None,
        experiment_id: str | None,
        ratio: float | None,
    ) -> None:
        own = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.name = name or own
        self.span_type = span_type
        self.attributes = {FUNCTION_ATTRIBUTE: own, **(attributes or {})}
        self.reducer = reducer
        self.experiment_id = experiment_id
        self.ratio = ratio
        self._signature: inspect.Signature | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Models take traced functions along; annotations in a signature may not travel.
        return {**self.__dict__, "_signature": None}

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> LiveSpan:
        """The span of one call, with its inputs."""
        span = live.begin(
            self.name,
            self.span_type,
            self.attributes,
            parent=context.current(),
            experiment_id=self.experiment_id,
            sampling_ratio=self.ratio,
        )
        if span.is_open:
            try:
                span.set_inputs(self._inputs(args, kwargs))
            except Exception as error:  # noqa: BLE001 - the traced code goes on
                context.contain("take down inputs", error)
        return span

    def _inputs(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if self._signature is None:
                self._signature = inspect.signature(self.function)
            bound = self._signature.bind(*args, **kwargs)
        except (TypeError, ValueError):  # wrong arguments, or a builtin without a signature
            return {"args": list(args), "kwargs": dict(kwargs)}
        bound.apply_defaults()
        inputs = bound.arguments
        first = next(iter(inputs), None)
        if first in ("self", "cls"):
            return {key: value for key, value in inputs.items() if key != first}
        return inputs


def _wrapped(function: Callable[..., Any], called: Traced) -> Callable[..., Any]:
    # The wrappers name nothing but functions of this module: cloudpickle takes them along by
    # value, and could not do so with a ContextVar or a lock.
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            stream = _Stream(called, called.begin(args, kwargs))
            try:
                inner = function(*args, **kwargs)
                step = inner.__anext__()
                while True:
                    with stream:
                        item = await step
                    stream.add(item)
                    try:
                        sent = yield item
                    except GeneratorExit:
                        with stream:
                            await inner.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown in by the consumer
                        step = inner.athrow(error)
                    else:
                        step = inner.asend(sent)
            except StopAsyncIteration:
                stream.end()
            except BaseException as error:
                stream.end(error)
                raise

        return async_generator
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            stream = _Stream(called, called.begin(args, kwargs))
            try:
                inner = function(*args, **kwargs)
                step = functools.partial(next, inner)
                while True:
                    with stream:
                        item = step()
                    stream.add(item)
                    try:
                        sent = yield item
                    except GeneratorExit:
                        with stream:
                            inner.close()
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown in by the consumer
                        step = functools.partial(inner.throw, error)
                    else:
                        step = functools.partial(inner.send, sent)
            except StopIteration as stop:
                stream.end()
                return stop.value
            except BaseException as error:
                stream.end(error)
                raise

        return generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with _Call(called, args, kwargs) as call:
                call.result = await function(*args, **kwargs)
            return call.result

        return coroutine

    @functools.wraps(function, updated=() if not inspect.isroutine(function) else ("__dict__",))
    def plain(*args: Any, **kwargs: Any) -> Any:
        with _Call(called, args, kwargs) as call:
            call.result = function(*args, **kwargs)
        return call.result

    return plain


class _Call:
    """The span of one call, which goes on inside the block."""

    def __init__(self, called: Traced, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.result: Any = None
        self._span = called.begin(args, kwargs)

    def __enter__(self) -> _Call:
        self._before = context.activate(self._span)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        context.activate(self._before)
        if error is None:
            try:
                self._span.set_outputs(self.result)
            except Exception as failure:  # noqa: BLE001 - the traced code goes on
                context.contain("take down outputs", failure)
        close(self._span, error)


# -- generators --------------------------------------------------------------------------------


class _Stream:
    """The span of one generator; inside the block, where its own code runs, it goes on."""

    def __init__(self, called: Traced, span: LiveSpan) -> None:
        self._called = called
        self._span = span
        self._inside: LiveSpan | None = span
        self._outside: LiveSpan | None = None
        self._texts: list[str] = []
        self._items: list[Any] = []

    def __enter__(self) -> None:
        self._outside = context.activate(self._inside)

    def __exit__(self, *error: object) -> None:
        # The generator may stand inside a block with a span of its own.
        self._inside = context.activate(self._outside)
        self._outside = None

    def add(self, item: Any) -> None:
        """Take down what is yielded, as it is now."""
        if not self._span.is_open:
            return
        try:
            text = json_text(item)
            event = SpanEvent(
                f"mlflow.chunk.item.{len(self._texts)}", attributes={"mlflow.chunk.value": text}
            )
            self._span.add_event(event)
            self._texts.append(text)
            if self._called.reducer is not None:
                self._items.append(item)
        except Exception as error:  # noqa: BLE001 - the traced code goes on
            context.contain("take down an item", error)

    def end(self, error: BaseException | None = None) -> None:
        """End the span; a consumer that wants no more is no error."""
        try:
            if self._called.reducer is not None and error is None and self._span.is_open:
                self._span.set_outputs(self._called.reducer(self._items))
            else:
                self._span.set_attribute_text(OUTPUTS_ATTRIBUTE, f"[{', '.join(self._texts)}]")
        except Exception as failure:  # noqa: BLE001 - the traced code goes on
            context.contain("reduce the outputs", failure)
        close(self._span, None if isinstance(error, GeneratorExit) else error)
        self._items.clear()
