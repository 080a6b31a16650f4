"""What trainings record for a server arrives there: all of it, once, whatever happens between."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from proxy import answer

import tracklet
from tracklet import TrackletClient, state
from tracklet.errors import InvalidParameterValue, StorageError, TrackletException
from tracklet.stores import open_store
from tracklet.stores.files import FileStore
from tracklet.stores.rest import shipper, spooled
from tracklet.stores.rest.shipper import Shipper
from tracklet.stores.rest.store import RestStore
from tracklet.wire import Unreachable
from tracklet_services.cli.app import app

FAULTS: dict[str, str | bytes] = {
    "refuse": "refuse",
    "hang": "hang",
    "reset": "reset",
    "slow": "slow",
    "swallow": "swallow",
    "503": answer("503 Busy", Retry_After="1"),
    "429": answer("429 Slow down", Retry_After="1"),
    "html": answer("200 OK", b"<html>Log in</html>", Content_Type="text/html"),
}


def train(points: int = 1200) -> str:
    """Record a bit of everything; the run's id here."""
    with tracklet.start_run(run_name="trained", tags={"team": "ü"}) as run:
        tracklet.log_params({f"p{number}": number for number in range(120)})
        for step in range(points):
            tracklet.log_metric("loss", 1 / (step + 1), step=step, timestamp=1000 + step)
        tracklet.log_metric("odd/nan", math.nan, step=1, timestamp=5)
        tracklet.log_metric("odd/nan", math.inf, step=2, timestamp=6)
        tracklet.log_text("content", "notes/ä b.txt")
        model = tracklet.initialize_logged_model(
            "m", params={"depth": "3"}, source_run_id=run.info.run_id
        )
        tracklet.finalize_logged_model(model.model_id, "READY")
        tracklet.log_outputs([tracklet.entities.LoggedModelOutput(model.model_id, 0)])
        tracklet.log_metric("score", 0.5, model_id=model.model_id, timestamp=7)
    return run.info.run_id


def sync(uri: str) -> dict[str, Any]:
    """What ``tracklet sync`` reports."""
    done = CliRunner().invoke(app, ["sync", "--json", "--keep", "--tracking-uri", uri])
    (report,) = json.loads(done.stdout)
    assert done.exit_code == (1 if report["left"] or report["problem"] else 0), done.output
    return report


