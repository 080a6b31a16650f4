"""Turns autologging on as the interpreter starts: ``tracklet run --autolog`` puts this on its path.

The program itself is autologged, as by a first line of its own, and so are the processes that
multiprocessing spawns for it, which run that line again. Others that it starts are their own
affair, and may be of another interpreter. A ``sitecustomize`` that this one hides runs as well.
"""

import importlib
import os
import sys

_MARK = "TRACKLET_RUN_AUTOLOG"
_SPAWN = "from multiprocessing.spawn "
_FORK_SERVER = "from multiprocessing.forkserver "

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [each for each in sys.path if each != folder]
given = getattr(sys, "orig_argv", ())
is_fork_server = any(each.startswith(_FORK_SERVER) for each in given)
is_program = os.environ.pop(_MARK, None) is not None
if is_program or is_fork_server or any(each.startswith(_SPAWN) for each in given):
    from tracklet.autolog import autolog

    autolog()
if is_fork_server:
    from tracklet.patching.suppression import watch_in_this_process
    from tracklet.state import in_child

    server = os.getpid()

    @in_child
    def _watch_what_it_starts() -> None:
        if os.getppid() == server:
            watch_in_this_process()


this = sys.modules.pop(__name__)
try:
    importlib.import_module(__name__)
except ModuleNotFoundError:
    sys.modules[__name__] = this
