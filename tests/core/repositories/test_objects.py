"""Artifacts in an object store, over a server that speaks S3's protocol."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracklet
from tracklet import TrackletClient
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.repositories import repository
from tracklet.repositories.objects import ObjectArtifacts

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The place of a server that keeps objects in memory."""
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A fresh bucket."""
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import urllib.request

    name = f"bucket-{abs(hash(request.node.name))}"
    made = urllib.request.Request(f"{endpoint}/{name}", method="PUT")
    with urllib.request.urlopen(made):
        return f"s3://{name}/experiments/a b"


def test_files_and_folders_go_and_come_back(bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "ä b.txt").write_text("one")
    (source / "deep" / "er" / "empty").touch()
    large = os.urandom(25 << 20)
    (source / "deep" / "large.bin").write_bytes(large)
    place = repository(bucket)
    assert place.list() == []
    place.put_tree(source, "model")
    place.put_file(source / "ä b.txt")
    assert [(i.path, i.is_dir, i.file_size) for i in place.list()] == [
        ("model", True, None),
        ("ä b.txt", False, 3),
    ]
    assert [info.path for info in place.list("model/deep")] == [
        "model/deep/er",
        "model/deep/large.bin",
    ]
    fetched = place.fetch("model", tmp_path / "there")
    assert (fetched / "ä b.txt").read_text() == "one"
    assert (fetched / "deep" / "large.bin").read_bytes() == large
    assert (fetched / "deep" / "er" / "empty").read_bytes() == b""
    assert place.fetch("ä b.txt").read_text() == "one"
    place.delete("model/deep")
    assert [info.path for info in place.list("model")] == ["model/ä b.txt"]
    place.delete("model/deep")


def test_what_is_not_there_and_what_leads_out_is_refused(bucket: str, tmp_path: Path) -> None:
    place = repository(bucket)
    with pytest.raises(ResourceDoesNotExist, match="no artifact 'missing'"):
        place.fetch("missing", tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidParameterValue):
        place.fetch("../other", tmp_path)
    with pytest.raises(StorageError, match="could not list"):
        repository("s3://no-such-bucket-here/x").list()


def test_a_login_in_the_place_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="without a login") as caught:
        repository("s3://key:secret@bucket/x")
    assert "secret" not in str(caught.value)


def test_places_of_azure_and_google_are_where_their_uris_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is signed for them names the account, the bucket and the object, with their login."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )
    account = {
        "type": "service_account",
        "private_key": key.decode(),
        "private_key_id": "1",
        "client_email": "someone@team.example",
    }
    (tmp_path / "login.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"key").decode())
    azure = "https://team.blob.core.windows.net/box/a%20b/f.bin?"
    for uri, wanted in (
        ("gs://bucket/a b", "https://storage.googleapis.com/bucket/a%20b/f.bin?"),
        ("abfs://box@team.dfs.core.windows.net/a b", azure),
        ("abfss://box@team.dfs.core.windows.net/a b", azure),
    ):
        place = repository(uri)
        assert isinstance(place, ObjectArtifacts)
        assert place.signed("f.bin", 60).startswith(wanted), uri


def test_a_login_that_is_none_is_a_storage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login = {"type": "service_account", "private_key": "SECRET", "private_key_id": "1"}
    (tmp_path / "login.json").write_text(json.dumps({**login, "client_email": "a@team.example"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    with pytest.raises(StorageError, match="could not open gs://bucket/x") as caught:
        repository("gs://bucket/x")
    assert "SECRET" not in str(caught.value)


@pytest.mark.usefixtures("tracklet_home")
def test_an_experiment_keeps_its_artifacts_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    experiment = tracklet.create_experiment("production-models", artifact_location=bucket)
    with tracklet.start_run(experiment_id=experiment) as run:
        tracklet.log_text("content", "notes.txt")
    assert run.info.artifact_uri == f"{bucket}/{run.info.run_id}/artifacts"
    client = TrackletClient()
    assert [info.path for info in client.list_artifacts(run.info.run_id)] == ["notes.txt"]
    path = client.download_artifacts(run.info.run_id, "notes.txt")
    assert Path(path).read_text() == "content"


def test_what_a_run_prints_goes_after_what_it_printed_before(
    bucket: str, tracklet_home: Path
) -> None:
    experiment = tracklet.create_experiment("resumed", artifact_location=bucket)
    with tracklet.start_run(experiment_id=experiment) as run:
        print("first")  # noqa: T201
    with tracklet.start_run(run_id=run.info.run_id):
        print("second")  # noqa: T201
    text = tracklet.artifacts.load_text(f"runs:/{run.info.run_id}/tracklet/output.log")
    assert text == "first\nsecond\n"