def check_once(kept: FileStore, run_id: str, points: int = 1200) -> None:
    """The server has the run: all of it, once."""
    (run,) = kept.search_runs([e.experiment_id for e in kept.search_experiments()])
    assert run.info.run_id == run.data.tags["tracklet.run_id"] == run_id
    assert (run.info.run_name, run.info.status, run.data.tags["team"]) == (
        "trained",
        "FINISHED",
        "ü",
    )
    assert run.data.params == {f"p{number}": str(number) for number in range(120)}
    history = kept.get_metric_history(run.info.run_id, "loss")
    wanted = Counter((1 / (step + 1), step, 1000 + step) for step in range(points))
    assert Counter((p.value, p.step, p.timestamp) for p in history) == wanted
    odd = kept.get_metric_history(run.info.run_id, "odd/nan")
    assert [repr(point.value) for point in odd] == ["nan", "inf"]
    assert len(kept.get_metric_history(run.info.run_id, "score")) == 1
    client = TrackletClient(kept.root)
    path = client.download_artifacts(run.info.run_id, "notes/ä b.txt")
    assert Path(path).read_text() == "content"
    (model,) = kept.search_logged_models([run.info.experiment_id])
    assert (model.name, model.status, model.params) == ("m", "READY", {"depth": "3"})
    with kept.backend.reading() as at:
        entry: Any = at.find("logged model", model.model_id)
        assert [point.value for point in at.history(entry)] == [0.5]
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_no_record_and_doubles_none(
    fault: str, proxy: Any, kept: FileStore, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.mode = FAULTS[fault]
    monkeypatch.setenv("TRACKLET_HTTP_REQUEST_TIMEOUT", "0.3")
    tracklet.set_tracking_uri(proxy.uri)
    run_id = train()
    store: Any = open_store(proxy.uri)
    hasty = Shipper(store.spool, RestStore(proxy.uri))
    for _ in range(2):
        with pytest.raises(TrackletException):
            hasty.deliver()
    (shown,) = store.search_runs(["0"])
    assert shown.info.run_id == run_id
    monkeypatch.delenv("TRACKLET_HTTP_REQUEST_TIMEOUT")
    proxy.mode = "pass"
    report = sync(proxy.uri)
    assert (report["left"], report["problem"], report["refused"]) == ([], None, [])
    check_once(kept, run_id)
    again = sync(proxy.uri)
    assert again["sent"] == {}
    check_once(kept, run_id)


@pytest.mark.parametrize("number", [*range(0, 30, 3), b'"score"'])
def test_an_answer_that_is_lost_doubles_nothing(
    number: int | bytes, proxy: Any, kept: FileStore, spool: Path
) -> None:
    """Whichever request it answers: it was carried out, and the client does not know."""
    proxy.swallowed = number
    tracklet.set_tracking_uri(proxy.uri)
    run_id = train()
    store: Any = open_store(proxy.uri)
    for _ in range(3):
        with suppress(TrackletException):
            Shipper(store.spool, RestStore(proxy.uri, limit=2)).deliver()
    assert sync(proxy.uri)["left"] == []
    check_once(kept, run_id)


def test_a_run_that_was_sent_keeps_its_id(proxy: Any, kept: FileStore, spool: Path) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    run_id = train(3)
    done = CliRunner().invoke(app, ["sync", "--tracking-uri", proxy.uri])
    assert done.exit_code == 0, done.output
    assert not open_store(proxy.uri).spool.has("run", run_id)  # type: ignore[attr-defined]
    client = TrackletClient(proxy.uri)
    assert client.get_run(run_id).info == client.search_runs(["0"])[0].info
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == [0, 1, 2]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_that_gives_ids_of_its_own_finds_a_run_by_both(
    is_known: bool, proxy: Any, kept: FileStore, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow's do; also on a machine that has not sent the run."""
    create = FileStore.create_run
    monkeypatch.setattr(
        FileStore, "create_run", lambda *given, run_id=None, **more: create(*given, **more)
    )
    tracklet.set_tracking_uri(proxy.uri)
    run_id = train(3)
    assert CliRunner().invoke(app, ["sync", "--tracking-uri", proxy.uri]).exit_code == 0
    (there,) = kept.search_runs(["0"])
    assert there.info.run_id != run_id
    if not is_known:
        (ids,) = spool.glob("*/.tracklet.ids")
        ids.unlink()
    client = TrackletClient(proxy.uri)
    for each in (run_id, there.info.run_id):
        assert client.get_run(each).info.run_id == there.info.run_id
        assert [point.step for point in client.get_metric_history(each, "loss")] == [0, 1, 2]


@pytest.mark.parametrize("keeps_ids", [True, False])
def test_runs_below_one_another_arrive_as_such(
    keeps_ids: bool, proxy: Any, kept: FileStore, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the outermost goes on, too; whichever folder is looked at first."""
    if not keeps_ids:
        create = FileStore.create_run
        monkeypatch.setattr(
            FileStore, "create_run", lambda *given, run_id=None, **more: create(*given, **more)
        )
    tracklet.set_tracking_uri(proxy.uri)
    store: Any = open_store(proxy.uri)
    server = RestStore(proxy.uri)
    with tracklet.start_run(run_name="outer"):
        for number in range(4):
            with tracklet.start_run(run_name=f"inner {number}", nested=True):
                tracklet.log_metric("loss", 1.0)
        for _ in range(2):
            Shipper(store.spool, server).deliver()
        assert len(kept.search_runs(["0"])) == 5
    server.close()
    assert sync(proxy.uri)["left"] == []
    runs = {run.info.run_name: run for run in kept.search_runs(["0"])}
    outer = runs.pop("outer").info.run_id
    assert len(runs) == 4
    for run in runs.values():
        assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})
        assert run.data.tags["mlflow.parentRunId"] == outer


def test_a_run_of_the_servers_goes_on_through_the_spool(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    client = TrackletClient(proxy.uri)
    run_id = client.create_run("0", run_name="begun elsewhere").info.run_id
    client.log_metric(run_id, "loss", 1.0, step=0, timestamp=1)
    client.log_text(run_id, "printed before\n", "tracklet/output.log")
    for step in (1, 2):
        with tracklet.start_run(run_id=run_id):
            proxy.mode = "refuse"
            tracklet.log_metric("loss", 0.5 / step, step=step, timestamp=1 + step)
            tracklet.log_text(str(step), f"notes/{step}.txt")
            print("printed then", step)  # noqa: T201
        proxy.mode = "pass"
    for _ in range(2):
        assert sync(proxy.uri)["left"] == []
    behind = TrackletClient(kept.root)
    output = behind.download_artifacts(run_id, "tracklet/output.log")
    assert Path(output).read_text() == "printed before\nprinted then 1\nprinted then 2\n"
    assert [each.path for each in client.list_artifacts(run_id, "notes")] == [
        "notes/1.txt",
        "notes/2.txt",
    ]
    (run,) = kept.search_runs(["0"])
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert [p.value for p in kept.get_metric_history(run_id, "loss")] == [1.0, 0.5, 0.25]


def test_a_run_that_is_known_to_the_server_alone_does_not_go_on_without_it(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    """It says so soon, takes nothing on, and other runs start."""
    tracklet.set_tracking_uri(proxy.uri)
    run_id = TrackletClient(proxy.uri).create_run("0").info.run_id
    before = kept.get_run(run_id)
    proxy.close()
    with pytest.raises(Unreachable, match=r"(?s)goes on only where.*Start a new run"):
        tracklet.start_run(run_id=run_id)
    assert tracklet.active_run() is None
    with tracklet.start_run() as run:
        tracklet.log_metric("loss", 0.5)
    proxy.listen()
    assert sync(proxy.uri)["left"] == []
    assert kept.get_run(run_id) == before
    assert kept.get_run(run.info.run_id).data.metrics == {"loss": 0.5}


def test_a_resumed_training_needs_no_server(
    proxy: Any, kept: FileStore, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with the run of this machine, also a sent one, or else with a new one."""
    script = tmp_path / "train.py"
    script.touch()
    monkeypatch.setattr("sys.argv", [str(script)])
    tracklet.set_tracking_uri(proxy.uri)
    with suppress(KeyError), tracklet.start_run(resume="auto") as first:
        tracklet.log_metric("loss", 0.5, step=0)
        raise KeyError
    assert sync(proxy.uri)["left"] == []
    proxy.close()
    started: list[str] = []
    for arguments in ([], ["--depth=3"]):
        state.reset()
        tracklet.set_tracking_uri(proxy.uri)
        monkeypatch.setattr("sys.argv", [str(script), *arguments])
        with tracklet.start_run(resume="auto") as run:
            tracklet.log_metric("loss", 0.25, step=1)
        started.append(run.info.run_id)
    assert started[0] == first.info.run_id != started[1]
    proxy.listen()
    assert sync(proxy.uri)["left"] == []
    assert [len(kept.get_metric_history(each, "loss")) for each in started] == [2, 1]


def test_processes_that_go_on_with_one_run_at_once_all_record_into_it(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    """Each asked whether it is here before another one had put it here."""
    tracklet.set_tracking_uri(proxy.uri)
    client = TrackletClient(proxy.uri)
    run = client.create_run("0")
    model = tracklet.initialize_logged_model("m").model_id
    client.log_param(run.info.run_id, "p", 1)
    one, another = (spooled.SpooledStore(proxy.uri) for _ in range(2))
    one._place_for_runs("0")
    for number, store in enumerate((one, another)):
        found = RestStore.get_run(store, run.info.run_id)
        store.spool.adopt(found, run.info.run_id)
        writer = store.open_run(run.info.run_id)
        writer.log_metric("loss", float(number), 1, number)
        store.log_batch(
            run.info.run_id, [tracklet.entities.Metric("score", 1.0, 1, number, model_id=model)]
        )
        writer.close()
        store.close()
    client.set_terminated(run.info.run_id)
    assert sync(proxy.uri)["left"] == []
    history = kept.get_metric_history(run.info.run_id, "loss")
    assert [point.value for point in history] == [0.0, 1.0]
    assert len(kept.get_metric_history(run.info.run_id, "score")) == 2


def test_an_experiment_that_the_server_could_not_make_is_made_later(
    proxy: Any, kept: FileStore, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.mode = "refuse"
    tracklet.set_tracking_uri(proxy.uri)
    tracklet.set_experiment("away")
    assert "kept here for now" in caplog.text
    with tracklet.start_run():
        tracklet.log_metric("loss", 1)
    proxy.mode = "pass"
    assert sync(proxy.uri)["left"] == []
    made = kept.get_experiment_by_name("away")
    assert made is not None
    assert len(kept.search_runs([made.experiment_id])) == 1


def test_what_the_server_refuses_is_said_and_the_rest_arrives(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    with tracklet.start_run() as run:
        tracklet.log_params({"a": 1, "b": 2, "c": 3})
    store: Any = open_store(proxy.uri)
    server = RestStore(proxy.uri)
    made = server.create_run("0", tags={"tracklet.run_id": run.info.run_id})
    server.log_batch(made.info.run_id, params={"b": "other"})
    from tracklet.stores.rest.spool import Cursor

    cursor = Cursor(next(store.spool.run_dirs()))
    cursor.kept["creating"] = True
    cursor.save()
    report = sync(proxy.uri)
    (refused,) = report["refused"]
    assert "'b'" in refused
    assert kept.get_run(made.info.run_id).data.params == {"a": "1", "b": "other", "c": "3"}


def refusal(message: str) -> bytes:
    body = json.dumps({"error_code": "PERMISSION_DENIED", "message": message}).encode()
    return answer("403 Forbidden", body)


def test_what_fails_for_one_run_or_trace_stops_no_other(
    proxy: Any, kept: FileStore, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    proxy.answers = {
        b"unwanted": refusal("no such runs"),
        b"/unwelcome.txt": refusal("no such files"),
        b"/too-large.txt": answer("413 Too Large", b"<html>"),
        b"no such span": refusal("no such traces"),
    }
    digest = shipper._digest

    def vanished(file: Path) -> str:
        if file.name == "vanished.txt":
            raise FileNotFoundError(file)
        return digest(file)

    monkeypatch.setattr(shipper, "_digest", vanished)
    ids = []
    for name in ("unwanted", "unwelcome.txt", "too-large.txt", "vanished.txt", "fine.txt"):
        with tracklet.start_run(run_name=name) as run:
            tracklet.log_text("content", name)
            tracklet.log_text("content", "zebra.txt")
        ids.append(run.info.run_id)
    for name in ("no such span", "span"):
        with tracklet.start_span(name):
            pass
    tracklet.flush_trace_async_logging()
    report = sync(proxy.uri)
    assert set(report["left"]) == {ids[0], ids[1], ids[3]}
    for said in ("no such runs", "no such files", "vanished.txt", "no such traces"):
        assert said in report["problem"]
    (refused,) = report["refused"]
    assert "too-large.txt" in refused
    assert {run.info.run_name: run.info.status for run in kept.search_runs(["0"])} == dict.fromkeys(
        ("unwelcome.txt", "too-large.txt", "vanished.txt", "fine.txt"), "FINISHED"
    )
    assert [trace.data.spans[0].name for trace in kept.traces.search_traces(["0"])] == ["span"]

    proxy.answers.clear()
    monkeypatch.setattr(shipper, "_digest", digest)
    report = sync(proxy.uri)
    assert (report["left"], report["problem"]) == ([], None)
    assert len(kept.search_runs(["0"])) == 5
    assert len(kept.traces.search_traces(["0"])) == 2
    client = TrackletClient(kept.root)
    for run in kept.search_runs(["0"]):
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        expected = {"zebra.txt", str(run.info.run_name)}
        assert files == expected - {"too-large.txt"}


def test_a_note_of_what_was_sent_that_is_torn_costs_and_doubles_nothing(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    run_id = train(30)
    assert sync(proxy.uri)["left"] == []
    store: Any = open_store(proxy.uri)
    (run_dir,) = store.spool.run_dirs()
    (note,) = Path(run_dir).rglob("shipped")
    for torn in (b"", b'{"run_id": "', b"[1]"):
        note.write_bytes(torn)
        assert len(store.search_runs(["0"])) >= 1
        note.write_bytes(torn)
        assert sync(proxy.uri)["left"] == []
        check_once(kept, run_id, 30)


def test_what_is_recorded_of_a_model_after_its_run_was_sent_arrives(
    proxy: Any, kept: FileStore, spool: Path
) -> None:
    tracklet.set_tracking_uri(proxy.uri)
    with tracklet.start_run() as run:
        model = tracklet.initialize_logged_model("m", source_run_id=run.info.run_id)
        tracklet.set_logged_model_tags(model.model_id, {"stage": "draft", "kept": "so"})
    assert sync(proxy.uri)["left"] == []

    def there() -> Any:
        (found,) = kept.search_logged_models(["0"])
        return found

    def changed(change: Any) -> Any:
        change()
        assert sync(proxy.uri)["left"] == []
        return there()

    id_ = model.model_id
    assert (there().tags["stage"], there().status) == ("draft", "PENDING")
    assert changed(lambda: tracklet.set_logged_model_tags(id_, {"stage": "x"})).tags["stage"] == "x"
    assert "stage" not in changed(lambda: tracklet.delete_logged_model_tag(id_, "stage")).tags
    assert changed(lambda: tracklet.log_model_params({"depth": "3"}, id_)).params == {"depth": "3"}
    assert changed(lambda: tracklet.finalize_logged_model(id_, "READY")).status == "READY"
    place = Path(model.artifact_location, "deep")
    place.mkdir(parents=True)
    (place / "weights.txt").write_text("w")
    theirs = changed(lambda: None)
    assert Path(theirs.artifact_location, "deep/weights.txt").read_text() == "w"
    assert there().tags["kept"] == "so"


def test_a_spool_that_is_full_makes_room_or_says_so(
    proxy: Any, kept: FileStore, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server has goes first; what it does not have is never given up."""

    def record() -> str:
        tracklet.set_tracking_uri(None)  # a store that has not looked yet
        tracklet.set_tracking_uri(proxy.uri)
        with tracklet.start_run() as run:
            tracklet.log_text("x" * 100_000, "notes.txt")
        return run.info.run_id

    monkeypatch.setattr(spooled, "_LOOKS_AT_ROOM", 0.0)
    monkeypatch.setenv("TRACKLET_SPOOL_MB", "0.05")
    first = record()
    with pytest.raises(StorageError, match=r"holds 0 MB .* 'tracklet sync' sends it"):
        record()
    assert [run.info.run_id for run in kept.search_runs(["0"])] == []
    assert sync(proxy.uri)["left"] == []
    second = record()
    store: Any = open_store(proxy.uri)
    assert [Path(each).name for each in store.spool.run_dirs()] == [second]
    assert sync(proxy.uri)["left"] == []
    assert {run.info.run_id for run in kept.search_runs(["0"])} == {first, second}
    monkeypatch.setenv("TRACKLET_SPOOL_MB", "much")
    with pytest.raises(InvalidParameterValue, match="SPOOL_MB is a number"):
        record()
