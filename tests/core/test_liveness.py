"""Which process carries a run can be told from its lease."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from tracklet.liveness import Lease, is_alive


def test_the_calling_process_is_alive():
    """A lease on oneself says so."""
    assert is_alive(Lease.mine()) is True


def test_a_lease_survives_its_text_form():
    """What is written is what is read."""
    assert Lease.from_json(Lease.mine().to_json()) == Lease.mine()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"pid": "x"}', "null"])
def test_a_torn_lease_is_none(text):
    """A text that is no lease is told apart, not an error."""
    assert Lease.from_json(text) is None


def test_a_killed_process_is_dead():
    """Also before its parent has waited for it."""
    code = "from tracklet.liveness import Lease; print(Lease.mine().to_json(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        lease = Lease.from_json(child.stdout.readline())
        assert lease is not None
        assert lease.pid == child.pid
        assert is_alive(lease) is True
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(lease) is False
    assert is_alive(lease) is False


def test_a_reused_pid_is_another_process():
    """The same pid that started at another time is not the one of the lease."""
    mine = Lease.mine()
    if not mine.start_ticks:
        pytest.skip("this system does not tell when a process started")
    assert is_alive(dataclasses.replace(mine, start_ticks=mine.start_ticks - 1)) is False


def test_another_pid_namespace_cannot_be_judged():
    """A pid means another process there."""
    assert is_alive(dataclasses.replace(Lease.mine(), pid_namespace="pid:[1]")) is None


def test_another_host_cannot_be_judged():
    """Nothing is known of a process elsewhere."""
    other = dataclasses.replace(Lease.mine(), host="elsewhere", boot_id="other", machine_id="m")
    assert is_alive(other) is None


def test_a_host_name_alone_does_not_prove_a_reboot():
    """Machines cloned from one image may share a name, not a machine id."""
    other = dataclasses.replace(Lease.mine(), boot_id="other", machine_id="another")
    assert is_alive(other) is None


def test_a_reboot_ends_every_process(monkeypatch):
    """The same machine under another boot id."""
    import tracklet.liveness as liveness

    monkeypatch.setattr(liveness, "_boot", lambda: ("node7", "machine", "boot-2"))
    mine = Lease.mine()
    assert is_alive(dataclasses.replace(mine, boot_id="boot-1")) is False


def test_without_proc_the_pid_decides(monkeypatch):
    """As on macOS: a pid that answers is taken for alive, one that does not is dead."""
    import tracklet.liveness as liveness

    monkeypatch.setattr(liveness, "_stat", lambda pid: None)
    monkeypatch.setattr(liveness, "_boot", lambda: ("mac", "", ""))
    mine = Lease.mine()
    assert mine.start_ticks == 0
    assert is_alive(mine) is True
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert is_alive(dataclasses.replace(mine, pid=child.pid)) is False
    assert is_alive(dataclasses.replace(mine, host="other mac")) is None
