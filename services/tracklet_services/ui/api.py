"""What the pages ask for: read-only, private to the UI, and as it likes from release to release."""

from __future__ import annotations

import getpass
import json
import math
from collections.abc import Callable
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tracklet.entities import Run, ViewType
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.reading import columns, queries
from tracklet.record.query import Query
from tracklet_services.ui import columns as table
from tracklet_services.ui import (
    events,
    extremes,
    frames,
    health,
    lineage,
    made,
    models,
    previews,
    rights,
    series,
    tables,
    traces,
)
from tracklet_services.ui.answers import number, without_user
from tracklet_services.ui.place import LIMITS, Place

NOTE = "mlflow.note.content"
_BINS = 800


def routes(place: Place) -> list[BaseRoute]:
    """The routes of the API over a record."""

    def route(path: str, answer: Callable[[Place, Request], Any]) -> BaseRoute:
        async def endpoint(request: Request) -> Response:
            try:
                made = await place.run(_answered, answer, place, request)
            except TrackletException as error:
                return failure(error)
            except NotImplementedError:
                return failure(NotKept(f"{without_user(place.uri)} keeps nothing of this kind"))
            if isinstance(made, Response):
                return made
            if isinstance(made, bytes):
                return Response(made, media_type=frames.MEDIA_TYPE)
            return as_json(made)

        return Route(path, endpoint, methods=["GET"])

    return [
        route("/api/ui/v1/place", about_place),
        route("/api/ui/v1/experiments", experiments),
        route("/api/ui/v1/keys", keys),
        route("/api/ui/v1/table", run_table),
        route("/api/ui/v1/series", curves),
        route("/api/ui/v1/extremes", extremes.extremes),
        route("/api/ui/v1/points", points),
        events.route(place),
        route("/api/ui/v1/run/{run_id}", run_page),
        route("/api/ui/v1/models", models.logged),
        route("/api/ui/v1/model/{model_id}", models.model),
        route("/api/ui/v1/registry", models.registry),
        route("/api/ui/v1/registered", models.registered),
        route("/api/ui/v1/registered/metrics", models.over_versions),
        route("/api/ui/v1/version", models.version),
        route("/api/ui/v1/traces", traces.traces),
        route("/api/ui/v1/trace/{trace_id}", traces.trace),
        route("/api/ui/v1/trace/{trace_id}/span", traces.span),
        route("/api/ui/v1/lineage", lineage.lineage),
        route("/api/ui/v1/doctor", health.doctor),
        route("/api/ui/v1/tree", tree),
        route("/api/ui/v1/describe", describe),
        route("/api/ui/v1/mlmodel", mlmodel),
        route("/api/ui/v1/parquet", parquet),
        route("/api/ui/v1/log", log),
        route("/api/ui/v1/code", code),
        route("/files/{kind:str}/{owner:str}/{path:path}", file),
    ]


class NotKept(TrackletException):
    """The store of the record does not know what a page shows."""

    code = "NOT_IMPLEMENTED"


def _answered(answer: Callable[[Place, Request], Any], place: Place, request: Request) -> Any:
    """An answer to who may have it; a page of one thing is told what may be done to that."""
    rights.check(place, request)
    with previews.fetching() as fetched:
        made = answer(place, request)
        _keep_until_sent(fetched, made)
    best = rights.best(place, request) if isinstance(made, dict) else None
    return made if best is None else {**made, "may": best}


def _keep_until_sent(fetched: list[TemporaryDirectory[str]], made: Any) -> None:
    """Keep what was fetched for an answer that is a file, until that is sent."""
    if not fetched or not isinstance(made, Response):
        return
    folders = fetched.copy()
    fetched.clear()

    def remove() -> None:
        for folder in folders:
            folder.cleanup()

    made.background = BackgroundTask(remove)


