"""However a process ends, its run gets the right status and says why."""

from __future__ import annotations

import builtins
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from sys import exit
from typing import Any

import pytest

import tracklet

pytestmark = pytest.mark.usefixtures("tracklet_home")

SCRIPT = """
import os, signal, sys, threading, time, types
import tracklet

helper = types.ModuleType("helper")
exec("from sys import exit\\ndef leave(code): exit(code)\\ndef call(f): return f()", vars(helper))
sys.modules["helper"] = helper

def in_thread(*call):
    thread = threading.Thread(target=call[0], args=call[1:])
    thread.start()
    thread.join()

def own(end, *given):  # a run of the thread's own, the last that is printed
    if {block}:
        with tracklet.start_run() as run:
            print(run.info.run_id, flush=True)
            tracklet.log_metric("loss", 0.5)
            end(*given)
    else:
        print(tracklet.start_run().info.run_id, flush=True)
        tracklet.log_metric("loss", 0.5)
        end(*given)

def train():
    run = tracklet.active_run()
    print(run.info.run_id, flush=True)
    tracklet.log_metric("loss", 0.5)
    {ending}

if {block}:
    with tracklet.start_run():
        train()
else:
    helper.call(tracklet.start_run)
    train()
"""

ENDINGS = {
    "normal": ("pass", 0, "FINISHED", None),
    "exception": ("raise ValueError('x')", 1, "FAILED", "exception: ValueError"),
    "sys.exit(3)": ("sys.exit(3)", 3, "FAILED", "exit code: 3"),
    "sys.exit(0)": ("sys.exit(0)", 0, "FINISHED", None),
    "exit(3)": ("exit(3)", 3, "FAILED", "exit code: 3"),
    "quit('no')": ("quit('no')", 1, "FAILED", "exit code: 1"),
    "from sys import exit": ("helper.leave(4)", 4, "FAILED", "exit code: 4"),
    "exit in a thread": ("in_thread(lambda: sys.exit(3))", 0, "FINISHED", None),
    "run in a thread": ("in_thread(own, sys.exit, 3)", 0, "FAILED", "exit code: 3"),
    "run in a thread, 0": ("in_thread(own, sys.exit, 0)", 0, "FINISHED", None),
    "error in a thread": ("in_thread(own, int, 'x')", 0, "FAILED", "exception: ValueError"),
    "Ctrl-C": (
        "os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
        -signal.SIGINT,
        "KILLED",
        "signal: SIGINT",
    ),
    "SIGTERM": (
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)",
        -signal.SIGTERM,
        "KILLED",
        "lost",
    ),
    "SIGKILL": (
        "os.kill(os.getpid(), signal.SIGKILL); time.sleep(5)",
        -signal.SIGKILL,
        "KILLED",
        "lost",
    ),
    "os._exit": ("os._exit(0)", 0, "KILLED", "lost"),
    "raise SystemExit(0)": ("raise SystemExit(0)", 0, "FINISHED", None),
}
RAISED = {
    "raise SystemExit(3)": ("raise SystemExit(3)", 3, "FAILED", "exit code: 3"),
    "raise SystemExit('no')": ("raise SystemExit('no')", 1, "FAILED", "exit code: 1"),
}
if sys.version_info >= (3, 12):  # before that, the interpreter does not tell
    ENDINGS |= RAISED


@pytest.mark.parametrize("block", [True, False], ids=["with block", "without block"])
@pytest.mark.parametrize("how", ENDINGS)
def test_a_process_that_ends_leaves_the_right_status_and_reason(
    how: str, block: bool, tmp_path: Path
) -> None:
    ending, code, status, reason = ENDINGS[how]
    script = SCRIPT.format(ending=ending, block=block)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    run = tracklet.get_run(done.stdout.split()[-1])
    assert run.info.status == status
    assert run.data.tags.get("tracklet.end_reason") == reason
    assert run.data.metrics == {"loss": 0.5}
    assert run.info.end_time is not None


@pytest.mark.parametrize("exit", ["sys.exit(3)", "raise SystemExit(3)"])
def test_an_exit_that_is_caught_is_no_end(exit: str) -> None:
    ending = f"\n    try:\n        {exit}\n    except SystemExit:\n        pass"
    script = SCRIPT.format(ending=ending, block=False)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tracklet.get_run(done.stdout.split()[0]).info.status == "FINISHED"


def test_a_run_in_progress_in_another_process_stays_running() -> None:
    script = SCRIPT.format(ending="sys.stdin.read()", block=False)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        assert tracklet.get_run(run_id).info.status == "RUNNING"
        found = tracklet.search_runs(filter_string="status = 'RUNNING'", output_format="list")
        assert [run.info.run_id for run in found] == [run_id]
        process.communicate("")
    assert tracklet.get_run(run_id).info.status == "FINISHED"


def _exits() -> tuple[object, ...]:
    monitoring: Any = getattr(sys, "monitoring", None)
    tools = monitoring and [monitoring.get_tool(number) for number in range(6)]
    return sys.exit, type(builtins.exit).__call__, exit, tools


def test_exits_are_the_users_own_again_as_soon_as_no_run_needs_them() -> None:
    before = _exits()
    with tracklet.start_run():
        assert _exits() == before
    tracklet.start_run()
    assert all(now is not then for now, then in zip(_exits()[:3], before[:3], strict=True))
    tracklet.end_run()
    assert _exits() == before


@pytest.mark.parametrize("nested", [False, True])
def test_an_exception_from_before_a_run_says_nothing_of_it(nested: bool) -> None:
    """Interactive consoles and test runners leave the last error that they showed."""
    later = "sys.last_value = ValueError(); print(tracklet.start_run(nested=True).info.run_id)"
    script = SCRIPT.format(ending=later if nested else "pass", block=False)
    script = f"import sys; sys.last_value = KeyError(){script}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    statuses = [tracklet.get_run(run_id).info.status for run_id in done.stdout.split()]
    assert statuses == (["FAILED", "FINISHED"] if nested else ["FINISHED"])


def test_neither_signal_handlers_nor_hooks_of_the_interpreter_are_touched() -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    hooks = sys.excepthook, sys.unraisablehook, sys.gettrace()
    tracklet.start_run()
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
    assert (sys.excepthook, sys.unraisablehook, sys.gettrace()) == hooks
    tracklet.end_run()


def test_a_thousand_points_are_there_after_sigkill(tmp_path: Path) -> None:
    ending = (
        "\n    for step in range(1000):\n        tracklet.log_metric('m', step / 3, step=step)"
        "\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    script = SCRIPT.format(ending=ending, block=True)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    run_id = done.stdout.split()[0]
    points = tracklet.TrackletClient().get_metric_history(run_id, "m")
    assert [(point.step, point.value) for point in points] == [(s, s / 3) for s in range(1000)]
