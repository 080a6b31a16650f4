"""Errors stay readable however long the filter is."""

from __future__ import annotations

import pytest

from tracklet.errors import InvalidParameterValue
from tracklet.search import RUNS, parse_filter


def test_a_long_filter_is_shown_around_the_offending_token():
    """The caret still stands under the token, in a window of the filter."""
    text = (
        " AND ".join(["params.a = 'x'"] * 40) + " AND\nparams.b ? 'y'" + " AND params.a = 'x'" * 40
    )
    with pytest.raises(InvalidParameterValue) as caught:
        parse_filter(text, RUNS)
    _, shown, caret, _ = caught.value.message.split("\n")
    assert len(shown) < 120
    assert shown[caret.index("^")] == "?"


def test_a_filter_is_text():
    """Anything else is refused with its type."""
    with pytest.raises(InvalidParameterValue, match="dict"):
        parse_filter({"a": 1}, RUNS)  # type: ignore[arg-type]