def as_json(document: Any, status: int = 200) -> Response:
    """A document as an answer."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


def failure(error: TrackletException) -> Response:
    """An error as an answer: what failed, and what to do."""
    code = 410 if isinstance(error, table.UnknownOrder) else error.get_http_status_code()
    document = {"error_code": error.error_code, "message": error.message, **error.fields}
    return as_json(document, code)


# -- what is asked -----------------------------------------------------------------------------


def _experiments_of(request: Request) -> list[str]:
    return [id_ for id_ in request.query_params.get("experiments", "").split(",") if id_]


def about_place(place: Place, request: Request) -> Any:
    """The record, and what the UI may do with it."""
    return {
        "place": without_user(place.uri),
        "kind": urlsplit(place.uri).scheme.partition("+")[0] or "folder",
        "version": version("tracklet"),
        "read_only": place.read_only,
        "user": rights.name(request) or getpass.getuser(),
        "limits": LIMITS,
    }


def experiments(place: Place, request: Request) -> Any:
    """All experiments with what a list shows of them."""
    view = ViewType.from_string(request.query_params.get("view", "active_only"))

    def answer(reader: Any) -> Any:
        counts = columns.run_counts(reader)
        found: list[Any] = []
        token = None
        while True:
            page = queries.search(reader, Query("experiments", None, [], 50_000, token, view=view))
            found += page
            token = page.token
            if token is None:
                break
        return [
            {
                "id": one.experiment_id,
                "name": one.name,
                "stage": one.lifecycle_stage,
                "created": one.creation_time,
                "artifacts": without_user(one.artifact_location),
                "tags": {k: v for k, v in one.tags.items() if k != NOTE},
                "note": one.tags.get(NOTE, ""),
                "may": rights.most(request, "experiment", one.experiment_id),
                **dict(
                    zip(
                        ("runs", "running", "failed", "last"),
                        counts.get(one.experiment_id, (0, 0, 0, None)),
                        strict=True,
                    )
                ),
            }
            for one in found
            if rights.may(request, "experiment", one.experiment_id)
        ]

    return {"experiments": place.ask(answer)}


def keys(place: Place, request: Request) -> Any:
    """The keys of the runs of some experiments, or of a sample: of the latest."""
    wanted = _experiments_of(request)
    sample = 50 if "sample" in request.query_params else 0
    found = place.ask(lambda reader: columns.key_uses(reader, wanted, sample))
    return {"keys": [[use.kind, use.key, use.runs, use.differs] for use in found]}


def run_table(place: Place, request: Request) -> Any:
    """The run table: an order with columns, or further columns of one."""
    asked = request.query_params
    names = asked.getlist("column")
    if "since" in asked:
        return table.more(place, asked["since"], names)
    view = ViewType.from_string(asked.get("view", "active_only"))
    order_by = asked.getlist("order")
    return table.table(
        place, _experiments_of(request), asked.get("filter", ""), order_by, view, names
    )


def curves(place: Place, request: Request) -> Any:
    """A metric of several runs: frames, each after its length."""
    bins = int(_asked_number(request, "bins") or _BINS)
    frames_ = series.series(place, *_asked_curves(request), bins)
    return b"".join(len(one).to_bytes(4, "little") + one for one in frames_)


def points(place: Place, request: Request) -> Any:
    """All points of a metric of several runs, as CSV."""
    return StreamingResponse(
        series.points(place, *_asked_curves(request)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": "attachment"},
    )


def _asked_curves(request: Request) -> tuple[list[str], str, Any, Any]:
    asked = request.query_params
    between = _asked_number(request, "from"), _asked_number(request, "to")
    return asked.getlist("run"), asked.get("key", ""), asked.get("x", "step"), between


def _asked_number(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if math.isfinite(given := float(text)):
            return given
    except ValueError:
        pass
    raise InvalidParameterValue(f"{name} is a number; got {text!r}")


def run_page(place: Place, request: Request) -> Any:
    """All that the page of a run needs."""
    run = place.client.get_run(request.path_params["run_id"])
    experiment = place.client.get_experiment(run.info.experiment_id)
    family = _related(place, request, run)
    return {
        "info": {**dict(run.info), "artifact_uri": without_user(run.info.artifact_uri or "")},
        "experiment": {"id": experiment.experiment_id, "name": experiment.name},
        "params": run.data.params,
        "metrics": [
            [m.key, number(m.value), m.step, m.timestamp]
            for m in sorted(place.client.store.last_points(run.info.run_id), key=lambda m: m.key)
        ],
        "tags": run.data.tags,
        "datasets": [
            {
                "name": used.dataset.name,
                "digest": used.dataset.digest,
                "source_type": used.dataset.source_type,
                "source": without_user(used.dataset.source or ""),
                "schema": used.dataset.schema,
                "profile": used.dataset.profile,
                "tags": {tag.key: tag.value for tag in used.tags},
            }
            for used in run.inputs.dataset_inputs
        ],
        "models": _models(place, request, run),
        **family,
    }


def _related(place: Place, request: Request, run: Run) -> dict[str, Any]:
    """The parent and the children of a run, by id, name and status."""
    parent = run.data.tags.get(table.PARENT)
    filter = f"tags.`{table.PARENT}` = '{run.info.run_id}'"
    rows = place.ask(lambda reader: columns.run_order(reader, [run.info.experiment_id], filter))
    found: dict[str, Any] = {
        "parent": None,
        "children": [[r.run_id, r.name, r.status] for r in rows],
    }
    if parent:
        # A tag may name any run at all: of those that may not be read no more is told than it says.
        known = models.Runs(place, request, [parent]).brief(parent) or {}
        found["parent"] = [parent, known["name"], known["status"], known["experiment_id"]]
    return found


def _models(place: Place, request: Request, run: Run) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for output in run.outputs.model_outputs:
        try:
            model = place.client.get_logged_model(output.model_id)
        except ResourceDoesNotExist:
            continue
        if not rights.may(request, "experiment", model.experiment_id):
            continue
        shown.append(
            {
                "id": model.model_id,
                "name": model.name,
                "step": output.step,
                "status": str(model.status),
                "type": model.model_type,
            }
        )
    return shown


# -- files -------------------------------------------------------------------------------------


def tree(place: Place, request: Request) -> Any:
    """What is in a folder of a run or a logged model."""
    asked = request.query_params
    path = asked.get("path", "")
    if "model" in asked:
        return previews.model_tree(place, asked["model"], path)
    return previews.tree(place, asked.get("run", ""), path)


def _asked(request: Request) -> tuple[str, str, str]:
    """Of what kind the owner of a file is, which one, and the file's path."""
    asked = request.query_params
    kind = "models" if "model" in asked else "runs"
    return kind, asked.get("model") or asked.get("run", ""), asked.get("path", "")


