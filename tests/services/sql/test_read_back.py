"""Whatever a ``log_*`` call accepts is read back by every reading call, on every store."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracklet.client import TrackletClient
from tracklet.entities import Dataset, DatasetInput, InputTag, Metric
from tracklet.errors import TrackletException

# What stores and readers might take for something else, beside what Unicode has.
ODD = (
    "a", "A", "loss", "ß", "e\u0301", "\u202e", "😀", "\u2028", ".", "..", "a.", " ", "a ", "/",
    "\\", ":", "%", "%2F", "'", '"', "*", "\n", "\r\n", "\t", "\0", "\x7f", "\x85", "\ud800",
    "# ", "- ", "null", "0", "~", "x" * 250, "ü" * 128, "meta.yaml", ".tracklet", "$", "[", "{",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(ODD), max_size=3).map("".join) | st.text(max_size=8)
NUMBERS = st.floats() | st.integers(-(2**70), 2**70) | st.sampled_from([-0.0, 5e-324, 10**400])
VALUES = TEXTS | NUMBERS | st.none() | st.booleans() | st.lists(st.integers(), max_size=2)
WHOLE = st.integers(-(2**64), 2**64) | st.sampled_from([-(2**63), 2**63 - 1, 0])

# Every text of a record that a call sets under a key, by the name that it has below.
SETTERS: dict[str, Callable[[Subject, str, Any], object]] = {
    "params": lambda to, key, value: to.client.log_param(to.run_id, key, value),
    "tags": lambda to, key, value: to.client.set_tag(to.run_id, key, value),
    "experiment": lambda to, key, value: to.client.set_experiment_tag(to.experiment_id, key, value),
    "model tags": lambda to, key, value: to.client.set_logged_model_tags(to.model_id, {key: value}),
    "model params": lambda to, key, value: to.client.log_model_params(to.model_id, {key: value}),
    "registered": lambda to, key, value: to.client.set_registered_model_tag(to.name, key, value),
    "version": lambda to, key, value: to.client.set_model_version_tag(to.name, 1, key, value),
}


class Call(NamedTuple):
    """A call, what a record has more of after it, and the key or name that it sets."""

    make: Callable[[Subject], object]
    keep: Callable[[dict[str, Any]], object]
    key: str


class Subject:
    """What calls go to in one store: one entity of each kind."""

    def __init__(self, client: TrackletClient, name: str) -> None:
        self.client = client
        self.name = name
        self.experiment_id = client.create_experiment(name)
        self.run_id = client.create_run(self.experiment_id, run_name=name).info.run_id
        self.model_id = client.create_logged_model(self.experiment_id, "model").model_id
        client.create_registered_model(name)
        client.create_model_version(name, "/somewhere")

    def record(self) -> dict[str, Any]:
        """All that can be read; each of the calls that read an entity must find the same."""
        client, named = self.client, f"name = '{self.name}'"
        run = same(client.get_run(self.run_id), client.search_runs([self.experiment_id]))
        experiment = same(
            client.get_experiment(self.experiment_id),
            [client.get_experiment_by_name(self.name), *client.search_experiments(1, 9, named)],
        )
        model = same(
            client.get_logged_model(self.model_id),
            client.search_logged_models([self.experiment_id]),
        )
        registered = same(
            client.get_registered_model(self.name), client.search_registered_models(named)
        )
        version = same(client.get_model_version(self.name, 1), client.search_model_versions(named))
        histories = {key: client.get_metric_history(self.run_id, key) for key in run.data.metrics}
        for key, points in histories.items():
            latest = max(points, key=lambda at: (at.step, at.timestamp, as_ordered(at.value)))
            assert repr(run.data.metrics[key]) == repr(latest.value)
        points = {key: [point_of(at) for at in history] for key, history in histories.items()}
        assert {at.key for at in model.metrics} == set(points)
        return {
            "params": run.data.params,
            "tags": run.data.tags,
            "points": points,
            "datasets": {
                (used.dataset, tuple((tag.key, tag.value) for tag in used.tags))
                for used in run.inputs.dataset_inputs
            },
            "experiment": experiment.tags,
            "model tags": model.tags,
            "model params": model.params,
            "registered": registered.tags,
            "version": version.tags,
            "descriptions": (registered.description, version.description),
        }


def same(got: Any, found: Any) -> Any:
    """One entity, which all reading calls give alike; NaN is equal to itself."""
    assert {repr(each) for each in found} == {repr(got)}
    return got


def as_ordered(value: float) -> float:
    """NaN comes before all numbers."""
    return value if value == value else float("-inf")


def point_of(at: Metric) -> tuple[Any, ...]:
    """What was logged of a point."""
    return repr(at.value), at.timestamp, at.step, at.dataset_name, at.dataset_digest


@st.composite
def setters(draw: st.DrawFn) -> Call:
    part, key, value = draw(st.sampled_from(sorted(SETTERS))), draw(TEXTS), draw(VALUES)
    return Call(
        lambda to: SETTERS[part](to, key, value),
        lambda kept: kept[part].update({key: str(value)}),
        key,
    )


@st.composite
def metrics(draw: st.DrawFn) -> Call:
    key, value = draw(TEXTS), draw(NUMBERS)
    timestamp, step = draw(WHOLE.filter(bool)), draw(WHOLE)
    dataset = draw(st.just((None, None)) | st.tuples(TEXTS, TEXTS))
    return Call(
        lambda to: to.client.log_metric(
            to.run_id, key, value, timestamp, step, None, *dataset, to.model_id
        ),
        lambda kept: (
            kept["points"]
            .setdefault(key, [])
            .append((repr(float(value)), timestamp, step, *dataset))
        ),
        key,
    )


@st.composite
def datasets(draw: st.DrawFn) -> Call:
    text, perhaps = draw(TEXTS), draw(st.none() | TEXTS)
    dataset = Dataset(draw(TEXTS), draw(TEXTS), "code", text, perhaps, perhaps)
    tags = draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
    used = DatasetInput(dataset, [InputTag(key, tags[key]) for key in sorted(tags)])
    return Call(
        lambda to: to.client.log_inputs(to.run_id, [used]),
        lambda kept: kept["datasets"].add((dataset, tuple(sorted(tags.items())))),
        f"dataset {dataset.name} {dataset.digest}",
    )


@st.composite
def descriptions(draw: st.DrawFn) -> Call:
    text = draw(TEXTS)

    def describe(to: Subject) -> None:
        to.client.update_registered_model(to.name, text)
        to.client.update_model_version(to.name, 1, text)

    return Call(describe, lambda kept: kept.update(descriptions=(text, text)), "")


KINDS = setters() | metrics() | datasets() | descriptions()
# Of a dataset that a run used, the first description counts.
CALLS = st.lists(KINDS, max_size=6).filter(
    lambda calls: all(
        not call.key.startswith("dataset ") or [at.key for at in calls].count(call.key) == 1
        for call in calls
    )
)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[TrackletClient]]:
    folder = tmp_path_factory.mktemp("stores")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKLET_CACHE_DIR", str(folder / "cache"))
        yield [TrackletClient(f"{folder}/files"), TrackletClient(f"sqlite:///{folder}/record.db")]


@given(CALLS)
@settings(max_examples=20, deadline=None)
def test_what_a_call_accepts_is_read_back(clients: list[TrackletClient], calls: list[Call]) -> None:
    """By each call, exactly; folder and database accept the same; refusals leave nothing."""
    name = f"subject {len(clients[0].search_experiments())}"
    accepted: list[list[bool]] = []
    for client in clients:
        subject = Subject(client, name)
        expected = deepcopy(subject.record())
        accepted.append([])
        for call in calls:
            try:
                call.make(subject)
            except TrackletException:
                accepted[-1].append(False)
            else:
                accepted[-1].append(True)
                call.keep(expected)
        assert subject.record() == expected
    # Of keys that lie below one another, files cannot hold both.
    if not any("/" in call.key for call in calls):
        assert accepted[0] == accepted[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXTS, of, max_size=3),
    max_leaves=8,
)
FILES = st.text(
    st.characters(categories=("L", "N", "So"), include_characters=" -_.()"), min_size=1, max_size=20
).map("a{}z".format)


@given(file=FILES, document=st.dictionaries(TEXTS, JSON, max_size=3), text=TEXTS, data=st.binary())
@settings(max_examples=20, deadline=None)
def test_what_becomes_an_artifact_is_read_back(
    clients: list[TrackletClient], file: str, document: Any, text: str, data: bytes
) -> None:
    """Texts, documents and bytes, under the name that they were given."""
    yaml = pytest.importorskip("yaml")
    client = clients[0]
    run_id = client.create_run("0").info.run_id
    written = {
        f"{file}.txt": (lambda name: client.log_text(run_id, text, name), bytes.decode, text),
        f"{file}.json": (
            lambda name: client.log_dict(run_id, document, name),
            json.loads,
            document,
        ),
        f"{file}.yaml": (
            lambda name: client.log_dict(run_id, document, name),
            yaml.safe_load,
            document,
        ),
        f"{file}.bin": (
            lambda name: client.log_stream(run_id, io.BytesIO(data), name),
            bytes,
            data,
        ),
    }
    kept = set()
    for name, (write, read, content) in written.items():
        try:
            write(name)
        except TrackletException:
            continue
        kept.add(name)
        assert read(Path(client.download_artifacts(run_id, name)).read_bytes()) == content
    assert {each.path for each in client.list_artifacts(run_id)} == kept
    assert f"{file}.bin" in kept


# pandas makes one type of the cells of a column.
COLUMNS = (
    st.lists(st.integers(-(2**53), 2**53), min_size=2, max_size=2)
    | st.lists(st.booleans(), min_size=2, max_size=2)
    | st.lists(TEXTS, min_size=2, max_size=2)
)


@given(columns=st.dictionaries(TEXTS, COLUMNS, min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_tables_are_read_back(clients: list[TrackletClient], columns: dict[str, Any]) -> None:
    """Columns and cells, also appended ones."""
    pytest.importorskip("pandas")
    client = clients[0]
    run_id = client.create_run("0").info.run_id
    try:
        client.log_table(run_id, columns, "table.json")
    except TrackletException:
        assert client.list_artifacts(run_id) == []
        return
    client.log_table(run_id, columns, "table.json")
    table = client.load_table("0", "table.json", [run_id])
    assert {str(name): list(table[name]) for name in table} == {
        name: cells + cells for name, cells in columns.items()
    }


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3, 4])),
    data=st.binary(min_size=64, max_size=64),
)
@settings(max_examples=20, deadline=None)
def test_images_are_read_back(
    clients: list[TrackletClient], shape: tuple[int, int, int], data: bytes
) -> None:
    """Pixel by pixel."""
    np, image = pytest.importorskip("numpy"), pytest.importorskip("PIL.Image")
    client = clients[0]
    run_id = client.create_run("0").info.run_id
    pixels = np.frombuffer(data, np.uint8)[: shape[0] * shape[1] * shape[2]].reshape(shape)
    client.log_image(run_id, pixels, "image.png")
    with image.open(client.download_artifacts(run_id, "image.png")) as picture:
        assert np.array_equal(np.asarray(picture).reshape(shape), pixels)
