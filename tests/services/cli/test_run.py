"""`tracklet run`: a program runs as under python, and its `import mlflow` is tracklet."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tracklet
from tracklet import dialect

TELL = """\
import importlib.metadata, json, sys
import mlflow
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "first": sys.path[0],
    "package": __package__, "modules": "click" in sys.modules,
    "whose": mlflow.log_metric.__module__,
    "version": importlib.metadata.version("mlflow"), "spec": __spec__ and __spec__.name,
}))
"""


@pytest.fixture
def run(tracklet_home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tracklet", "run", *arguments]
        return subprocess.run(command, cwd=tracklet_home, capture_output=True, text=True)

    return run


def as_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same under python, which finds mlflow where tracklet has it found."""
    environment = {**os.environ, "PYTHONPATH": dialect.FOUND}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("how", [("tell.py", "a", "-m", "--json"), ("-m", "tell", "--help", "-b")])
def test_a_program_sees_what_it_sees_under_python(
    tracklet_home: Path, run: Callable[..., subprocess.CompletedProcess[str]], how: tuple[str, ...]
) -> None:
    (tracklet_home / "tell.py").write_text(TELL)
    done = run(*how)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(as_python(tracklet_home, *how).stdout)
    assert told["name"] == "__main__"
    assert told["whose"] == tracklet.log_metric.__module__


@pytest.mark.parametrize(
    "code", ["1 / 0", "raise SystemExit(3)", "import sys; sys.exit('no')", "def broken(:"]
)
def test_it_ends_as_under_python(
    tracklet_home: Path, run: Callable[..., subprocess.CompletedProcess[str]], code: str
) -> None:
    (tracklet_home / "ends.py").write_text(code)
    done, bare = run("ends.py"), as_python(tracklet_home, "ends.py")
    assert (done.returncode, done.stderr) == (bare.returncode, bare.stderr)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_ends_the_program_itself(
    tracklet_home: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tracklet_home / "ends.py").write_text("import os; os.kill(os.getpid(), 15)")
    assert run("ends.py").returncode == -signal.SIGTERM


@pytest.mark.parametrize("switch", ["--autolog", "--no-autolog"])
def test_autologging_is_on_if_asked(
    tracklet_home: Path, run: Callable[..., subprocess.CompletedProcess[str]], switch: str
) -> None:
    pytest.importorskip("sklearn")
    (tracklet_home / "sitecustomize.py").write_text("import builtins; builtins.theirs = 1")
    (tracklet_home / "trains.py").write_text(
        "import subprocess, sys, sitecustomize\n"
        "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])\n"
        "print(getattr(__builtins__, 'theirs', None), flush=True)\n"
        "subprocess.run([sys.executable, 'fits.py'], check=True)\n"
    )
    (tracklet_home / "fits.py").write_text(
        "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])\n"
        "print(getattr(__builtins__, 'theirs', None))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tracklet_home)}
    done = subprocess.run(
        [sys.executable, "-m", "tracklet", "run", switch, "trains.py"],
        cwd=tracklet_home,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # The user's own start of the interpreter still runs, and child processes are left alone.
    assert done.stdout.split() == ["1", "1"]
    tracklet.set_tracking_uri(tracklet_home / "mlruns")
    assert len(tracklet.search_runs()) == (switch == "--autolog")


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_what_multiprocessing_spawns_is_autologged_as_by_a_first_line(
    tracklet_home: Path, run: Callable[..., subprocess.CompletedProcess[str]], how: str
) -> None:
    pytest.importorskip("sklearn")
    (tracklet_home / "trains.py").write_text(
        "import multiprocessing\n"
        "def train():\n"
        "    from sklearn.linear_model import LinearRegression\n"
        "    LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])\n"
        "if __name__ == '__main__':\n"
        f"    child = multiprocessing.get_context({how!r}).Process(target=train)\n"
        "    child.start()\n"
        "    child.join()\n"
        "    raise SystemExit(child.exitcode)\n"
    )
    done = run("--autolog", "trains.py")
    assert done.returncode == 0, done.stderr
    tracklet.set_tracking_uri(tracklet_home / "mlruns")
    [found] = tracklet.search_runs(output_format="list")
    assert found.info.status == "FINISHED"
