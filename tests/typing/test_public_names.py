"""What a type checker says of a user's script."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyright", reason="pyright is installed in the session `types`")


def test_a_type_checker_sees_the_typing_error(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import tracklet\n\ntracklet.start_run()\ntracklet.autlog()\n")
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(script)],
        capture_output=True,
        text=True,
    )
    assert '"autlog" is not a known attribute' in done.stdout
    assert done.stdout.count("error:") == 1
