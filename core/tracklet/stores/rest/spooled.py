"""A server's record, of which this machine writes its own runs into a spool."""

from __future__ import annotations

import atexit
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracklet import entities, lazy, validation
from tracklet.entities import PagedList, Span, Trace, TraceInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.frozen import replace
from tracklet.record.backend import identity
from tracklet.record.query import Query
from tracklet.record.traces import Traces
from tracklet.stores.rest.spool import LATER, MODEL_TAG, RUN_TAG, Cursor, Spool
from tracklet.stores.rest.store import RestStore
from tracklet.stores.rest.traces import RestTraces
from tracklet.wire import Unreachable, within

if TYPE_CHECKING:
    from tracklet.record.backend import Rivals, RunWriter

V = TypeVar("V", bound=Callable[..., Any])

LIMIT_AT_START: Final = 3.0
LIMIT_AT_EXIT: Final = 3.0
LIMIT_OF_READS: Final = 5.0
LIMIT_OF_REGISTRATION: Final = 120.0
"""For how long, in seconds, a server is waited for."""

_LOOKS_AT_ROOM: Final = 30.0
"""How many seconds pass between two looks at how much the spool holds."""

_OUR_ID: Final = re.compile("(m-)?[0-9a-f]{32}")

_logger = lazy.logger(__name__)


def _of_run(verb: V) -> V:
    """A verb on a run: of one in the spool it is the spool's."""
    return _routed(verb, "run")


def _of_model(verb: V) -> V:
    """A verb on a logged model: of one in the spool it is the spool's."""
    return _routed(verb, "logged model")


def _routed(verb: Any, kind: Any) -> Any:
    name = verb.__name__
    changes = not name.startswith(("get_", "last_", "deletion"))

    @wraps(verb)
    def call(self: SpooledStore, *args: Any, **kwargs: Any) -> Any:
        key, *rest = args or (kwargs.pop(next(k for k in kwargs if k.endswith("_id"))),)
        if self.spool.has(kind, key):
            if kind == "run" and not changes and self.spool.is_part(key):
                if not self.settle(LIMIT_OF_READS):
                    _logger.warning("what run %s got here last is not on %s yet", key, self.uri)
            else:
                answer = getattr(self.spool.store, name)(key, *rest, **kwargs)
                if changes:
                    if kind == "run":
                        self.spool.stir(key)
                    self.spool.wake()
                return answer
        try:
            return verb(self, self.spool.server_id(key), *rest, **kwargs)
        except ResourceDoesNotExist:
            theirs = self._found_by_tag(kind, key)
            if theirs is None:
                raise
            return verb(self, theirs, *rest, **kwargs)

    return call


