"""Artifacts in a bucket when the network fails, and behind a server, or beside it."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy import Proxy, answer

import tracklet
from tracklet import TrackletClient
from tracklet.errors import StorageError
from tracklet.repositories import repository
from tracklet.stores.files import FileStore

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SLOW_DOWN = answer("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
SIZES = {"small": 3, "in parts": 25 << 20}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[int]:
    """The port of a server that keeps objects in memory."""
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def network(endpoint: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What is between the buckets and who asks for them."""
    made = Proxy(endpoint)
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": made.uri,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@pytest.fixture
def bucket(endpoint: int, network: Proxy, tmp_path: Path) -> str:
    """A fresh bucket."""
    name = f"bucket-{os.urandom(6).hex()}"
    made = urllib.request.Request(f"http://127.0.0.1:{endpoint}/{name}", method="PUT")
    with urllib.request.urlopen(made):
        return f"s3://{name}/experiments"


@pytest.mark.parametrize(
    "mode",
    ["refuse", "cut", "swallow", SLOW_DOWN],
    ids=["refuse", "cut", "swallow", "503"],
)
@pytest.mark.parametrize("size", SIZES)
def test_a_request_that_fails_is_made_again(
    size: str, mode: str | bytes, network: Proxy, bucket: str, tmp_path: Path
) -> None:
    """The second one, and each fifth after it: what comes is what went."""
    content = os.urandom(SIZES[size])
    (tmp_path / "file.bin").write_bytes(content)
    faults = []
    network.mode = mode
    network.afflicted = lambda number: number % 5 == 1 and not faults.append(number)
    place = repository(bucket)
    for folder in ("a", "b"):
        place.put_file(tmp_path / "file.bin", folder)
    for folder in ("a", "b"):
        fetched = place.fetch(f"{folder}/file.bin", tmp_path / folder)
        assert fetched.read_bytes() == content
    assert [(each.path, each.file_size) for each in place.list("a")] == [
        ("a/file.bin", SIZES[size])
    ]
    assert faults


@pytest.mark.parametrize("size", SIZES)
def test_what_does_not_arrive_leaves_nothing(
    size: str, network: Proxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the bucket nor here."""
    monkeypatch.setenv("TRACKLET_HTTP_REQUEST_MAX_RETRIES", "1")
    (tmp_path / "file.bin").write_bytes(os.urandom(SIZES[size]))
    place = repository(bucket)
    network.mode, network.afflicted = SLOW_DOWN, lambda number: number > 0 or size == "small"
    with pytest.raises(StorageError, match=r"could not store 'a/file.bin' at s3://"):
        place.put_file(tmp_path / "file.bin", "a")
    network.mode = "pass"
    assert place.list() == []
    place.put_file(tmp_path / "file.bin", "a")
    start = next(network._asked)
    network.mode, network.afflicted = SLOW_DOWN, lambda number: number > start + 2
    with pytest.raises(StorageError, match=r"file\.bin"):
        place.fetch("a", tmp_path / "there")
    assert not [each for each in (tmp_path / "there").rglob("*") if each.is_file()]


@pytest.mark.parametrize("size", SIZES)
def test_other_bytes_than_were_put_are_noticed(
    size: str, network: Proxy, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "file.bin").write_bytes(b"x" * SIZES[size])
    place = repository(bucket)
    place.put_file(tmp_path / "file.bin")
    network.spoil = lambda answer: answer[:-3] + b"xyx" if answer.endswith(b"xxx") else answer
    with pytest.raises(StorageError, match="other bytes"):
        place.fetch("file.bin", tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []
    network.spoil = lambda answer: answer
    assert place.fetch("file.bin").read_bytes() == b"x" * SIZES[size]


def test_a_run_of_a_server_keeps_its_artifacts_in_the_bucket_of_its_experiment(
    bucket: str, proxy: Proxy, kept: FileStore, spool: Path
) -> None:
    """Straight from the client: the server's machine needs no way to it."""
    tracklet.set_tracking_uri(proxy.uri)
    experiment = tracklet.create_experiment("production-models", artifact_location=bucket)
    with tracklet.start_run(experiment_id=experiment) as run:
        tracklet.log_text("content", "notes/a.txt")
    assert tracklet_sync(proxy.uri)
    (there,) = kept.search_runs([experiment])
    assert there.info.artifact_uri == f"{bucket}/{run.info.run_id}/artifacts"
    assert repository(there.info.artifact_uri).fetch("notes/a.txt").read_text() == "content"
    client = TrackletClient(proxy.uri)
    assert Path(client.download_artifacts(run.info.run_id, "notes/a.txt")).read_text() == "content"


def tracklet_sync(uri: str) -> bool:
    from click.testing import CliRunner

    from tracklet_services.cli.app import app

    return CliRunner().invoke(app, ["sync", "--tracking-uri", uri]).exit_code == 0
