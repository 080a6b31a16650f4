"""Run every benchmark: ``python benchmarks``. Each prints JSON lines.

Set ``TRACKLET_MLFLOW_PYTHON`` to the interpreter of an environment with MLflow and scikit-learn
to have it measured in the same run.
"""

import subprocess
import sys
from pathlib import Path

folder = Path(__file__).parent
failed = [
    path.name
    for path in sorted(folder.glob("bench_*.py"))
    if subprocess.run([sys.executable, str(path)], cwd=folder, check=False).returncode
]
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