class SpooledStore(RestStore):
    """The record behind a tracking server; training never waits for it.

    A run that this machine starts is written into a folder of the spool, exactly as without a
    server, and another process sends what is there (:meth:`Spool.wake`). Such a run is read where
    it is written; all else is asked of the server, within limits of time.

    Args:
        uri: ``http(s)://[user:password@]host[:port][/prefix]``.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.spool = Spool(self.server.uri, uri)
        self._uri = uri
        self._quick = RestStore(uri, LIMIT_AT_START)
        self._started: set[str] = set()
        self._roomy_until = 0.0
        self._pid: int | None = None

    @property
    def traces(self) -> Traces:
        if self._kept_traces is None:
            self._kept_traces = SpooledTraces(self)
        return self._kept_traces

    def close(self) -> None:
        super().close()
        self._quick.close()
        self.spool.store.close()
        if self._pid is not None:
            atexit.unregister(self._at_exit)

    def _found_by_tag(self, kind: str, key: Any) -> str | None:
        """The server's id of what another machine calls by this one."""
        if not isinstance(key, str) or not _OUR_ID.fullmatch(key):
            return None
        tag = RUN_TAG if kind == "run" else MODEL_TAG
        experiments = [each.experiment_id for each in self.search_experiments()]
        kinds: Any = f"{kind}s"
        query = Query(kinds, f"tags.`{tag}` = '{key}'", None, 100, None, experiments)
        found = super().search(query)
        return identity(found[0])[1] if found else None

    # -- sending ---------------------------------------------------------------------------------

    def settle(self, limit: float) -> bool:
        """Wait until the server has what this process recorded, and say whether it does.

        Args:
            limit: For how long, in seconds; a server that cannot be reached is not waited for.
        """
        until = time.monotonic() + limit
        while (left := self._undelivered()) and time.monotonic() < until:
            with self.spool.sending() as free:
                if free:
                    return self._send(limit)
            if self.spool.trouble(left) is not None:
                return False
            time.sleep(0.02)
        return not left

    def _send(self, limit: float) -> bool:
        """Send what there is, for nobody else does."""
        from tracklet.stores.rest.shipper import Shipper

        server = RestStore(self._uri, limit)
        with suppress(Unreachable):
            Shipper(self.spool, server).deliver()
        server.close()
        return not self._undelivered()

    def _undelivered(self) -> list[str]:
        """The runs of this process of which something is not sent."""
        from tracklet.stores.rest.shipper import is_sent

        left = []
        for run_id in self._started:
            entry = self.spool.store.backend.find("run", run_id)
            if entry is not None and not is_sent(entry.folder):
                left.append(run_id)
        return left

    def _note_start(self, run_id: str) -> None:
        if self._pid != os.getpid():
            self._started.clear()
            self._pid = os.getpid()
            atexit.register(self._at_exit)
        self._started.add(run_id)
        self.spool.wake()

    def _at_exit(self) -> None:
        if self._pid != os.getpid():
            return
        until = time.monotonic() + LIMIT_AT_EXIT
        while (left := self._undelivered()) and time.monotonic() < until:
            if self.spool.trouble(left) is not None:
                break
            with self.spool.sending() as free:
                if free:
                    break
            time.sleep(0.02)
        if left:
            _logger.warning(
                "%d run(s) are not all sent to %s yet (%s); 'tracklet sync' sends the rest",
                len(left),
                self.uri,
                self.spool.trouble() or "it goes on",
            )

    # -- experiments -----------------------------------------------------------------------------

    def ensure_experiment(self, name: str) -> entities.Experiment:
        """The experiment of that name; without the server one that it gets later."""
        try:
            found = self._quick.ensure_experiment(name)
        except Unreachable as error:
            known = self.spool.store.get_experiment_by_name(name) if self.spool.is_there() else None
            if known is None:
                from tracklet.names import experiment_id

                known = self.spool.put_experiment(experiment_id(), name, **{LATER: "true"})
            _logger.warning("experiment %r is kept here for now: %s", name, error)
            return known
        if found.lifecycle_stage == entities.LifecycleStage.ACTIVE:
            self.spool.put_experiment(found.experiment_id, name)
        return found

    def get_experiment(self, experiment_id: str) -> entities.Experiment:
        known = self.spool.server_id(validation.as_experiment_id(experiment_id))
        kept = self.spool.experiment(known)
        if kept is not None and LATER in kept.tags:
            return kept
        return super().get_experiment(known)

    def _place_for_runs(self, experiment_id: str) -> str:
        """The experiment in the spool that runs of one go to."""
        given = validation.as_experiment_id(experiment_id)
        if self.spool.experiment(given) is None:
            name = "Default" if given == "0" else None
            if name is None:
                found = self._quick.get_experiment(given)
                if found.lifecycle_stage == entities.LifecycleStage.DELETED:
                    raise InvalidParameterValue(
                        f"cannot create a run in experiment {given}: it is deleted; "
                        "restore_experiment takes it back"
                    )
                name = found.name
            self.spool.put_experiment(given, name)
        return given

    def _check_room(self) -> None:
        """Keep the spool from filling the disk: what was sent goes first, then nothing new comes.

        Raises:
            StorageError: It holds as much as it may.
        """
        if time.monotonic() < self._roomy_until:
            return
        if self.spool.room() <= 0:
            from tracklet.stores.rest.shipper import Shipper

            with self.spool.sending() as free:
                if free:
                    Shipper(self.spool, self._quick).remove_sent(0)
            if self.spool.room() <= 0:
                raise StorageError(
                    f"{self.spool.root} holds {self.spool.size() / 1e6:.0f} MB that "
                    f"{self.uri} does not have yet, and may hold no more: "
                    f"{self.spool.trouble() or 'it is being sent'}. 'tracklet sync' sends it; the "
                    "option SPOOL_MB says how much there may be"
                )
        self._roomy_until = time.monotonic() + _LOOKS_AT_ROOM

    # -- runs ------------------------------------------------------------------------------------

    @contextmanager
    def starting(self) -> Iterator[None]:
        """A block in which a run goes on.

        Raises:
            Unreachable: What is known of it is with a server that does not answer.
        """
        try:
            with within(LIMIT_AT_START):
                yield
        except Unreachable as error:
            raise Unreachable(
                "a run goes on only where it is known, and what is known of this one is not all in "
                f"{self.spool.root}: {error} Start a new run meanwhile, which waits for no server"
            ) from error

    def start_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> tuple[entities.Run, RunWriter]:
        """Create a run in the spool; the server need not be there."""
        home = self._place_for_runs(experiment_id)
        self._check_room()
        started = self.spool.store.start_run(home, user_id, start_time, tags, run_name)
        self._note_start(started[0].info.run_id)
        return started

    def open_run(
        self, run_id: str, *, live: bool = True, rivals: Rivals | None = None
    ) -> RunWriter:
        """A writer on a run, which is in the spool from here on."""
        if not self.spool.has("run", run_id):
            run = RestStore.get_run(self, self.spool.server_id(run_id))
            if run.info.lifecycle_stage == entities.LifecycleStage.DELETED:
                raise InvalidParameterValue(
                    f"cannot log to run {run_id}: it is deleted; restore_run takes it back"
                )
            self._place_for_runs(run.info.experiment_id)
            self._check_room()
            mine = replace(run, info=replace(run.info, run_id=run_id))
            self.spool.adopt(mine, run.info.run_id)
        writer = self.spool.store.open_run(run_id, live=live, rivals=rivals)
        self._note_start(run_id)
        return writer

    def place_for_artifacts(self, run_id: str, info: entities.RunInfo | None = None) -> str:
        """Also of a run that the server had before: what comes here is sent with the rest."""
        if self.spool.has("run", run_id):
            return self.spool.store.place_for_artifacts(run_id)
        return super().place_for_artifacts(run_id, info)

    get_run = _of_run(RestStore.get_run)
    update_run = _of_run(RestStore.update_run)
    log_batch = _of_run(RestStore.log_batch)
    delete_tag = _of_run(RestStore.delete_tag)
    get_metric_history = _of_run(RestStore.get_metric_history)
    set_history = _of_run(RestStore.set_history)
    get_params = _of_run(RestStore.get_params)
    last_points = _of_run(RestStore.last_points)
    log_inputs = _of_run(RestStore.log_inputs)
    log_outputs = _of_run(RestStore.log_outputs)
    deletion_time = _of_run(RestStore.deletion_time)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the server's trash; one of the spool is sent first."""
        self._sent(run_id)
        super().delete_run(self.spool.server_id(run_id))
        if self.spool.has("run", run_id):
            self.spool.store.delete_run(run_id)

    def restore_run(self, run_id: str) -> None:
        super().restore_run(self.spool.server_id(run_id))
        if self.spool.has("run", run_id):
            self.spool.store.restore_run(run_id)

    def search(self, query: Query) -> PagedList[Any]:
        """A page; runs of the spool that the server does not know yet come first."""
        if query.kind not in ("runs", "logged models"):
            return super().search(query)
        validation.validate_max_results(query.max_results)
        self.settle(LIMIT_OF_READS)
        ids = [self.spool.server_id(each) for each in query.experiment_ids]
        asked = replace(query, experiment_ids=ids)
        if query.kind == "logged models":
            return super().search(asked)
        everywhere = replace(query, experiment_ids=[*query.experiment_ids, *ids])
        unsent = [] if query.page_token else self._kept(everywhere, "run_id")
        left = max(1, query.max_results - len(unsent))
        try:
            page = super().search(replace(asked, max_results=left))
        except Unreachable as error:
            kept = [] if query.page_token else self._kept(everywhere, "part")
            if not kept:
                raise
            _logger.warning("only runs that are kept here are shown: %s", error)
            return PagedList(kept)
        return PagedList([*unsent, *page], page.token)

    def _kept(self, query: Query, but: str) -> list[entities.Run]:
        """Runs of the spool, but for those whose notes of what was sent say this."""
        if not self.spool.is_there():
            return []
        shown = {
            os.path.basename(run_dir)
            for run_dir in self.spool.run_dirs()
            if not Cursor(run_dir).kept.get(but)
        }
        if not shown:
            return []
        found = self.spool.store.search(replace(query, max_results=50_000))
        return [run for run in found if run.info.run_id in shown][: query.max_results]

    def _sent(self, run_id: str | None) -> None:
        """Return when the server has a run of the spool."""
        if run_id is None or not self.spool.has("run", run_id):
            return
        self._started.add(run_id)
        self.spool.wake()
        if not self.settle(LIMIT_OF_REGISTRATION):
            raise Unreachable(
                f"run {run_id} is not all sent to {self.uri} yet: "
                f"{self.spool.trouble() or 'it goes on'}. Try again when 'tracklet sync' is done"
            )

    # -- models ----------------------------------------------------------------------------------

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> entities.LoggedModel:
        """Create a model; one of a run in the spool is there as well."""
        if not self.spool.has("run", source_run_id):
            given = self.spool.server_id(experiment_id), name
            theirs = self.spool.server_id(source_run_id)
            return super().create_logged_model(*given, theirs, tags, params, model_type)
        create = self.spool.store.create_logged_model
        made = create(experiment_id, name, source_run_id, tags, params, model_type)
        self.spool.note_model(str(source_run_id), made.model_id)
        return made

    get_logged_model = _of_model(RestStore.get_logged_model)
    finalize_logged_model = _of_model(RestStore.finalize_logged_model)
    log_logged_model_params = _of_model(RestStore.log_logged_model_params)
    set_logged_model_tags = _of_model(RestStore.set_logged_model_tags)
    delete_logged_model_tag = _of_model(RestStore.delete_logged_model_tag)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a model; one of the spool is sent first."""
        if self.spool.has("logged model", model_id):
            self._sent(self.spool.store.get_logged_model(model_id).source_run_id)
            self.spool.store.delete_logged_model(model_id)
        super().delete_logged_model(self.spool.server_id(model_id))

    def _registrable(
        self, source: str, run_id: str | None, model_id: str | None
    ) -> tuple[str, str | None, str | None]:
        """A version's run and model are sent before it."""
        if not self.spool.is_there():
            return source, run_id, model_id
        for kept in (run_id, self._run_of(model_id or source.removeprefix("models:/"))):
            self._sent(kept)
        ids = self.spool.server_id(run_id), self.spool.server_id(model_id)
        return self._servers_place(source), *ids

    def _run_of(self, model_id: str) -> str | None:
        if "/" in model_id or not self.spool.has("logged model", model_id):
            return None
        return self.spool.store.get_logged_model(model_id).source_run_id

    def _servers_place(self, source: str) -> str:
        """Where the server keeps what a source in the spool names."""
        if source.startswith("models:/"):
            return f"models:/{self.spool.server_id(source.removeprefix('models:/'))}"
        below = source.removeprefix("file://").removeprefix(f"{self.spool.root}/")
        if below == source:
            return source
        _, first, *rest = below.split("/")
        if first == "models":
            theirs, tail = self.spool.server_id(rest[0]), rest[2:]
            place = super().get_logged_model(theirs).artifact_location
        else:
            place = super().get_run(self.spool.server_id(first)).info.artifact_uri or ""
            tail = rest[1:]
        return "/".join([place.rstrip("/"), *tail])


