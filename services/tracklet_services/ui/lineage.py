"""Where something came from and what came of it: data sets, runs, models, versions."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from tracklet.entities import LoggedModel, Run
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.reading import columns
from tracklet_services.ui.columns import PARENT
from tracklet_services.ui.models import Runs, quoted, versions_of
from tracklet_services.ui.place import Place
from tracklet_services.ui.rights import may

MOST: Final = 200
_WHOLE_CHILDREN: Final = 12
_LAYERS: Final = ("dataset", "run", "model", "version")


def lineage(place: Place, request: Request) -> Any:
    """The graph around a run, a logged model or a version."""
    kind, _, key = request.query_params.get("of", "").partition(":")
    graph = _Graph(place, request)
    if kind == "run" and key:
        graph.run(place.client.get_run(key))
    elif kind == "model" and key:
        graph.of_model(place.client.get_logged_model(key))
    elif kind == "version" and key:
        name, _, number = key.rpartition("/")
        graph.of_version(name, number)
    else:
        raise InvalidParameterValue(
            "a lineage is of run:ID, model:ID or version:NAME/NUMBER; got "
            f"{request.query_params.get('of', '')!r}"
        )
    nodes = sorted(graph.nodes.values(), key=lambda node: _LAYERS.index(node["kind"]))
    return {"of": graph.focus, "nodes": nodes, "edges": graph.edges, "left_out": graph.left_out}


class _Graph:
    """A graph in the making: what is beyond ``MOST`` nodes is counted and left out."""

    def __init__(self, place: Place, request: Request) -> None:
        self._place = place
        self._request = request
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[tuple[str, str, str]] = []
        self.left_out = 0
        self.focus = ""

    def _node(self, kind: str, key: str, **said: Any) -> str | None:
        if kind == "version":
            seen = may(self._request, "registered", key.rpartition("/")[0])
        else:
            seen = kind == "dataset" or may(self._request, "experiment", said["experiment"])
        if not seen:
            return None
        id_ = f"{kind}:{key}"
        if id_ not in self.nodes:
            if len(self.nodes) >= MOST:
                self.left_out += 1
                return None
            self.nodes[id_] = {"id": id_, "kind": kind, "key": key, **said}
        self.focus = self.focus or id_
        return id_

    def _edge(self, source: str | None, target: str | None, word: str) -> None:
        edge = (source, target, word)
        if source is not None and target is not None and edge not in self.edges:
            self.edges.append((source, target, word))

    def run(self, run: Run, *, family: bool = True) -> str | None:
        """A run with the data it used, its models and what came of them, and its family."""
        at = self._run(run)
        if at is None:
            return None
        for used in run.inputs.dataset_inputs:
            data = used.dataset
            context = {tag.key: tag.value for tag in used.tags}.get("mlflow.data.context", "used")
            node = self._node("dataset", f"{data.name}@{data.digest}", name=data.name,
                              detail=data.digest)  # fmt: skip
            self._edge(node, at, context)
        for given in run.inputs.model_inputs:
            model = self._found(given.model_id)
            if model is not None:
                self._edge(self._model(model), at, "used")
        for output in run.outputs.model_outputs:
            model = self._found(output.model_id)
            if model is not None:
                self._edge(at, self._model(model), "logged")
        for one in self._place.client.search_model_versions(f"run_id = {quoted(run.info.run_id)}"):
            version = self._version(one.name, str(one.version), one.current_stage)
            source = f"model:{one.model_id}"
            self._edge(source if source in self.nodes else at, version, "registered")
        if family:
            self._family(run, at)
        return at

    def _family(self, run: Run, at: str) -> None:
        parent = run.data.tags.get(PARENT)
        if parent:
            try:
                found = self._place.client.get_run(parent)
            except TrackletException:
                pass
            else:
                self._edge(self._run(found), at, "child")
        filter = f"tags.`{PARENT}` = '{run.info.run_id}'"
        ids = [run.info.experiment_id]
        rows = self._place.ask(lambda reader: columns.run_order(reader, ids, filter))
        for number, row in enumerate(rows):
            if number < _WHOLE_CHILDREN:
                child = self._place.client.get_run(row.run_id)
                self._edge(at, self.run(child, family=False), "child")
                continue
            node = self._node("run", row.run_id, name=row.name, detail=row.status,
                              experiment=row.experiment_id)  # fmt: skip
            self._edge(at, node, "child")

    def of_model(self, model: LoggedModel) -> None:
        """A model, the run that made it, and what came of both."""
        at = self._model(model)
        id_ = model.model_id
        runs = dict(self._place.ask(lambda reader: columns.runs_of_model(reader, id_)))
        if model.source_run_id:
            runs[model.source_run_id] = True
        known = Runs(self._place, self._request, runs)
        shown = [(run_id, came_out) for run_id, came_out in runs.items() if run_id in known]
        for number, (run_id, came_out) in enumerate(shown):
            if len(self.nodes) >= MOST:
                self.left_out += len(shown) - number
                break
            try:
                node = self.run(self._place.client.get_run(run_id))
            except TrackletException:
                continue
            if came_out:
                self._edge(node, at, "logged")
            else:
                self._edge(at, node, "used")

    def of_version(self, name: str, number: str) -> None:
        """A version, the model and the run that it is of, and what came of both."""
        found = self._place.client.get_model_version(name, number)
        at = self._version(name, number, found.current_stage)
        model = self._found(found.model_id or "")
        if model is not None:
            self._edge(self._model(model), at, "registered")
            self.of_model(model)
        elif found.run_id:
            try:
                run = self._place.client.get_run(found.run_id)
            except TrackletException:
                return
            self._edge(self.run(run), at, "registered")

    def _run(self, run: Run) -> str | None:
        info = run.info
        return self._node("run", info.run_id, name=info.run_name, detail=str(info.status),
                          experiment=info.experiment_id)  # fmt: skip

    def _found(self, model_id: str) -> LoggedModel | None:
        try:
            return self._place.client.get_logged_model(model_id)
        except TrackletException:
            return None

    def _model(self, model: LoggedModel) -> str | None:
        id_ = f"model:{model.model_id}"
        known = id_ in self.nodes
        detail = model.model_type or model.model_id[:12]
        at = self._node("model", model.model_id, name=model.name, detail=detail,
                        experiment=model.experiment_id)  # fmt: skip
        if at is not None and not known:
            for one in versions_of(self._place, model):
                node = self._version(one.name, str(one.version), one.current_stage)
                self._edge(at, node, "registered")
        return at

    def _version(self, name: str, number: str, stage: str) -> str | None:
        detail = "" if stage == "None" else stage
        return self._node("version", f"{name}/{number}", name=f"{name} {number}", detail=detail)
