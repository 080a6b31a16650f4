"""The UI's API: whom it answers, what it answers, and what every answer says."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

import tracklet

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from tracklet_services.server import personal as application
from tracklet_services.ui.app import STATIC

TOKEN = "t" * 40


@pytest.fixture
def client(place: Any) -> TestClient:
    app = application.create_app(place, token=TOKEN, port=5000)
    return TestClient(app, "http://localhost:5000", headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def experiment(record: Path) -> str:
    found = tracklet.TrackletClient(str(record)).get_experiment_by_name("我的首个ML项目")
    assert found is not None
    return found.experiment_id


def decoded(data: bytes) -> tuple[dict[str, Any], list[Any]]:
    """A frame, read as a browser reads it."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    at, buffers = 4 + length, []
    for kind, count in header["buffers"]:
        at += -at % 8
        form = {"f64": "d", "i32": "i", "u32": "I", "u8": "B"}[kind]
        buffers.append(list(struct.unpack_from(f"<{count}{form}", data, at)))
        at += struct.calcsize(f"<{count}{form}")
    return header, buffers


def test_the_list_of_experiments_counts_their_runs(client: TestClient) -> None:
    found = client.get("/api/ui/v1/experiments").json()["experiments"]
    (one,) = [one for one in found if one["name"] == "我的首个ML项目"]
    assert (one["runs"], one["running"], one["failed"]) == (3, 0, 0)


def test_looking_writes_nothing_into_the_record(client: TestClient, record: Path) -> None:
    before = sorted(record.rglob("*"))
    client.get("/api/ui/v1/experiments")
    assert sorted(record.rglob("*")) == before


@pytest.mark.parametrize("order", ["metrics.odd DESC", "metrics.odd ASC", "params.lr DESC", ""])
def test_the_table_is_in_the_order_of_search_runs(
    client: TestClient, record: Path, experiment: str, order: str
) -> None:
    asked = {"experiments": experiment, "column": ["metric.odd", "param.lr", "tag.team"]}
    answer = client.get("/api/ui/v1/table", params={**asked, **({"order": order} if order else {})})
    header, buffers = decoded(answer.content)
    runs = tracklet.TrackletClient(str(record)).search_runs(
        [experiment], order_by=[order] if order else None
    )
    assert header["ids"] == [run.info.run_id for run in runs]
    assert (header["count"], header["total"]) == (3, 3)
    odd = buffers[header["columns"]["metric.odd"]["buffer"]]
    for shown, run in zip(odd, runs, strict=True):
        value = run.data.metrics["odd"]
        assert shown == value or (math.isnan(shown) and math.isnan(value))
    assert buffers[header["columns"]["metric.odd"]["present"]] == [1, 1, 1]
    lr = header["columns"]["param.lr"]
    texts = [lr["texts"][code - 1] for code in buffers[lr["buffer"]]]
    assert texts == [run.data.params["lr"] for run in runs]


def test_further_columns_come_without_the_order(client: TestClient, experiment: str) -> None:
    header, _ = decoded(client.get("/api/ui/v1/table", params={"experiments": experiment}).content)
    more = {"since": header["since"], "column": "metric.val/auc"}
    further, buffers = decoded(client.get("/api/ui/v1/table", params=more).content)
    assert "ids" not in further
    assert buffers[further["columns"]["metric.val/auc"]["buffer"]] == pytest.approx(
        [0.749, 0.649, 0.549]
    )
    assert client.get("/api/ui/v1/table", params={**more, "since": "9999"}).status_code == 410


