"""Searches that go on, page by page, until they have everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tracklet.entities import PagedList
from tracklet.errors import InvalidArgument, brief

T = TypeVar("T")


def all_of(
    page_of: Callable[[int, str | None], PagedList[T]],
    page_size: int,
    max_results: int | None = None,
) -> Iterator[T]:
    """What a search finds; the next page is asked for when it is needed.

    Args:
        page_of: Asks for a page, given how long it may be, and the token of the page before.
        page_size: How long pages may be.
        max_results: How much is wanted, which may be nothing; all of it by default.
    """
    if max_results is not None and type(max_results) is not int:
        raise InvalidArgument(f"max_results is a whole number; got {brief(max_results)}")
    left, token = max_results, None
    while left is None or left > 0:
        page = page_of(page_size if left is None else min(page_size, left), token)
        yield from page
        token = page.token
        if token is None:
            return
        left = None if left is None else left - len(page)
