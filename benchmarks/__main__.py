"""Run benchmarks: ``python benchmarks [--before PYTHON] [NAME...]``. Each prints JSON lines.

Set ``TRACKLET_MLFLOW_PYTHON`` to the interpreter of an environment with MLflow and scikit-learn
to have it measured in the same run.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

folder = Path(__file__).parent
paths = {path.stem.removeprefix("bench_"): path for path in sorted(folder.glob("bench_*.py"))}
parser = argparse.ArgumentParser("benchmarks", description=__doc__.splitlines()[0])
parser.add_argument("names", nargs="*", metavar="NAME", help=f"all of {', '.join(paths)}")
parser.add_argument(
    "--before",
    metavar="PYTHON",
    default=os.environ.get("TRACKLET_BEFORE_PYTHON"),
    help="the interpreter of an environment with an earlier version, to be measured in turns",
)
given = parser.parse_args()
if unknown := set(given.names) - set(paths):
    parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
environment = {**os.environ, **({"TRACKLET_BEFORE_PYTHON": given.before} if given.before else {})}
failed = [
    name
    for name in given.names or paths
    if subprocess.run(
        [sys.executable, str(paths[name])], cwd=folder, env=environment, check=False
    ).returncode
]
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
