"""Options come from one precedence, and places do not depend on where the process goes later."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

import tracklet
from tracklet import settings
from tracklet.errors import InvalidParameterValue
from tracklet.repositories import repository
from tracklet.stores import open_store
from tracklet.stores.files import FileStore
from tracklet.testing import reset


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("TRACKLET_TRACKING_URI", "MLFLOW_TRACKING_URI", "TRACKLET_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    tracklet.testing.reset()
    yield
    tracklet.testing.reset()


def test_the_default_is_the_folder_mlruns_in_the_working_directory(tmp_path: Path) -> None:
    assert tracklet.get_tracking_uri() == str(tmp_path / "mlruns")
    assert not tracklet.is_tracking_uri_set()


def test_an_argument_beats_our_variable_which_beats_mlflows_which_beats_pyproject(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.tracklet]\ntracking-uri = "/from/pyproject"\n')
    tracklet.testing.reset()
    assert tracklet.get_tracking_uri() == "/from/pyproject"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "/from/mlflow")
    assert tracklet.get_tracking_uri() == "/from/mlflow"
    monkeypatch.setenv("TRACKLET_TRACKING_URI", "/from/tracklet")
    assert tracklet.get_tracking_uri() == "/from/tracklet"
    tracklet.set_tracking_uri("/from/argument")
    assert tracklet.get_tracking_uri() == "/from/argument"
    tracklet.set_tracking_uri(None)
    assert tracklet.get_tracking_uri() == "/from/tracklet"


def test_a_relative_place_stays_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracklet.set_tracking_uri("store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert tracklet.get_tracking_uri() == str(tmp_path / "store")


def test_the_registry_lies_with_the_record_unless_it_is_set(tmp_path: Path) -> None:
    tracklet.set_tracking_uri("/a")
    assert tracklet.get_registry_uri() == "/a"
    tracklet.set_registry_uri("/b")
    assert tracklet.get_registry_uri() == "/b"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b", Path("/a/b")),
        ("file:///a/b%20c", Path("/a/b c")),
        ("file:/a", Path("/a")),
        ("FILE:/a", Path("/a")),
        ("my_dir:x", Path("my_dir:x")),
        ("a/b:c", Path("a/b:c")),
        ("c:x", Path("c:x")),
        ("my_dir://x", None),
        ("sqlite:///x.db", None),
        ("https://host/x", None),
        ("mlflow-artifacts:/x", None),
        ("models:/m", None),
    ],
)
def test_a_local_path_is_told_from_a_uri_of_another_scheme(uri: str, path: Path | None) -> None:
    assert settings.local_path(uri) == path


def test_a_deleted_working_directory_leads_to_a_temporary_place_and_not_to_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        assert Path(tracklet.get_tracking_uri()).is_absolute()
    finally:
        os.chdir(tmp_path)
    assert "working directory was deleted" in caplog.text


def test_a_store_and_an_artifact_location_follow_one_rule(tmp_path: Path) -> None:
    """What names a folder for the store names it for artifacts, whatever the case of its scheme."""
    inside = tmp_path / "x"
    uri = f"FILE:{inside}"
    assert tracklet.TrackletClient(uri).create_experiment("e")
    assert inside.is_dir()
    assert repository(uri).local_path("") == inside
    tracklet.set_tracking_uri(uri)
    assert settings.tracking_uri() == uri
    for other in ("sqlite:///x.db", "https://host/x", "my_dir://x"):
        assert settings.path_of(other) is None
        with pytest.raises(InvalidParameterValue):
            FileStore(other)
    for odd in ("my_dir:x", "a/b:c"):
        assert settings.path_of(odd) == odd
        assert open_store(odd).root == str(Path.cwd() / odd)


def test_what_was_written_for_children_is_taken_back_with_the_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKLET_TRACKING_URI", "theirs")
    monkeypatch.delenv("TRACKLET_REGISTRY_URI", raising=False)
    before = dict(os.environ)
    tracklet.set_tracking_uri(tmp_path / "a")
    tracklet.set_registry_uri(tmp_path / "b")
    tracklet.set_tracking_uri(tmp_path / "c")
    written = {
        name: os.environ[name] for name in os.environ if os.environ[name] != before.get(name)
    }
    assert written == {
        "TRACKLET_TRACKING_URI": str(tmp_path / "c"),
        "TRACKLET_REGISTRY_URI": str(tmp_path / "b"),
    }
    tracklet.set_tracking_uri(None)
    assert os.environ["TRACKLET_TRACKING_URI"] == "theirs"
    tracklet.set_experiment("e")
    reset()
    assert dict(os.environ) == before
    tracklet.set_tracking_uri(tmp_path / "a")
    os.environ["TRACKLET_TRACKING_URI"] = "changed since"
    reset()
    assert os.environ["TRACKLET_TRACKING_URI"] == "changed since"


@pytest.mark.skipif(os.name != "posix", reason="needs users")
@pytest.mark.parametrize("taken", [False, True])
def test_everything_works_without_a_home_directory(
    taken: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container: what is cached, and the key, go to a place that is this user's alone."""
    import pwd

    def unknown(_: object) -> object:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TRACKLET_CACHE_DIR", "TRACKLET_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    place = tmp_path / "tmp" / f"tracklet-{os.getuid()}"
    if taken:  # by somebody who may look into it
        place.mkdir(mode=0o777)
        place.chmod(0o777)
    reset()
    with tracklet.start_run() as run:
        tracklet.pyfunc.log_model(name="model", python_model=lambda model_input: model_input)
    found = tracklet.search_runs(output_format="list")
    assert [each.info.run_id for each in found] == [run.info.run_id]
    (used,) = [p for p in (tmp_path / "tmp").iterdir() if (p / "config" / "signing.key").is_file()]
    assert (used == place) is not taken
    assert used.stat().st_mode & 0o077 == 0
    assert (used / "cache" / "index").is_dir()
    assert len([line for line in caplog.messages if "no home directory" in line]) == 1
    with pytest.raises(InvalidParameterValue, match="set HOME"):
        tracklet.set_tracking_uri("~/mlruns")


