"""Artifacts through the server: whole, in ranges, and nowhere but below their runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def test_files_come_back_as_they_went(client: Any, store: Any) -> None:
    experiment, run_id = client.run()
    at = f"{PROXY}/{experiment}/{run_id}/artifacts"
    content = bytes(range(256)) * 20_000
    assert client.http.put(f"{at}/plots/100%25.bin", content=content).json() == {}
    got = client.http.get(f"{at}/plots/100%25.bin")
    assert got.content == content
    assert got.headers["content-disposition"].startswith("attachment")
    part = client.http.get(f"{at}/plots/100%25.bin", headers={"range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))

    listed = client.http.get(PROXY, params={"path": f"{experiment}/{run_id}/artifacts/plots"})
    assert listed.json() == {
        "files": [{"path": "100%.bin", "is_dir": False, "file_size": len(content)}]
    }
    of_run = client.get("artifacts/list", run_id=run_id)
    assert of_run["files"] == [{"path": "plots", "is_dir": True}]
    # It lies where a local process looks for it.
    from tracklet.client import TrackletClient

    local = TrackletClient(store.uri).download_artifacts(run_id, "plots/100%.bin")
    assert Path(local).read_bytes() == content

    assert client.http.delete(f"{at}/plots").json() == {}
    assert client.http.get(f"{at}/plots/100%25.bin").status_code == 404
    nothing = client.http.get(PROXY, params={"path": f"{experiment}/{run_id}/artifacts/plots"})
    assert nothing.json() == {}


def test_a_path_names_what_is_on_the_record_or_nothing(client: Any) -> None:
    experiment, run_id = client.run()
    other = client.post("experiments/create", name="other")["experiment_id"]
    for path in (
        "file.txt",
        f"{experiment}/file.txt",
        f"{experiment}/{run_id}/file.txt",
        f"{other}/{run_id}/artifacts/file.txt",
        f"{experiment}/{'0' * 32}/artifacts/file.txt",
    ):
        assert client.http.put(f"{PROXY}/{path}", content=b"x").status_code == 404, path


def test_no_model_or_experiment_leads_out(client: Any, tracklet_home: Path) -> None:
    """Places that a client names are never this machine's, and never of an unknown kind."""
    experiment, run_id = client.run()
    (tracklet_home / "secret").mkdir()
    (tracklet_home / "secret" / "canary").write_text("CANARY")
    client.post("registered-models/create", name="m")
    home = str(tracklet_home / "secret")
    for uri in (
        home,
        f"file://{home}",
        f"FILE:{home}",
        f" file:{home}",
        f"file://localhost{home}",
        "file://./etc",
        r"file:\..\..",
        "file:///etc/",
        "./../../",
        f"runs:/{run_id}/../..",
        "models:/../..",
        "http:///#/../../etc/",
        "http://169.254.169.254/latest",
        "s3://bucket/a?/../..",
        "s3://bucket/a#/../..",
        "s3://user:word@bucket/a",
        "s3://bucket/a;/../..",
        "://x",
        "unknown://x/y",
        r"C:\Windows",
        r"\\host\share",
        f"mlflow-artifacts:/{experiment}/{run_id}/artifacts/../../..",
        "mlflow-artifacts:/../../etc",
        "mlflow-artifacts://host/1/2/artifacts",
    ):
        made = client.raw("POST", "model-versions/create", name="m", source=uri, run_id=run_id)
        assert made.status_code in (400, 404), (uri, made.text)
        named = client.raw("POST", "experiments/create", name=f"e{uri}", artifact_location=uri)
        assert named.status_code == 400, (uri, named.text)
    assert client.get("model-versions/search").get("model_versions") is None


def test_what_is_not_stored_whole_is_not_stored(serve: Any) -> None:
    from tracklet_services.server import Policy

    client = serve(Policy(file_bytes=1000))
    experiment, run_id = client.run()
    at = f"{PROXY}/{experiment}/{run_id}/artifacts"

    def endless() -> Any:
        for _ in range(5):
            yield b"x" * 400

    assert client.http.put(f"{at}/f", content=b"x" * 1001).status_code == 413
    assert client.http.put(f"{at}/f", content=endless()).status_code == 413
    assert client.get("artifacts/list", run_id=run_id).get("files") is None


def test_a_link_among_artifacts_is_not_followed(
    client: Any, store: Any, tracklet_home: Path
) -> None:
    experiment, run_id = client.run()
    outside = tracklet_home / "outside"
    outside.mkdir()
    (outside / "canary").write_text("CANARY")
    at = f"{PROXY}/{experiment}/{run_id}/artifacts"
    client.http.put(f"{at}/file", content=b"x")
    folder = Path(store.get_run(run_id).info.artifact_uri)
    try:
        (folder / "link").symlink_to(outside)
    except OSError:
        pytest.skip("no links here")
    assert client.http.get(f"{at}/link/canary").status_code == 400
    assert client.http.put(f"{at}/link/new", content=b"x").status_code == 400
    assert sorted(path.name for path in outside.iterdir()) == ["canary"]


def test_a_version_of_what_the_server_keeps_is_found_again(client: Any, store: Any) -> None:
    """Also of a run that the request does not name, or that is another one than it names."""
    experiment, run_id = client.run()
    other = client.post("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    made = client.post("logged-models", experiment_id=experiment, name="net")["model"]
    model_id = made["info"]["model_id"]
    client.post("registered-models/create", name="m")
    of_run = f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
    of_model = f"mlflow-artifacts:/{experiment}/models/{model_id}/artifacts"
    for at in (f"{of_run}/model", of_run, of_model):
        path = at.removeprefix("mlflow-artifacts:/")
        client.http.put(f"{PROXY}/{path}/MLmodel", content=b"flavors: {}")
        for named in ({}, {"run_id": other}, {"run_id": run_id}):
            made = client.post("model-versions/create", name="m", source=at, **named)
            version = made["model_version"]["version"]
            asked = {"name": "m", "version": version}
            assert client.get("model-versions/get-download-uri", **asked)["artifact_uri"] == at
            got = client.http.get(
                "/model-versions/get-artifact", params={**asked, "path": "MLmodel"}
            )
            assert got.content == b"flavors: {}", (at, named)
    part = client.raw("POST", "model-versions/create", name="m", source=f"{of_model}/code")
    assert part.status_code == 400


def test_a_folder_elsewhere_is_not_fetched_to_say_that_it_is_no_file(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracklet.repositories import LocalArtifacts
    from tracklet_services.server import places

    fetched: list[str] = []

    class Elsewhere(LocalArtifacts):
        """Files that can be had by fetching alone, as those of an object store."""

        def local_path(self, path: str = "") -> Any:
            return None

        def fetch(self, path: str = "", destination: Path | None = None) -> Path:
            fetched.append(path)
            return super().fetch(path, destination)

    experiment, run_id = client.run()
    at = f"{PROXY}/{experiment}/{run_id}/artifacts"
    assert client.http.put(f"{at}/folder/file", content=b"x").status_code == 200
    monkeypatch.setattr(places, "repository", Elsewhere)
    assert client.http.get(f"{at}/folder/file").content == b"x"
    for path in ("folder", "", "none"):
        assert client.http.get(f"{at}/{path}").status_code == 404, path
    assert fetched == ["folder/file", "none"]


def test_an_upload_in_parts_leads_out_no_more_than_a_whole_one(client: Any) -> None:
    out = "/api/2.0/mlflow-artifacts/mpu/create/0/../../etc/passwd"
    assert client.http.post(out, json={"path": "f"}).status_code == 400
