"""Running advice around an original: before it, after it, and never in its way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from tracklet.patching import faults
from tracklet.patching.call import Advice, Call, Outcome
from tracklet.patching.suppression import suppressed


class Subscriber(Protocol):
    """What the weaver needs of a patch."""

    @property
    def advice(self) -> Advice:
        """What runs around the original."""
        ...

    @property
    def label(self) -> str:
        """On whose behalf."""
        ...

    @property
    def priority(self) -> int:
        """How far outside it runs."""
        ...


class AdviceError(RuntimeError):
    """An advice broke its contract of exactly one ``yield``, or built a call that cannot be."""


Running = list[tuple[Subscriber, Generator[None, Outcome, None]]]


async def await_watched(
    place: str,
    subscribers: Sequence[Subscriber],
    original: Callable[..., Any],
    bound: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Await a coroutine function with advice around it; the outcome is what it gave."""
    __tracebackhide__ = True
    running, args, kwargs = before(place, subscribers, original, bound, args, kwargs)
    try:
        value = await original(*args, **kwargs)
    except BaseException as error:
        after(place, running, Outcome(error=error))
        raise
    after(place, running, Outcome(value=value))
    return value


def before(
    place: str,
    subscribers: Sequence[Subscriber],
    original: Callable[..., Any],
    bound: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Running, tuple[Any, ...], dict[str, Any]]:
    """Start every advice; the arguments that come back are what the original gets.

    Args:
        place: What is watched, for messages.
        subscribers: The patches whose advice runs, outermost first.
        original: The function underneath, unbound.
        bound: Whether the first of ``args`` is the instance.
        args: The caller's positional arguments.
        kwargs: The caller's keyword arguments.
    """
    running: Running = []
    instance, rest = (args[0], args[1:]) if bound else (None, args)
    call = Call(instance, rest, dict(kwargs), original, bound)
    for subscriber in subscribers:
        given = call.args, dict(call.kwargs)
        advised = None
        try:
            with suppressed():
                faults.checkpoint(f"before {place}")
                advised = subscriber.advice(call)
                _advance(advised)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            call.instance, (call.args, call.kwargs) = instance, given
            _close(advised)
            _report(error, place, subscriber, running)
        except BaseException as error:
            after(place, running, Outcome(error=error))
            raise
        else:
            running.append((subscriber, advised))
    try:
        return running, *_settled(place, call, original, bound, instance, rest, kwargs)
    except Exception as error:
        after(place, running, Outcome(error=error))
        raise


def after(place: str, running: Running, outcome: Outcome) -> None:
    """Send the outcome to every advice that runs, innermost first."""
    while running:
        subscriber, advised = running.pop()
        try:
            with suppressed():
                faults.checkpoint(f"after {place}")
                _finish(advised, outcome)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            _close(advised)
            try:
                faults.report(error, place, subscriber.label)
            except Exception:
                after(place, running, outcome)
                # Strict mode; the user's own error goes first.
                if outcome.error is None:
                    raise
        except BaseException:
            _close(advised)
            after(place, running, outcome)
            raise


def _advance(advised: Any) -> None:
    try:
        next(advised)
    except StopIteration:
        raise AdviceError("the advice ended without a yield; it must yield exactly once") from None


def _finish(advised: Generator[None, Outcome, None], outcome: Outcome) -> None:
    try:
        advised.send(outcome)
    except StopIteration:
        return
    raise AdviceError("the advice yielded twice; it must yield exactly once")


def _close(advised: Any) -> None:
    close = getattr(advised, "close", None)
    if close is None:
        return
    try:
        with suppressed():
            close()
    except Exception as error:  # noqa: BLE001 (it failed once already; that was reported)
        faults.logger.debug("an advice failed again while it was closed: %s", error)


def _report(error: Exception, place: str, subscriber: Subscriber, running: Running) -> None:
    try:
        faults.report(error, place, subscriber.label)
    except Exception as raised:
        after(place, running, Outcome(error=raised))
        raise


def _settled(
    place: str,
    call: Call,
    original: Callable[..., Any],
    bound: bool,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The advised arguments, or the user's own if an advice built a call that cannot be."""
    first = (instance,) if bound else ()
    unchanged = call.args is args and _same(call.kwargs, kwargs)
    if not unchanged:
        problem = _misfit(original, first, call)
        if problem is None:
            return (*first, *call.args), call.kwargs
        faults.report(AdviceError(f"the advised call cannot be: {problem}"), place)
    return (*first, *args), kwargs


def _same(advised: Any, given: dict[str, Any]) -> bool:
    return (
        isinstance(advised, dict)
        and list(advised) == list(given)
        and all(advised[key] is value for key, value in given.items())
    )


def _misfit(original: Callable[..., Any], first: tuple[Any, ...], call: Call) -> str | None:
    if not isinstance(call.args, tuple) or not isinstance(call.kwargs, dict):
        return f"args is {type(call.args).__name__} and kwargs is {type(call.kwargs).__name__}"
    try:
        signature = inspect.signature(original)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*first, *call.args, **call.kwargs)
    except TypeError as error:
        return str(error)
    return None