def test_an_empty_uri_is_no_place(tmp_path: Path) -> None:
    """It forgets what was chosen, and never makes the working directory itself the store."""
    default = tracklet.get_tracking_uri()
    for choose, chosen in (
        (tracklet.set_tracking_uri, tracklet.get_tracking_uri),
        (tracklet.set_registry_uri, tracklet.get_registry_uri),
    ):
        choose(str(tmp_path / "elsewhere"))
        choose("")
        assert chosen() == default
    assert tracklet.TrackletClient("").tracking_uri == default
    for empty in ("", "file:", "file://", "file://localhost"):
        with pytest.raises(InvalidParameterValue):
            FileStore(empty)


@pytest.mark.parametrize(
    "uri", ["file://otherhost/x", "file://./x", "file:///x?y", "file:///x#y", "FILE://otherhost/x"]
)
def test_a_file_uri_names_a_folder_of_this_machine(uri: str, tmp_path: Path) -> None:
    """What it says beside the path is refused, not passed over."""
    store = FileStore(tmp_path / "mlruns")
    for use in (
        lambda: open_store(uri),
        lambda: FileStore(uri),
        lambda: repository(uri),
        lambda: store.create_experiment("e", uri),
    ):
        with pytest.raises(InvalidParameterValue):
            use()
    assert open_store("file://localhost/x/y").root == "/x/y"


@pytest.mark.parametrize("name", ["what?", "a#b", "50%41", "a;b&c", "über ?x=1"])
@pytest.mark.parametrize("as_uri", [False, True])
def test_all_of_a_record_lies_below_its_folder(name: str, as_uri: bool, tmp_path: Path) -> None:
    """Whatever the folder is called; artifacts of runs and models, and traces, too."""
    home = tmp_path / "home" / name
    tracklet.set_tracking_uri(home.as_uri() if as_uri else home)
    with tracklet.start_run() as run:
        tracklet.log_text("x", "a/b.txt")
        model = tracklet.initialize_logged_model("m")
        with tracklet.start_span("s"):
            pass
    tracklet.TrackletClient().create_registered_model("r")
    assert [path.name for path in (tmp_path / "home").iterdir()] == [name]
    assert (home / "0" / run.info.run_id / "artifacts/a/b.txt").read_text() == "x"
    assert tracklet.artifacts.load_text(f"runs:/{run.info.run_id}/a/b.txt") == "x"
    assert model.artifact_location == str(home / "0/models" / model.model_id / "artifacts")
    assert len(tracklet.search_traces(return_type="list")) == 1


def test_the_users_folders_are_where_platformdirs_has_them(monkeypatch, tmp_path):
    """Without its import on Linux; with the variables of the XDG standard and without."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (None, "", str(tmp_path / "chosen")):
        for kind in ("cache", "config"):
            if given is None:
                monkeypatch.delenv(f"XDG_{kind.upper()}_HOME", raising=False)
            else:
                monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", given)
            theirs = getattr(platformdirs, f"user_{kind}_dir")("tracklet", appauthor=False)
            assert settings.user_folder(kind) == theirs
