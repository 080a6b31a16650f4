"""Page tokens say where the next page starts and to which search they belong."""

from __future__ import annotations

import base64
import json

import pytest

from tracklet.errors import InvalidParameterValue
from tracklet.search import Page


def test_a_token_is_base64_of_json_with_the_offset():
    """It is MLflow's form of a token."""
    token = Page(10).after(5)
    assert json.loads(base64.b64decode(token)) == {"offset": 15}
    assert Page.decode(token).offset == 15
    assert Page.decode(None).offset == 0
    assert Page.decode("").offset == 0


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"1", b'{"offset": "1"}', b'{"offset": -1}', b'{"offset": true}', b"x"]
)
def test_a_broken_token_is_refused(body):
    """What is not a token of ours is no valid parameter."""
    with pytest.raises(InvalidParameterValue):
        Page.decode(base64.b64encode(body).decode())
    with pytest.raises(InvalidParameterValue):
        Page.decode("%%%")


def test_a_token_can_be_bound_to_its_request():
    """The token of one search does not page through another."""
    request = {"experiment_ids": ["1"], "filter_string": None, "order_by": None}
    token = Page.decode(None, **request).after(3)
    assert Page.decode(token, **request).offset == 3
    with pytest.raises(InvalidParameterValue, match="experiment_ids"):
        Page.decode(token, **{**request, "experiment_ids": ["2"]})