def test_further_columns_are_those_of_the_runs_whatever_changed_meanwhile(tmp_path: Path) -> None:
    from tracklet_services.ui.place import Place

    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    experiment = made.create_experiment("e")
    ids = [made.create_run(experiment, i).info.run_id for i in range(3)]
    places = [Place(made.tracking_uri), Place(made.tracking_uri)]
    asks = [TestClient(application.create_app(p, token=None), "http://localhost") for p in places]
    first, other = (
        decoded(ask.get("/api/ui/v1/table", params={"experiments": experiment}).content)[0]
        for ask in asks
    )
    for i, run_id in enumerate(ids):
        made.log_metric(run_id, "m", float(i))
    made.set_tag(ids[1], "again", "x")
    asks[0].get("/api/ui/v1/table", params={"experiments": experiment})  # the index catches up
    more = {"since": first["since"], "column": "metric.m"}
    header, buffers = decoded(asks[0].get("/api/ui/v1/table", params=more).content)
    assert first["ids"] == ids[::-1]
    assert buffers[header["columns"]["metric.m"]["buffer"]] == [2.0, 1.0, 0.0]
    assert (
        asks[0].get("/api/ui/v1/table", params={**more, "since": other["since"]}).status_code == 410
    )
    for opened in places:
        opened.close()


def test_a_wrong_filter_says_where_and_why(client: TestClient, experiment: str) -> None:
    asked = {"experiments": experiment, "filter": "metrics.odd >> 1"}
    answer = client.get("/api/ui/v1/table", params=asked)
    assert answer.status_code == 400
    assert answer.json()["position"] == 13
    assert answer.json()["problem"]


def test_the_trash_is_shown_when_asked_for(client: TestClient, experiment: str) -> None:
    asked = {"experiments": experiment, "view": "deleted_only"}
    header, _ = decoded(client.get("/api/ui/v1/table", params=asked).content)
    assert (header["names"], header["count"], header["total"]) == (["thrown away"], 1, 1)


def test_keys_say_how_many_runs_have_them_and_whether_they_differ(
    client: TestClient, experiment: str
) -> None:
    asked = {"experiments": experiment}
    found = client.get("/api/ui/v1/keys", params=asked).json()["keys"]
    known = {(kind, key): (runs, differs) for kind, key, runs, differs in found}
    assert known["param", "lr"] == (3, True)
    assert known["param", "same"] == (3, False)
    assert known["metric", "odd"] == (3, True)


def test_the_table_of_a_database_is_that_of_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from tracklet_services.ui.place import Place

    tables: list[Any] = []
    for uri in (str(tmp_path / "folder"), f"sqlite:///{tmp_path}/runs.db"):
        made = tracklet.TrackletClient(uri)
        experiment = made.create_experiment("both")
        for i in range(3):
            run_id = made.create_run(experiment, 1000 + i, run_name=f"run {i}").info.run_id
            made.log_batch(run_id, params={"p": i % 2}, tags={"user": i})
            made.log_metric(run_id, "m", (math.nan, 2.0, 1.0)[i])
            made.set_terminated(run_id, "FINISHED", 2000)
        opened = Place(uri)
        app = application.create_app(opened, token=None)
        ask = TestClient(app, "http://localhost:5000").get
        asked = {"experiments": experiment, "order": "metrics.m DESC"}
        columns = {"column": ["metric.m", "param.p", "tag.user"]}
        header, buffers = decoded(ask("/api/ui/v1/table", params={**asked, **columns}).content)
        known = ask("/api/ui/v1/keys", params=asked).json()
        tables.append((header["names"], header["columns"], repr(buffers[1:]), known))
        opened.close()
    assert tables[0] == tables[1]


# -- files -------------------------------------------------------------------------------------


def _run(record: Path, experiment: str) -> str:
    runs = tracklet.TrackletClient(str(record)).search_runs([experiment])
    return runs[0].info.run_id


def test_no_artifact_is_sent_as_a_page_that_could_act(
    client: TestClient, record: Path, experiment: str
) -> None:
    run_id = _run(record, experiment)
    plain = client.get(f"/files/runs/{run_id}/page.html")
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["content-security-policy"].startswith("sandbox;")
    framed = client.get(f"/files/runs/{run_id}/page.html?as=page")
    assert "allow-same-origin" not in framed.headers["content-security-policy"]
    assert framed.headers["content-security-policy"].startswith("sandbox allow-scripts;")


