"""With SYNC_SECONDS, a run in progress survives a power cut but for its last moments."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tracklet
from tracklet.stores import disk

pytestmark = pytest.mark.usefixtures("tracklet_home")

Contents = dict[str, bytes]


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """What the files that were flushed held at that moment, by their names."""
    found: Contents = {}
    flush = disk.fsync

    def fsync(fd: int) -> None:
        flush(fd)
        path = os.readlink(f"/proc/self/fd/{fd}")
        if os.path.isfile(path):
            found[os.path.basename(path)] = Path(path).read_bytes()

    monkeypatch.setattr(disk, "fsync", fsync)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never happened")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "tracklet-sync"]


def test_without_the_option_nothing_is_flushed_and_there_is_no_thread(on_disk: Contents) -> None:
    before = threading.active_count()
    with tracklet.start_run():
        tracklet.log_metric("loss", 0.5)
        assert threading.active_count() == before
    assert on_disk == {}


@pytest.mark.filterwarnings("ignore:.*multi-threaded")  # of a fork beside our thread
def test_what_was_logged_is_flushed_soon(
    on_disk: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what is logged later, and by a forked child."""
    monkeypatch.setenv("TRACKLET_SYNC_SECONDS", "0.01")
    with tracklet.start_run():
        tracklet.log_metric("loss", 0.5, step=1)
        tracklet.log_param("lr", 0.1)
        wait_until(lambda: on_disk.get("loss", b"").count(b"\n") == 1)
        wait_until(lambda: on_disk.get("lr") == b"0.1")
        tracklet.log_metric("loss", 0.25, step=2)
        wait_until(lambda: on_disk["loss"].count(b"\n") == 2)
        child = os.fork()
        if child == 0:
            tracklet.log_metric("loss", 0.125, step=3)
            os._exit(len(threads()))
        assert os.waitpid(child, 0)[1] == 0
        wait_until(lambda: on_disk["loss"].count(b"\n") == 3)


def test_the_end_is_flushed_before_end_run_returns_and_no_thread_is_left(
    on_disk: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is until the next regular flush."""
    monkeypatch.setenv("TRACKLET_SYNC_SECONDS", "3600")
    with tracklet.start_run():
        tracklet.log_metric("loss", 0.5)
        assert threads() == ["tracklet-sync"]
    assert threads() == []
    assert b"status: 3\n" in on_disk["meta.yaml"]
    assert on_disk["loss"].count(b"\n") == 1


def test_a_disk_that_refuses_is_said_once_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def fsync(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk, "fsync", fsync)
    monkeypatch.setenv("TRACKLET_SYNC_SECONDS", "0.01")
    with caplog.at_level(logging.WARNING), tracklet.start_run() as run:
        tracklet.log_metric("loss", 0.5)
        wait_until(lambda: len(calls) > 3)
        assert len(caplog.records) == 1
    assert tracklet.get_run(run.info.run_id).info.status == "FINISHED"
    assert threads() == []


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "inf"])
def test_what_is_no_number_of_seconds_is_said_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: str
) -> None:
    monkeypatch.setenv("TRACKLET_SYNC_SECONDS", seconds)
    with caplog.at_level(logging.WARNING), tracklet.start_run() as run:
        assert threads() == []
    assert f"got '{seconds}'" in caplog.text
    assert tracklet.get_run(run.info.run_id).info.status == "FINISHED"