def _asked_file(place: Place, request: Request) -> Any:
    return previews.local_file(place, *_asked(request))


def describe(place: Place, request: Request) -> Any:
    """What a file is."""
    return previews.describe(place, *_asked(request))


def mlmodel(place: Place, request: Request) -> Any:
    """What a model says of itself."""
    path = _asked_file(place, request)
    return previews.about_model(path.parent if path.is_file() else path)


def parquet(place: Place, request: Request) -> Any:
    """The first rows of a Parquet file."""
    return tables.parquet(_asked_file(place, request))


def log(place: Place, request: Request) -> Any:
    """What a run printed."""
    start = request.query_params.get("from", "")
    return made.log(
        place, request.query_params.get("run", ""), int(start) if start.isdecimal() else None
    )


def code(place: Place, request: Request) -> Any:
    """What a run was made of."""
    return made.code(place, request.query_params.get("run", ""))


def file(place: Place, request: Request) -> Any:
    """The bytes of a file."""
    kind, owner, path = (request.path_params[name] for name in ("kind", "owner", "path"))
    if kind not in ("runs", "models") or not (path or "zip" in request.query_params):
        raise InvalidParameterValue("files lie below files/runs/ID/ and files/models/ID/")
    if "zip" in request.query_params:
        previews.check_zip(place, kind, owner, path)
    return previews.response(previews.local_file(place, kind, owner, path), request)