def test_a_part_of_a_file_can_be_asked_for(
    client: TestClient, record: Path, experiment: str
) -> None:
    place = f"/files/runs/{_run(record, experiment)}/表/%23%3F%25 table.csv"
    assert client.get(place, headers={"range": "bytes=0-2"}).text == "a,b"


@pytest.mark.parametrize(
    "path", ["../meta.yaml", "..%2fmeta.yaml", "figures/../../meta.yaml", "/etc/passwd", "%2fetc"]
)
def test_no_path_leads_out_of_a_run(
    client: TestClient, record: Path, experiment: str, path: str
) -> None:
    run_id = _run(record, experiment)
    assert client.get(f"/files/runs/{run_id}/{path}").status_code in (400, 404)
    asked = {"run": run_id, "path": path}
    for name in ("tree", "describe", "mlmodel"):
        answer = client.get(f"/api/ui/v1/{name}", params=asked)
        nothing = answer.status_code == 200 and answer.json().get("files") == []
        assert answer.status_code in (400, 404) or nothing, name


def test_a_folder_is_sent_as_one_file_without_what_lies_elsewhere(tmp_path: Path) -> None:
    from tracklet_services.ui.place import Place

    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    run_id = made.create_run(made.create_experiment("files")).info.run_id
    texts = {"a/b/表 #?%.txt": "x" * 3_000_000, "a/c.txt": "", "d.txt": "d"}
    for path, text in texts.items():
        made.log_text(run_id, text, path)
    root = Path(made.download_artifacts(run_id, ""))
    (root / "out").symlink_to("/etc/hostname")
    (root / "a" / "in").symlink_to(root / "d.txt")
    place = Place(str(tmp_path / "mlruns"))
    app = application.create_app(place, token=TOKEN, port=5000)
    client = TestClient(app, "http://localhost:5000", headers={"authorization": f"Bearer {TOKEN}"})
    try:
        described = client.get("/api/ui/v1/describe", params={"run": run_id, "path": ""}).json()
        assert (described["files"], described["bytes"]) == (4, 3_000_002)
        for path, wanted in (
            ("", {**texts, "a/in": "d"}),
            ("a", {"b/表 #?%.txt": texts["a/b/表 #?%.txt"], "c.txt": ""}),
        ):
            answer = client.get(f"/files/runs/{run_id}/{path}?zip=all of it")
            assert answer.headers["content-disposition"].endswith("''all%20of%20it.zip")
            assert answer.headers["content-security-policy"].startswith("sandbox;")
            with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
                assert packed.testzip() is None
                assert {name: packed.read(name).decode() for name in packed.namelist()} == wanted
        for path in ("none?zip=x", "a", ""):
            assert client.get(f"/files/runs/{run_id}/{path}").status_code in (400, 404)
    finally:
        place.close()


def test_a_folder_beyond_the_limit_is_refused_before_any_of_it(
    client: TestClient, record: Path, experiment: str, monkeypatch: Any
) -> None:
    from tracklet_services.ui.place import LIMITS

    monkeypatch.setitem(LIMITS, "zip_bytes", 1)
    answer = client.get(f"/files/runs/{_run(record, experiment)}/figures?zip=x")
    assert answer.status_code == 400
    assert "tracklet artifacts download" in answer.json()["message"]


# -- who may ask -------------------------------------------------------------------------------


