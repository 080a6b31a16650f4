"""A backend in memory: all that the verbs ask of a place that keeps the record."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import Any

from tracklet import entities
from tracklet.errors import ResourceAlreadyExists
from tracklet.frozen import replace
from tracklet.reading import bulk, queries, tables
from tracklet.reading.connection import SqliteReader, open_sqlite
from tracklet.record import backend, rules
from tracklet.record.backend import Entry
from tracklet.record.traces import spans_of
from tracklet.record.writer import SessionWriter
from tracklet.state import gates


class Kept(Entry):
    def __init__(self, made: Any) -> None:
        super().__init__(*backend.identity(made))
        self.now, self.deleted_time, self.points = backend.info_of(made), None, []
        self.texts: Any = {"params": {}, "tags": {}, "aliases": {}} | backend.texts_of(made)
        self.links: tuple[dict[Any, Any], ...] = ({}, {}, {})

    info = property(lambda self: self.now)


class KeptTrace(backend.TraceEntry):
    def __init__(self, info: Any, spans: bytes) -> None:
        super().__init__(info.trace_id)
        self.by_id: dict[str, Any] = {}
        self.texts = {"tags": {"mlflow.artifactLocation": "memory:", **info.tags}}
        self._parts = {"info": info, "metadata": info.trace_metadata, **self.texts}
        self._parts |= {"assessments": self.by_id.values(), "spans": spans_of(spans)}


class Memory(backend.Backend, backend.Session):
    uri = where = artifact_root = "memory:"

    def __init__(self) -> None:
        self.all, self.gate = dict[Any, Any](), gates.add()
        self.create(entities.Experiment("0", "Default", "memory:/0", creation_time=1))

    def reading(self, *, exclusive: bool = False) -> Any:
        return nullcontext(self)

    writing = reading

    def find(self, kind: Any, key: Any, *, lock: bool = False) -> Any:
        return self.all.get((kind, key))

    def of(self, kind: str) -> list[Any]:
        return [entry for entry in list(self.all.values()) if entry.kind == kind]

    def experiment_named(self, name: str, *, offered: bool = True) -> Any:
        return next((e for e in self.of("experiment") if e.info.name == name), None)

    def children(self, entry: Entry, kind: Any) -> list[Any]:
        of = "name" if kind == "model version" else "experiment_id"
        return [child for child in self.of(kind) if getattr(child.info, of) == entry.key]

    def load(self, entry: Any) -> Any:
        texts = {part: dict(kept) for part, kept in entry.texts.items()}
        if entry.kind == "run":
            latest = {p.key: p.value for p in sorted(entry.points, key=queries.rank)}
            data = entities.RunData(latest, texts["params"], texts["tags"])
            *used, made = (list(links.values()) for links in entry.links)
            inputs, outputs = entities.RunInputs(*used), entities.RunOutputs(made)
            return entities.Run(entry.info, data, inputs, outputs)
        own: dict[str, Any] = {"tags": texts["tags"]}
        if entry.kind == "logged model":
            latest = {(p.key, p.dataset_name, p.dataset_digest): p for p in entry.points}
            own |= {"params": texts["params"], "metrics": list(latest.values())}
        elif entry.kind == "registered model":
            versions = map(self.load, self.children(entry, "model version"))
            newest = {version.current_stage: version for version in versions}
            newest.pop(rules.DELETED_STAGE, None)
            own["aliases"] = {alias: int(number) for alias, number in texts["aliases"].items()}
            own["latest_versions"] = list(newest.values())
        elif entry.kind == "model version":
            aliases = self.all["registered model", entry.key[0]].texts["aliases"]
            own["aliases"] = sorted(a for a in aliases if int(aliases[a]) == entry.key[1])
        return replace(entry.info, **own)

    def create(self, made: Any, *, carried: bool = False, past: Any = None) -> Any:
        return self.all.setdefault(backend.identity(made), Kept(made))

    def next_version(self, model: Entry) -> int:
        return 1 + max((v.key[1] for v in self.children(model, "model version")), default=0)

    def change(self, entry: Any, **fields: Any) -> None:
        entry.deleted_time = fields.pop("deleted_time", entry.deleted_time)
        versions = self.children(entry, "model version") if "name" in fields else []
        del self.all[entry.kind, entry.key]
        entry.now = replace(entry.now, **fields)
        entry.key = backend.identity(entry.now)[1]
        self.all[entry.kind, entry.key] = entry
        for version in versions:
            self.change(version, name=fields["name"])

    def move(self, experiment: Any, stage: str, now: int) -> bool:
        if experiment.info.lifecycle_stage == stage:
            return False
        for entry in self.children(experiment, "run") + self.children(experiment, "logged model"):
            self.change(entry, lifecycle_stage=stage, deleted_time=now)
        self.change(experiment, lifecycle_stage=stage, last_update_time=now)
        return True

    def record(
        self, entry: Any, points: Any = (), params: Any = None, tags: Any = None, **more: Any
    ) -> None:
        for key, value in (params or {}).items():
            if (old := entry.texts["params"].get(key, value)) != value:
                raise rules.changed(rules.word(entry.kind, "params"), key, entry, old, value)
        if entry.kind == "run":
            self.link(entry.key, points)
            points = [replace(point, model_id=None) for point in points]
            self.change(entry, run_name=(tags or {}).get(rules.RUN_NAME_TAG, entry.now.run_name))
        for part, kept in {"params": params, "tags": tags, **more}.items():
            entry.texts.get(part, {}).update(kept or {})
        getattr(entry, "points", []).extend(points)

    def drop(self, entry: Any, part: Any, key: str) -> bool:
        return entry.texts[part].pop(key, None) is not None

    def history(self, entry: Any, key: str | None = None) -> list[entities.Metric]:
        return [point for point in entry.points if key in (None, point.key)]

    def connect(self, run: Any, inputs: Any, outputs: Any) -> None:
        datasets, used, made = run.links
        for given in inputs.dataset_inputs:
            datasets.setdefault((given.dataset.name, given.dataset.digest), given)
        for model in inputs.model_inputs:
            used.setdefault(model.model_id, model)
        made |= {output.model_id: output for output in outputs.model_outputs}

    def remove(self, entry: Any) -> None:
        for kind in ("run", "logged model", "trace", "model version"):
            for child in self.children(entry, kind):
                self.remove(child)
        del self.all[entry.kind, entry.key]

    def release(self, run: Any) -> None:
        run.lease = None

    def set_history(self, run: Any, key: str, points: Any) -> None:
        run.points[:] = [*(point for point in run.points if point.key != key), *points]

    def carry(self, run: Any, rivals: Any = None) -> None:
        if rivals and run.lease:
            raise rules.carried(run)
        run.lease = True
        self.change(run, status="RUNNING", end_time=None)

    def writer(self, run: Entry) -> SessionWriter:
        return SessionWriter(self, run)

    def keep_trace(self, experiment: Entry, info: entities.TraceInfo, spans: bytes) -> None:
        if self.find("trace", info.trace_id):
            raise ResourceAlreadyExists(f"there is a trace with the id {info.trace_id!r} already")
        self.all["trace", info.trace_id] = KeptTrace(info, spans)

    def put_spans(self, trace: Any, spans: bytes) -> None:
        trace._parts["spans"] = spans_of(spans)

    def put_assessment(self, trace: Any, assessment: entities.Assessment) -> None:
        trace.by_id[assessment.assessment_id] = assessment

    def drop_assessment(self, trace: Any, assessment_id: str) -> None:
        del trace.by_id[assessment_id]

    def search(self, query: Any) -> Any:
        """Ask a database that is made of everything."""
        kinds = "experiment", "run", "logged model", "registered model"
        with self.gate, closing(open_sqlite(":memory:")) as db:
            for statement in tables.sqlite_statements():
                db.execute(statement)
            for entry in (entry for kind in kinds for entry in self.of(kind)):
                versions = map(self.load, self.children(entry, "model version"))
                latest = {p.key: p for p in sorted(entry.points, key=queries.rank)}.values()
                beside = {"run": [latest], "logged model": [entry.points], kinds[3]: [versions]}
                put = getattr(bulk, f"put_{entry.kind.replace(' ', '_')}")
                put(db, self.load(entry), *beside.get(entry.kind, ()))
            return queries.search(SqliteReader(db), query)
