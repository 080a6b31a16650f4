"""Turns autologging on as the interpreter starts: ``tracklet run --autolog`` puts this on its path.

The program itself is autologged, as by a first line of its own; the processes that it starts are
its own affair. A ``sitecustomize`` that this one hides runs as well.
"""

import importlib
import os
import sys

from tracklet import dialect
from tracklet.autolog import autolog

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [each for each in sys.path if each != folder]
os.environ["PYTHONPATH"] = dialect.without(folder, os.environ["PYTHONPATH"])
autolog()

this = sys.modules.pop(__name__)
try:
    importlib.import_module(__name__)
except ModuleNotFoundError:
    sys.modules[__name__] = this