def test_every_answer_says_what_pages_may_do(
    client: TestClient, place: Any, record: Path, experiment: str
) -> None:
    paths = ["/", "/nothing", "/api/ui/v1/place", "/api/ui/v1/run/nothing", "/files/runs/x/y"]
    paths.append(re.findall(r'src="(static/[^"]+)"', client.get("/").text)[0])
    refused = client.get("/", headers={"host": "evil.example"})
    unknown = client.get("/", headers={"authorization": "Bearer wrong"})
    for answer in (*map(client.get, paths), refused, unknown):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:5000", 200),
        ("127.0.0.1:9", 200),
        ("[::1]:5000", 200),
        ("evil.example", 403),
        ("localhost.evil.example:5000", 403),
        ("allowed.example", 200),
    ],
)
def test_only_allowed_hosts_are_answered_to(place: Any, host: str, status: int) -> None:
    app = application.create_app(place, token=None, allowed_hosts=["allowed.example"])
    answer = TestClient(app, "http://localhost").get("/", headers={"host": host})
    assert answer.status_code == status


def test_without_the_token_nothing_is_answered(place: Any) -> None:
    app = application.create_app(place, token=TOKEN, port=5000)
    ask = TestClient(app, "http://localhost:5000", follow_redirects=False).get
    for given in ({}, {"authorization": "Bearer wrong"}, {"cookie": "tracklet_5000=wrong"}):
        assert ask("/api/ui/v1/place", headers=given).status_code == 401
    assert ask("/?token=wrong").status_code == 401


def test_the_link_gives_a_cookie_and_leaves_the_address_bar(place: Any) -> None:
    app = application.create_app(place, token=TOKEN, port=5000)
    client = TestClient(app, "http://localhost:5000", follow_redirects=False)
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("tracklet_5000=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/ui/v1/place").status_code == 200
    foreign = {"cookie": f'prefs={{"a":1}}; tracklet_5000={TOKEN}; a b'}
    client.cookies.clear()
    assert client.get("/api/ui/v1/place", headers=foreign).status_code == 200


# -- what is shipped ---------------------------------------------------------------------------

_OURS = [path for path in STATIC.rglob("*.js") if path.parent.name != "vendor"]
_BANNED = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|"
    r"new Function|\bjavascript:[^)]|setAttribute\('on|allow-same-origin"
)


@pytest.mark.parametrize("path", _OURS, ids=lambda path: path.name)
def test_no_script_of_ours_makes_text_into_markup_or_code(path: Path) -> None:
    assert not _BANNED.findall(path.read_text("utf-8"))
    assert len(path.read_text("utf-8").splitlines()) <= 450


def test_the_page_holds_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script>|https?://", page)


