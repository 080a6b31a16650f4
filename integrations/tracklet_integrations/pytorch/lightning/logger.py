"""``TrackletLogger``: what Lightning's own loggers are told, in a run."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklet import lazy
from tracklet.autolog import session
from tracklet.client import TrackletClient
from tracklet.errors import MissingDependency
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.repositories import repository
from tracklet_integrations.pytorch.lightning import PACKAGES, facts
from tracklet_integrations.pytorch.record import LABEL
from tracklet_integrations.shared.own_run import own_run
from tracklet_integrations.shared.sink import RunSink

__all__ = ["TrackletLogger"]


class _Logger:
    """A logger of Lightning's that writes into a run.

    Into the active run if there is one when the logger first has something to write; else into a
    run of its own, which ends with the fit. With autologging on, what that records goes into the
    same run, and no metric twice. Only the process of rank 0 writes.

    Args:
        experiment_name: The experiment of a new run; by default the active one.
        run_name: The name of a new run.
        tags: Tags of the run.
        run_id: An earlier run to go on with.
        log_checkpoints: Copy the checkpoints that ``ModelCheckpoint`` saves into the run.
        prefix: What the names of metrics begin with, before a ``-``.

    Example:
        >>> trainer = Trainer(logger=TrackletLogger(run_name="baseline"))  # doctest: +SKIP
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        log_checkpoints: bool = False,
        prefix: str = "",
    ) -> None:
        _lightnings("loggers")
        super().__init__()
        self._experiment_name = experiment_name
        self._run_name = run_name
        self._tags = dict(tags or {})
        self._given_id = run_id
        self._log_checkpoints = log_checkpoints
        self._prefix = f"{prefix}-" if prefix else ""
        self._run: ActiveRun | None = None
        self._is_own = False
        self._sink: RunSink | None = None
        self._status = "success"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_run": None, "_is_own": False}

    # -- the run -----------------------------------------------------------------------------------

    @property
    def known_run_id(self) -> str | None:
        """The run's id, if there is a run already."""
        return self._sink.run_id if self._sink is not None else None

    @property
    def run_id(self) -> str | None:
        """The run's id; a run is made if there is none yet. None on other ranks than 0."""
        sink = self._opened()
        return sink.run_id if sink is not None else None

    @property
    def version(self) -> str | None:
        """The run's id, as Lightning calls it."""
        return self.run_id

    @property
    def name(self) -> str | None:
        """The experiment's name; None on other ranks than 0."""
        run_id = self.run_id
        if run_id is None:
            return None
        client = TrackletClient()
        return client.get_experiment(client.get_run(run_id).info.experiment_id).name

    @property
    def experiment(self) -> TrackletClient:
        """A client, for what a logger has no method for; the run is :attr:`run_id`."""
        self._opened()
        return TrackletClient()

    def _opened(self) -> RunSink | None:
        if _lightnings("utilities.rank_zero").rank_zero_only.rank != 0:
            return None
        if self._sink is None:
            mine = active.top() if self._given_id is None else None
            self._is_own = mine is None
            self._run = mine if mine is not None else self._start()
            self._sink = RunSink(self._run, LABEL)
            if self._tags and mine is not None:
                self._sink.note(self._tags)
        return self._sink

    def _start(self) -> ActiveRun:
        if self._given_id is not None:
            return own_run(run_id=self._given_id, tags=self._tags)
        experiment_id = None
        if self._experiment_name is not None:
            client = TrackletClient()
            known = client.get_experiment_by_name(self._experiment_name)
            experiment_id = (
                known.experiment_id
                if known is not None
                else client.create_experiment(self._experiment_name)
            )
        return own_run(experiment_id=experiment_id, run_name=self._run_name, tags=self._tags)

    def end_run(self) -> None:
        """End the run, if it is the logger's own; what is logged later is added all the same."""
        run, self._run = self._run, None
        if run is not None and self._is_own and run.is_open:
            active.finish(run, "FINISHED" if self._status == "success" else "FAILED")

    # -- what Lightning calls ----------------------------------------------------------------------

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics at a step; 0 by default."""
        sink = self._opened()
        if sink is None:
            return
        with sink.step("metrics"):
            sink.scalars({self._prefix + key: metrics[key] for key in metrics}, step or 0)

    def log_hyperparams(
        self, params: Mapping[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Record hyperparameters as params; those within others by their path."""
        sink = self._opened()
        if sink is not None:
            given = vars(params) if isinstance(params, Namespace) else params
            sink.params(dict(facts.flat(given)))

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Record which checkpoint is the best; with ``log_checkpoints`` copy what is kept."""
        sink = self._opened()
        if sink is None:
            return
        sink.note(facts.checkpoints([checkpoint_callback])[1])
        if not self._log_checkpoints:
            return
        with sink.step("checkpoint"):
            files = repository(sink.files or "")
            for path in map(Path, facts.kept(checkpoint_callback)):
                if path.is_file():  # sharded ones are folders
                    files.put_file(path, "checkpoints")
                elif path.is_dir():
                    files.put_tree(path, f"checkpoints/{path.name}")

    def finalize(self, status: str) -> None:
        """End the run, unless a fit is being recorded into it, which ends it afterwards."""
        if self._run is None:
            return
        self._status = status if status == "success" else "failed"
        fit = session.current()
        recorder = fit.recorder if fit is not None else None
        if recorder is None or recorder.run is not self._run:
            self.end_run()


def _lightnings(module: str) -> Any:
    """A module of the package of Lightning that this process uses; the newer name, if both."""
    package = next((name for name in PACKAGES if name in sys.modules), PACKAGES[0])
    return lazy.imported(
        f"{package}.{module}", "lightning", purpose="to log from its trainers", extra="lightning"
    )


if TYPE_CHECKING:
    TrackletLogger = _Logger
else:

    def __getattr__(name: str) -> Any:
        # A class of Lightning's, which is imported with it.
        if name != "TrackletLogger":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        body = {"__doc__": _Logger.__doc__, "__module__": __name__}
        try:
            base = _lightnings("loggers").Logger
        except MissingDependency:
            return _Logger  # whoever only looks at names is told nothing; who makes one is
        made = type(name, (_Logger, base), body)
        return globals().setdefault(name, made)
