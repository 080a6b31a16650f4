"""``estimator.html``: the estimator as notebooks show it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

FILE: Final = "estimator.html"

_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="UTF-8"/>\n</head>\n'
    "<body>\n{body}\n</body>\n</html>\n"
)


def page_maker(estimator: Any, pure: bool) -> Callable[[], str]:
    """A function that makes the page, later and in another thread.

    Args:
        estimator: The fitted estimator.
        pure: Whether it consists of scikit-learn's own classes. Otherwise the page is made now,
            because the representation runs the user's code, which expects to be in its thread.
    """
    if not pure:
        page = _page(estimator)
        return lambda: page
    # The user may go on to change it; a shallow copy keeps what it shows as it is now.
    snapshot = copy.copy(estimator)
    return lambda: _page(snapshot)


def _page(estimator: Any) -> str:
    from sklearn.utils import estimator_html_repr

    return _PAGE.format(body=estimator_html_repr(estimator))