def test_vendored_files_are_those_that_are_listed() -> None:
    import hashlib

    vendor = STATIC / "vendor"
    for one in json.loads((vendor / "vendor.json").read_text("utf-8")):
        data = (vendor / one["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["sha256"], one["file"]


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 1 << 20


# -- curves ------------------------------------------------------------------------------------


def _curves(data: bytes) -> list[tuple[dict[str, Any], list[Any]]]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        found.append(decoded(data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


@pytest.fixture(scope="module", params=["folder", "database"])
def long_curve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A record with a curve of 20,000 points, one spike, one NaN and one infinity."""
    folder = tmp_path_factory.mktemp("long")
    uri = str(folder / "mlruns")
    if request.param == "database":
        pytest.importorskip("sqlalchemy")
        uri = f"sqlite:///{folder}/runs.db"
    made = tracklet.TrackletClient(uri)
    run_id = made.create_run(made.create_experiment("long")).info.run_id
    values = [math.sin(step / 500) for step in range(20_000)]
    values[12_345], values[7_000], values[7_001] = 50.0, math.nan, math.inf
    writer = made.store.open_run(run_id)
    writer.log_series("m", [(1_000 + 2 * step, value, step) for step, value in enumerate(values)])
    writer.close()
    return uri, run_id, values


def test_a_spike_is_in_the_curve_at_every_zoom(long_curve: Any) -> None:
    from tracklet_services.ui.place import Place

    uri, run_id, values = long_curve
    place = Place(uri)
    ask = TestClient(application.create_app(place, token=None), "http://localhost").get
    for low, high in ((None, None), (0, 19_999), (10_000, 15_000), (12_300, 12_400)):
        asked: dict[str, Any] = {"run": run_id, "key": "m", "bins": 100}
        if low is not None:
            asked |= {"from": low, "to": high}
        ((header, buffers),) = _curves(ask("/api/ui/v1/series", params=asked).content)
        greatest = buffers[3] if header["kind"] == "bins" else buffers[1]
        assert max(v for v in greatest if math.isfinite(v)) == 50.0
        assert header["count"] == len(values)
        if header["kind"] == "bins":
            first, last = low or 0, high or len(values) - 1
            assert sum(buffers[5]) == pytest.approx(last - first + 1, abs=2)
            inside = [v for v in values[first : last + 1] if not math.isfinite(v)]
            assert sum(buffers[6]) == len(inside)
    place.close()


def test_points_are_exported_as_they_were_recorded(long_curve: Any) -> None:
    from tracklet_services.ui.place import Place

    uri, run_id, values = long_curve
    place = Place(uri)
    app = application.create_app(place, token=TOKEN, port=5000)
    client = TestClient(app, "http://localhost:5000", headers={"authorization": f"Bearer {TOKEN}"})
    try:
        for asked, steps in (
            ({}, range(20_000)),
            ({"from": "6998", "to": "7002"}, range(6998, 7003)),
            ({"x": "time", "from": "2", "to": "2.01"}, range(1000, 1006)),
        ):
            answer = client.get("/api/ui/v1/points", params={"run": run_id, "key": "m", **asked})
            rows = list(csv.DictReader(io.StringIO(answer.text)))
            assert [int(row["step"]) for row in rows] == list(steps)
            assert [row["value"] for row in rows] == [repr(values[step]) for step in steps]
            assert all(int(row["timestamp"]) == 1000 + 2 * int(row["step"]) for row in rows)
    finally:
        place.close()


def test_a_short_curve_comes_whole(client: TestClient, record: Path, experiment: str) -> None:
    asked = {"run": _run(record, experiment), "key": "val/auc", "x": "time"}
    ((header, buffers),) = _curves(client.get("/api/ui/v1/series", params=asked).content)
    assert (header["kind"], len(buffers[1])) == ("points", 50)
    assert buffers[0] == sorted(buffers[0])
    assert buffers[0][0] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"bins": "100000"},
        {"x": "nothing"},
        {"from": "a"},
        {"key": "../x"},
        {"bins": "x"},
        {"bins": "nan"},
        {"to": "inf"},
    ],
)
def test_a_curve_that_cannot_be_is_refused(
    client: TestClient, record: Path, experiment: str, wrong: dict[str, str]
) -> None:
    asked = {"run": _run(record, experiment), "key": "m", **wrong}
    assert client.get("/api/ui/v1/series", params=asked).status_code == 400


def test_no_curve_spoils_another(tmp_path: Path) -> None:
    """Greatest floats, a key that is another's folder, and a last value beside a wide block."""
    from tracklet_services.ui.place import Place

    made = tracklet.TrackletClient(str(tmp_path / "mlruns"))
    experiment = made.create_experiment("e")
    runs = [made.create_run(experiment).info.run_id for _ in range(2)]
    for run_id, key in zip(runs, ("loss", "loss/train"), strict=True):
        for step in range(3):
            made.log_metric(run_id, key, 1.7e308, step=step)
    # The first block is as wide as the axis, and the later ones lie within its last bin.
    steps = [0, 10_000, *[9_950 + i // 40 for i in range(2_000)]]
    writer = made.store.open_run(runs[0])
    writer.log_series("wide", [(1, float(i), step) for i, step in enumerate(steps)])
    writer.close()
    place = Place(made.tracking_uri)
    ask = TestClient(application.create_app(place, token=None), "http://localhost").get
    asked = {"run": runs, "key": "loss"}
    (_, values), (other, _) = _curves(ask("/api/ui/v1/series", params=asked).content)
    assert values[1] == [1.7e308] * 3
    assert other["count"] == 0
    asked = {"run": runs[0], "key": "wide", "bins": 10}
    ((header, buffers),) = _curves(ask("/api/ui/v1/series", params=asked).content)
    assert header["kind"] == "bins"
    assert buffers[4][-1] == 1.0  # at step 10,000
    place.close()


# -- changes -----------------------------------------------------------------------------------


def test_changes_go_through_the_tracking_protocol_and_not_in_a_read_only_ui(
    tmp_path: Path,
) -> None:
    from tracklet_services.ui.place import Place

    uri = str(tmp_path / "mlruns")
    made = tracklet.TrackletClient(uri)
    run_id = made.create_run(made.create_experiment("e")).info.run_id
    body = {"run_id": run_id, "key": "team", "value": "growth"}
    for read_only, status in ((True, 403), (False, 200)):
        place = Place(uri, read_only=read_only)
        app = application.create_app(place, token=TOKEN)
        ask = TestClient(app, "http://localhost:5000").post
        signed = {"authorization": f"Bearer {TOKEN}"}
        place_of = "/api/2.0/mlflow/runs/set-tag"
        assert ask(place_of, json=body).status_code in (401, 403)
        foreign = {**signed, "origin": "http://evil.example"}
        assert ask(place_of, json=body, headers=foreign).status_code == 403
        assert ask(place_of, json=body, headers=signed).status_code == status
        place.close()
    assert made.get_run(run_id).data.tags["team"] == "growth"


def test_a_read_only_ui_answers_searches_and_no_other_request_with_a_body(tmp_path: Path) -> None:
    from tracklet_services.ui.place import Place

    place = Place(str(tmp_path / "mlruns"), read_only=True)
    app = application.create_app(place, token=None, base_path="/runs")
    client = TestClient(app, "http://localhost:5000")
    searched = client.post("/runs/api/2.0/mlflow/experiments/search", json={"max_results": 5})
    assert searched.status_code == 200
    file = "/runs/api/2.0/mlflow-artifacts/artifacts/search"
    upload = "/runs/api/2.0/mlflow-artifacts/mpu/create/api/2.0/mlflow/runs/search"
    for answer in (client.put(file, content=b"x"), client.delete(file), client.post(upload)):
        assert answer.status_code == 403
    place.close()


def test_changes_are_seen_whatever_the_steps(tmp_path: Path) -> None:
    from tracklet_services.ui.events import _signs
    from tracklet_services.ui.place import Place

    place = Place(str(tmp_path / "mlruns"))
    run_id = place.client.create_run(place.client.create_experiment("e")).info.run_id
    before = _signs(place, [])
    for key in ("a", "b"):
        place.client.log_metric(run_id, key, 1.0, step=2**63 - 1)
    assert _signs(place, []) != before
    place.close()


def test_parquet_is_shown_with_times_that_python_has_none_for(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from tracklet_services.ui import tables

    columns = {
        "far": pa.array([0, 1 << 60], pa.timestamp("us")),
        "day": pa.array([1, 1 << 30], pa.date32()),
        "long": pa.array([(1 << 53) + 1, None], pa.int64()),
        "odd": pa.array([float("nan"), -0.0]),
    }
    path = tmp_path / "odd.parquet"
    parquet.write_table(pa.table(columns), path)
    found = tables.parquet(path)
    assert found["columns"] == list(columns)
    assert found["count"] == 2
    first, second = found["data"]
    assert first == ["1970-01-01 00:00:00", "1970-01-02", "9007199254740993", "nan"]
    assert second == [str(1 << 60), 1 << 30, None, 0.0]


def test_numbers_that_a_browser_would_round_are_texts() -> None:
    from tracklet_services.ui.answers import plain

    value = {"a": [1 << 53, -(1 << 60), (1 << 53) - 1, True], "b": math.inf}
    assert plain(value) == {
        "a": ["9007199254740992", str(-(1 << 60)), (1 << 53) - 1, True],
        "b": "Infinity",
    }
