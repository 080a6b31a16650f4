"""``import tracklet`` against a bare interpreter and ``import mlflow``."""

import sys
import tempfile
from pathlib import Path

from measure import cpu_of_process, mlflow_python, report

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    bare = cpu_of_process([sys.executable, "-c", "pass"], folder, 15)
    ours = cpu_of_process([sys.executable, "-c", "import tracklet"], folder, 15)
    theirs = None
    if python := mlflow_python():
        theirs = cpu_of_process([python, "-c", "import mlflow"], folder, 3)
    report("import", ours, bare, theirs, target="at most 50,000 us over the floor")