class SpooledTraces(RestTraces):
    """The traces behind a server; those that end here go by way of the spool."""

    def __init__(self, store: SpooledStore) -> None:
        super().__init__(store.server)
        self._store = store

    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        home = self._store._place_for_runs(str(info.experiment_id))
        self._store._check_room()
        place = entities.TraceLocation.from_experiment_id(home)
        self._store.spool.store.traces.log_trace(replace(info, trace_location=place), spans)
        self._store.spool.wake()

    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        if self._store.spool.has("trace", trace_id):
            self._store.spool.store.traces.log_spans(trace_id, spans)
        else:
            super().log_spans(trace_id, spans)

    def search_traces(
        self, experiment_ids: Sequence[str], *args: Any, **kwargs: Any
    ) -> PagedList[Trace]:
        ids = map(self._store.spool.server_id, validation.as_experiment_ids(experiment_ids))
        return super().search_traces(list(ids), *args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._settle()
        return super()._call(*args, **kwargs)

    def _settle(self) -> None:
        """Wait for what is in the spool, within a limit."""
        until = time.monotonic() + LIMIT_OF_READS
        while self._store.spool.has_traces() and time.monotonic() < until:
            with self._store.spool.sending() as free:
                if free:
                    self._store._send(LIMIT_OF_READS)
                    return
            if self._store.spool.trouble() is not None:
                return
            time.sleep(0.02)
