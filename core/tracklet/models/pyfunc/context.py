"""What a model that is asked may know of the request, beside its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tracklet.errors import InvalidArgument, brief


class Context:
    """A request for a prediction.

    Args:
        request_id: Its id, of whoever asks.
        is_evaluate: Whether it is made to evaluate the model.
        dependencies_schemas: What the model depends on, as whoever asks knows it.
        model_id: The logged model that is asked.
        endpoint_name: The service through which it is asked.
        **kwargs: Further attributes.
    """

    def __init__(
        self,
        request_id: str | None = None,
        is_evaluate: bool = False,
        dependencies_schemas: dict[str, Any] | None = None,
        model_id: str | None = None,
        endpoint_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.request_id = request_id
        self.is_evaluate = is_evaluate
        self.dependencies_schemas = dependencies_schemas
        self.model_id = model_id
        self.endpoint_name = endpoint_name
        self.update(**kwargs)

    def update(self, **kwargs: Any) -> None:
        """Give attributes other values."""
        vars(self).update(kwargs)


_context: ContextVar[Context | None] = ContextVar("tracklet_prediction_context", default=None)


@contextmanager
def set_prediction_context(context: Context | None) -> Iterator[None]:
    """Let what runs in this block, a model's ``predict`` for example, know of a request.

    Raises:
        InvalidArgument: It is no :class:`Context`.
    """
    if not isinstance(context, Context | None):
        raise InvalidArgument(f"the context of a prediction is a Context; got {brief(context)}")
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def get_prediction_context() -> Context | None:
    """The request that is being answered, if whoever asks told of it."""
    return _context.get()
