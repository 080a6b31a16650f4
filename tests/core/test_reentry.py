"""A signal handler or a finalizer may record in between any two steps of a call of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import tracklet

HOME = Path(tracklet.__file__).parent


@pytest.fixture(autouse=True)
def _no_wait_for_ever() -> Iterator[None]:
    """What waits for itself is interrupted, long after any slow machine is done."""

    def stop(*_: object) -> None:
        raise TimeoutError("a call of ours waits for the one that it interrupted")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def interrupted(
    call: Callable[[], object], handler: Callable[[], object], package: str, only: int | None = None
) -> int:
    """Make a call, and call the handler at the lines of a package that it comes to.

    Args:
        call: The call.
        handler: What comes in between.
        package: Below ours.
        only: The line at which it comes, by its number; by default it comes at each.

    Returns:
        How many lines there were.
    """
    seen: set[tuple[Any, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(str(HOME / package)):
            return None
        place = frame.f_code, frame.f_lineno
        if event == "line" and place not in seen:
            if only in (None, len(seen)):
                handler()
            seen.add(place)
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return len(seen)


def _a_nested_run(number: int) -> None:
    with tracklet.start_run(nested=True, run_name=f"n{number}"):
        tracklet.log_metric("inside", 1.0)


VERBS: dict[str, Callable[[int], object]] = {
    "a new metric": lambda number: tracklet.log_metric(f"m{number}", 1.0),
    "metrics": lambda number: tracklet.log_metrics({f"a{number}": 1.0, "same": 2.0}, step=number),
    "params": lambda number: tracklet.log_params({f"p{number}": number}),
    "a tag": lambda number: tracklet.set_tag(f"t{number}", number),
    "a name": lambda number: tracklet.set_tag("mlflow.runName", f"name{number}"),
    "a flush": lambda _: tracklet.flush_async_logging(),
    "a nested run": _a_nested_run,
    "an experiment": lambda number: tracklet.create_experiment(f"e{number}"),
    "a logged model": lambda number: tracklet.initialize_logged_model(name=f"l{number}"),
    "a version": lambda _: tracklet.TrackletClient().create_model_version("model", "somewhere"),
    "another store": lambda number: tracklet.TrackletClient(f"s{number}").create_experiment("e"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_may_be_interrupted_anywhere_by_another_of_its_kind(
    verb: str, tracklet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither waits for the other, and both are on the record."""
    monkeypatch.chdir(tracklet_home)
    tracklet.TrackletClient().create_registered_model("model")
    numbers = count()
    with tracklet.start_run() as run:
        VERBS[verb](next(numbers))
        package = "fluent" if verb == "a nested run" else "stores"
        times = interrupted(
            lambda: VERBS[verb](next(numbers)), lambda: VERBS[verb](next(numbers)), package
        )
    assert times > 3
    made = set(range(2 + times))
    data = tracklet.get_run(run.info.run_id).data
    client = tracklet.TrackletClient()
    found: dict[str, Callable[[], object]] = {
        "a new metric": lambda: {int(key[1:]) for key in data.metrics},
        "metrics": lambda: {int(key[1:]) for key in data.metrics if key != "same"},
        "params": lambda: {int(value) for value in data.params.values()},
        "a tag": lambda: {int(key[1:]) for key in data.tags if not key.startswith("mlflow.")},
        "a version": lambda: {
            int(version.version) - 1
            for version in client.search_model_versions("name = 'model'", max_results=1000)
        },
    }
    if verb in found:
        assert found[verb]() == made
    if verb == "metrics":
        points = client.get_metric_history(run.info.run_id, "same")
        assert {point.step for point in points} == made


