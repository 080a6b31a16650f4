"""What may go wrong around a run, and what must hold all the same, seen in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import tracklet

pytestmark = pytest.mark.usefixtures("tracklet_home")


def run_script(script: str, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=400,
    )


def values(run_id: str, key: str) -> list[float]:
    return [point.value for point in tracklet.TrackletClient().get_metric_history(run_id, key)]


def test_records_made_while_the_interpreter_ends_are_kept_or_refused_without_noise() -> None:
    done = run_script(
        """
        import atexit, tracklet
        run = tracklet.start_run()
        print(run.info.run_id, flush=True)

        class Late:
            def __del__(self, log=tracklet.log_metric):
                log("from_del", 2.0, run_id=run.info.run_id)

        atexit.register(lambda: tracklet.log_metric("from_atexit", 1.0))
        late = Late()
        del late
        """
    )
    assert done.returncode == 0
    assert done.stderr == ""
    run_id = done.stdout.split()[0]
    stored = tracklet.get_run(run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics == {"from_atexit": 1.0, "from_del": 2.0}


def test_a_process_ends_at_once_with_no_thread_of_ours_left() -> None:
    done = run_script(
        """
        import threading, tracklet
        with tracklet.start_run():
            tracklet.log_metric("m", 1.0, synchronous=False)
            print([t.name for t in threading.enumerate()])
        """
    )
    assert done.stdout.strip() == "['MainThread']"


def test_a_clock_that_jumps_back_changes_neither_order_nor_count() -> None:
    done = run_script(
        """
        import time, tracklet
        real = time.time_ns
        offsets = iter([0, -10**18, 10**18, -5 * 10**17, 0, 0, 0, 0, 0, 0, 0, 0])
        run = tracklet.start_run()
        from tracklet.fluent import records
        records._time_ns = lambda: real() + next(offsets)
        for step in range(4):
            tracklet.log_metric("m", float(step), step=step)
        print(run.info.run_id)
        """
    )
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.split()[0]
    assert values(run_id, "m") == [0.0, 1.0, 2.0, 3.0]
    assert tracklet.get_run(run_id).data.metrics == {"m": 3.0}


@pytest.mark.parametrize("flags", [["-O"], ["-W", "error"], ["-X", "dev", "-W", "error"], ["-I"]])
def test_it_works_under_the_interpreters_stricter_modes(flags: list[str]) -> None:
    done = run_script(
        """
        import tracklet
        with tracklet.start_run() as run:
            tracklet.log_metric("m", 1.0)
            tracklet.log_params({"a": 1})
        assert len(tracklet.search_runs(output_format="list")) == 1
        print(run.info.run_id)
        """,
        *flags,
    )
    assert done.returncode == 0, done.stderr
    assert values(done.stdout.split()[0], "m") == [1.0]


def test_few_file_descriptors_are_enough_for_many_metrics() -> None:
    done = run_script(
        """
        import resource, tracklet
        with tracklet.start_run() as run:
            tracklet.log_metric("first", 0.0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
            for step in range(3):
                for number in range(60):
                    tracklet.log_metric(f"m{number}", float(step), step=step)
            resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        print(run.info.run_id)
        """
    )
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.split()[0]
    assert len(tracklet.get_run(run_id).data.metrics) == 61
    assert values(run_id, "m59") == [0.0, 1.0, 2.0]


def test_two_processes_record_into_one_run_and_neither_loses_a_point() -> None:
    with tracklet.start_run() as run:
        script = """
            import sys, tracklet
            name = sys.argv[1]
            with tracklet.start_run(run_id=sys.argv[2]):
                for step in range(2000):
                    tracklet.log_metric("shared", step, step=step)
                    tracklet.log_metric(name, step, step=step)
                tracklet.log_param(name, name)
        """
        writers = [
            subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), name, run.info.run_id])
            for name in ("a", "b")
        ]
        assert [writer.wait(timeout=400) for writer in writers] == [0, 0]
    assert len(values(run.info.run_id, "shared")) == 4000
    assert values(run.info.run_id, "a") == values(run.info.run_id, "b") == list(range(2000))
    assert tracklet.get_run(run.info.run_id).data.params == {"a": "a", "b": "b"}


def test_an_artifact_is_whole_or_absent_when_its_writer_is_killed(tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(1 << 20) * 8)
    with tracklet.start_run() as run:
        pass
    script = """
        import sys, tracklet
        client = tracklet.TrackletClient()
        client.log_artifact(sys.argv[1], sys.argv[2], "first")
        print("ready", flush=True)
        for number in range(10_000):
            client.log_artifact(sys.argv[1], sys.argv[2], f"n{number}")
    """
    for attempt in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), run.info.run_id, str(source)],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.01 + 0.013 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    content = source.read_bytes()
    client = tracklet.TrackletClient()
    listed = [
        file
        for folder in client.list_artifacts(run.info.run_id)
        for file in client.list_artifacts(run.info.run_id, folder.path)
    ]
    assert listed
    for file in listed:
        assert file.path.endswith("/big.bin")
        path = client.download_artifacts(run.info.run_id, file.path)
        assert Path(path).read_bytes() == content


def test_the_working_directory_may_vanish_under_a_run(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = run_script(
        f"""
        import os, tracklet
        os.chdir({str(here)!r})
        with tracklet.start_run() as run:
            os.rmdir({str(here)!r})
            tracklet.log_metric("m", 1.0)
            tracklet.log_text("x", "x.txt")
        print(run.info.run_id)
        """
    )
    assert done.returncode == 0, done.stderr
    assert values(done.stdout.split()[0], "m") == [1.0]


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="there, this Python raises SystemError at any missing attribute of a module",
)
def test_import_works_in_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = run_script(
        f"""
        import os
        os.chdir({str(here)!r}); os.rmdir({str(here)!r})
        import tracklet
        with tracklet.start_run():
            tracklet.log_metric("m", 1.0)
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_record_into_the_run_that_they_are_told(
    method: str, tmp_path: Path
) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys, tracklet

            def work(arguments):
                run_id, number = arguments
                for step in range(20):
                    tracklet.log_metric("m", number, step=step, run_id=run_id)

            if __name__ == "__main__":
                with tracklet.start_run() as run:
                    context = multiprocessing.get_context(sys.argv[1])
                    with context.Pool(3) as pool:
                        pool.map(work, [(run.info.run_id, n) for n in range(4)])
                    assert tracklet.get_run(run.info.run_id).info.status == "RUNNING"
                print(run.info.run_id)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script), method], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.split()[0]
    assert sorted(values(run_id, "m")) == sorted([float(n) for n in range(4)] * 20)
    assert tracklet.get_run(run_id).info.status == "FINISHED"
    assert len(tracklet.search_runs(output_format="list")) == 1


def test_sixty_four_writers_and_a_reader_do_not_get_in_each_others_way() -> None:
    script = """
        import sys, threading, tracklet

        def write(number):
            with tracklet.start_run(run_name=f"w{number}"):
                for step in range(100):
                    tracklet.log_metric("m", step, step=step)
                tracklet.log_param("number", number)

        first = 8 * int(sys.argv[1])
        threads = [threading.Thread(target=write, args=(first + n,)) for n in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    tracklet.search_runs(output_format="list")
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(number)])
        for number in range(8)
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        found = tracklet.search_runs(filter_string="metrics.m >= 0", output_format="list")
        assert len(found) >= seen
        seen = len(found)
    assert [writer.returncode for writer in writers] == [0] * 8
    runs = tracklet.search_runs(filter_string="metrics.m = 99", output_format="list")
    assert sorted(int(run.data.params["number"]) for run in runs) == list(range(64))
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(values(run.info.run_id, "m") == list(range(100)) for run in runs)
