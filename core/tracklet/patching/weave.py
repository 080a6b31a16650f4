"""Running advice around an original: before it, after it, and never in its way.

What holds, whatever an advice does and wherever an exception strikes:

- The original is called exactly once, by the joint and not from here, with what the user gave or
  what the advice made of it.
- Its value and its error reach the user as they are, the very objects.
- An advice that has begun is told the outcome, or closed, exactly once, the innermost first.
- An ``Exception`` of ours stays inside; only in strict mode, for tests, it is raised.

``running`` is the only memory of a call: advice is on it from before its first step until it has
ended, so that :func:`recover` finds it there when an interrupt has thrown away everything else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from inspect import GEN_CREATED, getgeneratorstate
from typing import TYPE_CHECKING, Any, TypeAlias

from tracklet.patching import faults
from tracklet.patching.call import Call, Outcome
from tracklet.patching.kept_state import Restore, captured, keep_context, put_back
from tracklet.patching.suppression import suppressed

if TYPE_CHECKING:
    from tracklet.patching.patch import Patch


class AdviceError(RuntimeError):
    """An advice broke its contract of exactly one ``yield``, or built a call that cannot be."""


Running: TypeAlias = "list[tuple[Patch, Generator[None, Outcome, None]]]"
"""The advice that has begun and not ended, outermost first."""

_delivered: ContextVar[Outcome | None] = ContextVar("tracklet_outcome", default=None)
keep_context(_delivered)


async def await_watched(
    place: str,
    subscribers: Sequence[Patch],
    original: Callable[..., Any],
    bound: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Await a coroutine function with advice around it; the outcome is what it gave."""
    __tracebackhide__ = True
    running: Running = []
    states = captured()
    try:
        args, kwargs = before(running, place, subscribers, original, bound, args, kwargs)
        try:
            value = await original(*args, **kwargs)
        except BaseException as error:
            after(running, place, Outcome(error=error))
            raise
        after(running, place, Outcome(value=value))
        return value
    except BaseException as error:
        recover(running, place, states, error)
        raise


def before(
    running: Running,
    place: str,
    subscribers: Sequence[Patch],
    original: Callable[..., Any],
    bound: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Start every advice; the arguments that come back are what the original gets.

    Args:
        running: Gets the advice that has begun.
        place: What is watched, for messages.
        subscribers: The patches whose advice runs, outermost first.
        original: The function underneath, unbound.
        bound: Whether the first of ``args`` is the instance.
        args: The caller's positional arguments.
        kwargs: The caller's keyword arguments.
    """
    instance, rest = (args[0], args[1:]) if bound else (None, args)
    call = Call(instance, rest, dict(kwargs), original, bound)
    for subscriber in subscribers:
        given = call.args, dict(call.kwargs)
        advised = None
        try:
            with suppressed():
                faults.checkpoint(f"before {place}")
                advised = subscriber.advice(call)
                # On the list before it runs: an interrupt inside of it must find it there.
                running.append((subscriber, advised))
                _advance(advised)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            # What a failed advice has made of the arguments goes; that of those before it stays.
            call.instance, (call.args, call.kwargs) = instance, given
            if running and running[-1][1] is advised:
                running.pop()
            _close(advised)
            _report(error, place, subscriber, running)
    try:
        return _settled(place, call, original, bound, instance, rest, kwargs)
    except Exception as error:
        after(running, place, Outcome(error=error))
        raise


def after(running: Running, place: str, outcome: Outcome) -> None:
    """Send the outcome to every advice that runs, innermost first."""
    while running:
        subscriber, advised = running[-1]
        try:
            with suppressed():
                _finish(advised, outcome, place)
        except Exception as error:  # noqa: BLE001 (contained: see tracklet.patching.faults)
            # Off the list only when it has ended: `_close` may itself be interrupted.
            _close(advised)
            running.pop()
            try:
                faults.report(error, place, subscriber.label)
            except Exception:
                # Strict mode: the others learn of the outcome all the same, and the user's own
                # error goes first.
                after(running, place, outcome)
                if outcome.error is None:
                    raise
        else:
            running.pop()


def recover(
    running: Running, place: str, states: list[tuple[Restore, Any]], error: BaseException
) -> None:
    """After an interrupt, of which nobody knows where it struck, leave nothing half done.

    Advice that still runs learns of it as the outcome, and what is kept of state is put back.
    Nothing happens for an ``Exception``: those come from the original, after all was done.
    """
    if isinstance(error, Exception):
        return
    # One that has not begun has nothing to be told of; sending to it would be an error.
    running[:] = [each for each in running if getgeneratorstate(each[1]) != GEN_CREATED]
    after(running, place, Outcome(error=error))
    put_back(states, error)


def _advance(advised: Any) -> None:
    try:
        next(advised)
    except StopIteration:
        raise AdviceError("the advice ended without a yield; it must yield exactly once") from None


def delivered() -> Outcome | None:
    """The outcome that an advice is being told at this moment; None in any other code."""
    return _delivered.get()


def _finish(advised: Generator[None, Outcome, None], outcome: Outcome, place: str) -> None:
    # Told by a variable as well, because an advice that fails before it looks at what its `yield`
    # gave still has a run to end, and with the right status.
    token = _delivered.set(outcome)
    try:
        try:
            faults.checkpoint(f"after {place}")
        except Exception as failure:  # noqa: BLE001 (put in by a test: the advice fails by it)
            advised.throw(failure)
        else:
            advised.send(outcome)
    except StopIteration:
        return
    finally:
        _delivered.reset(token)
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


def _report(error: Exception, place: str, subscriber: Patch, running: Running) -> None:
    try:
        faults.report(error, place, subscriber.label)
    except Exception as raised:
        after(running, place, Outcome(error=raised))
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
        problem = _malformed(call)
        if problem is None:
            problem = _misfit(original, first, call.args, call.kwargs)
            # Some functions take more than their signature says: if the user's own call does not
            # fit it, it says nothing of the advised one either.
            if problem is None or _misfit(original, first, args, kwargs) is not None:
                return (*first, *call.args), call.kwargs
        faults.report(AdviceError(f"the advised call cannot be: {problem}"), place)
    return (*first, *args), kwargs


def _same(advised: Any, given: dict[str, Any]) -> bool:
    return (
        isinstance(advised, dict)
        and list(advised) == list(given)
        and all(advised[key] is value for key, value in given.items())
    )


def _malformed(call: Call) -> str | None:
    if isinstance(call.args, tuple) and isinstance(call.kwargs, dict):
        return None
    return f"args is {type(call.args).__name__} and kwargs is {type(call.kwargs).__name__}"


def _misfit(
    original: Callable[..., Any],
    first: tuple[Any, ...],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str | None:
    try:
        signature = inspect.signature(original)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*first, *args, **kwargs)
    except TypeError as error:
        return str(error)
    return None