def test_what_a_handler_writes_into_a_document_is_not_written_over(tracklet_home: Path) -> None:
    """A run is renamed, and at some step of that it is ended: it is renamed and ended."""
    client = tracklet.TrackletClient()

    def renamed_and_ended(at: int) -> int:
        run_id = client.create_run("0").info.run_id
        lines = interrupted(
            lambda: client.update_run(run_id, name="renamed"),
            lambda: client.set_terminated(run_id, "KILLED"),
            "stores/files/contents.py",
            only=at,
        )
        info = client.get_run(run_id).info
        assert at == lines or (info.run_name, info.status) == ("renamed", "KILLED")
        return lines

    lines = renamed_and_ended(0)
    assert lines > 10
    for at in range(1, lines):
        renamed_and_ended(at)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_an_interrupt_while_a_fork_waits_for_a_search_reaches_parent_and_child() -> None:
    """Python drops what is raised in functions that are called at a fork."""
    code = """
    import os, signal, threading, time
    from tracklet.state import gates

    gate, main = gates.add(), threading.get_ident()
    held, over = threading.Event(), threading.Event()

    def search():
        with gate:
            held.set()
            while not gates._held.get(main):
                pass
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(60)

    def forked():
        try:
            os.fork()
            until = time.monotonic() + 60
            while time.monotonic() < until:
                pass
        except KeyboardInterrupt:
            return "interrupted"

    threading.Thread(target=search, daemon=True).start()
    held.wait()
    parent = os.getpid()
    answer = forked()
    over.set()
    if os.getpid() != parent:
        os._exit(0 if answer else 2)
    assert os.wait()[1] == 0, "the child"
    print(answer)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "interrupted\n"
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("package", ["fluent", "stores", "reading", "models"])
@pytest.mark.parametrize("waits", [True, False], ids=["soon over", "not over"])
def test_a_child_forked_while_another_thread_imports_our_modules_imports_them_too(
    package: str, waits: bool, tmp_path: Path
) -> None:
    """The thread has the lock of each module that it has begun, and is not there in the child."""
    code = f"""
    import faulthandler, os, sys, threading
    import tracklet
    from tracklet import state
    from tracklet.state import gates

    if not {waits}:
        state._MORE_PATIENCE = 0.0
    main, begun, over = threading.get_ident(), threading.Event(), threading.Event()

    def trace(frame, event, _):
        home = os.path.join("tracklet", "{package}", "")
        if frame.f_code.co_name == "<module>" and home in frame.f_code.co_filename:
            sys.settrace(None)
            begun.set()
            while {waits} and not gates._held.get(main) and not over.is_set():
                pass
            {waits} or over.wait(60)

    def use():
        with tracklet.start_run() as run:
            tracklet.log_metric("m", 1.0)
            if "{package}" == "models":
                tracklet.models.infer_signature({{"a": 1.0}})
        assert len(tracklet.search_runs(filter_string="metrics.m = 1", output_format="list")) > 0

    def using():
        sys.settrace(trace)
        try:
            use()
        except Exception as error:
            print("in the thread", error)

    gate = gates.add()
    thread = threading.Thread(target=using)
    thread.start()
    begun.wait(60)
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(20, exit=True)
        use()
        os._exit(7)
    over.set()
    thread.join()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = forking(code, tmp_path)
    assert done.stdout == "7\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_opens_a_lock_has_no_copy_of_it(tmp_path: Path) -> None:
    """A lock is held until every copy of its descriptor is closed: the child would wait for its."""
    code = """
    import faulthandler, os, threading
    from tracklet.state import gates
    from tracklet.stores import disk

    main, begun, over = threading.get_ident(), threading.Event(), threading.Event()
    gate, open_file = gates.add(), disk.open_file

    def slowly(path, *given):
        opened = open_file(path, *given)
        begun.set()
        while not gates._held.get(main) and not over.is_set():
            pass
        return opened

    def hold():
        with disk.locked("lock"):
            over.wait(60)

    disk.open_file = slowly
    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(60)
    child = os.fork()
    disk.open_file = open_file
    if not child:
        faulthandler.dump_traceback_later(60, exit=True)
        with disk.locked("lock"):
            os._exit(7)
    over.set()
    thread.join()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = forking(code, tmp_path)
    assert done.stdout == "7\n", done.stderr


def forking(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that forks while it has threads, of which Python 3.12 and later warn."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=cwd,
    )
