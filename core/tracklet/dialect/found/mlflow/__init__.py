"""``import mlflow``, where tracklet answers it: see :mod:`tracklet.dialect`."""

import importlib.util
import os
import sys

_FOUND = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_TRACKLET = os.path.dirname(os.path.dirname(_FOUND))


def _is_ours() -> bool:
    """Whether this interpreter has the tracklet that this file belongs to.

    One of another environment inherits ``PYTHONPATH`` too, and is to find its own mlflow.
    """
    spec = importlib.util.find_spec("tracklet")
    return bool(spec and spec.origin and os.path.samefile(os.path.dirname(spec.origin), _TRACKLET))


if _is_ours():
    importlib.import_module("tracklet.dialect.modules").answer_as(sys.modules[__name__])
else:
    sys.path[:] = [folder for folder in sys.path if folder != _FOUND]
    del sys.modules[__name__]
    importlib.import_module(__name__)
