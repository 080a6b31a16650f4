"""The tokens that ask for the next page of a search."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

from tracklet.errors import InvalidParameterValue


class Page:
    """Where a page starts.

    Args:
        offset: How many results precede it.
        **request: What the token is bound to; a token that was made for another request is
            refused.
    """

    def __init__(self, offset: int = 0, **request: Any) -> None:
        self.offset = offset
        self.request = request

    @classmethod
    def decode(cls, token: str | None, **request: Any) -> Page:
        """The page that a token asks for; the first one without a token.

        Raises:
            InvalidParameterValue: The token is none of ours, or belongs to another search.
        """
        if not token:
            return cls(0, **request)
        import base64  # few searches have a second page
        import json

        try:
            body = json.loads(base64.b64decode(token, validate=True))
            offset = body["offset"]
        except (ValueError, TypeError, KeyError, RecursionError):
            offset = body = None
        if (
            not isinstance(body, Mapping)
            or isinstance(offset, bool)
            or not isinstance(offset, int)
            or not 0 <= offset < 2**62
        ):
            raise InvalidParameterValue(
                f"{token!r} is not a page token; pass on the .token of the page before, or None"
            )
        for name, value in request.items():
            if body.get(name) != _plain(value):
                raise InvalidParameterValue(
                    f"this page token belongs to a search with another {name}: "
                    f"{body.get(name)!r}, not {value!r}. Start again without a page token"
                )
        return cls(offset, **request)

    def after(self, count: int) -> str:
        """The token of the page that follows ``count`` results."""
        text = f'{{"offset": {self.offset + count}}}'
        if self.request:
            import json  # takes as long to load as the search takes

            bound = {name: _plain(value) for name, value in self.request.items()}
            text = json.dumps({**bound, "offset": self.offset + count})
        return b2a_base64(text.encode(), newline=False).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
