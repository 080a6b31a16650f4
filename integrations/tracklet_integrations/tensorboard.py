"""TensorBoard: what a ``SummaryWriter`` is told, mirrored into a run.

Of ``torch.utils.tensorboard``, of tensorboardX, and what ``tf.summary`` writes eagerly; there is no
value within a graph. Into the active run; without one, into one of
the writer's own, which ends when the writer is closed or the process ends. While a trainer drives
that is recorded itself, its writers are not mirrored: they say the same.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Final

from tracklet.autolog import Explanation, FitSession, Integration, Options, session, switch
from tracklet.autolog.budget import charged, tally_of
from tracklet.autolog.recorder import AUTOLOGGING_TAG
from tracklet.client import TrackletClient
from tracklet.entities import Metric
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.names import now
from tracklet.patching import Call, Outcome, Patch, checkpoint, report
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.own_run import own_run
from tracklet_integrations.shared.sink import RunSink
from tracklet_integrations.shared.weak_table import WeakTable

__all__ = ["TensorboardIntegration", "TensorboardOptions", "autolog"]

LABEL: Final = "tensorboard"

_BINS: Final = 64
# Where TensorFlow keeps its writers, and the one that is written to.
_SUMMARY_OPS: Final = "tensorflow.python.ops.summary_ops_v2"
# Where ``tf.summary`` looks its functions up, at each call.
_TF_SUMMARY: Final = "tensorboard.summary.v2"
_ODD: Final = re.compile(r"[^\w.\-/ ]")


@dataclass(frozen=True, kw_only=True)
class TensorboardOptions(Options):
    """Mirror what ``SummaryWriter`` is told into runs: scalars, hparams, images, histograms, texts.

    So with what ``tf.summary`` writes outside of graphs, but for hparams.

    Args:
        log_images: Mirror images.
        log_histograms: Mirror histograms, as counts in 64 bins.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility.
        silent: Say nothing in the log.
        extra_tags: Further tags for the runs that autologging starts.
    """

    log_images: bool = True
    log_histograms: bool = True


class Mirror:
    """The run that a writer is mirrored into.

    Args:
        is_own: Whether it was started for the writer.
    """

    def __init__(self, run: ActiveRun, *, is_own: bool) -> None:
        self.run = run
        self.is_own = is_own
        self.sink = RunSink(run, LABEL)
        self._told = 0

    def points(self, values: Mapping[str, Any], step: Any, walltime: Any) -> None:
        """Record one point of each scalar, at once."""
        stamp = now() if walltime is None else int(float(walltime) * 1000)
        number = 0 if step is None else int(step)
        run_id = self.run.info.run_id
        self.run.writer.log_metrics(
            [
                Metric(metric_key(key), float(value), stamp, number, run_id=run_id)
                for key, value in values.items()
            ]
        )

    def artifact(self, kind: str, tag: str, step: Any, ending: str, content: str) -> None:
        """Store a text under its kind, tag and step."""
        name = _ODD.sub("_", tag).strip("/. ") or "untitled"
        self.sink.artifacts({f"{kind}/{name}/{0 if step is None else int(step)}.{ending}": content})

    def tell_faults(self) -> None:
        """Have the run say what went wrong since it was last told."""
        tally = tally_of(self.run.info.run_id)
        if tally.fault_count > self._told:
            self._told = tally.fault_count
            with suppress(Exception):  # the store may be what has failed
                self.run.store.log_batch(self.run.info.run_id, tags=tally.sums())

    def close(self) -> None:
        """End the run, if it is the writer's own."""
        if self.is_own and self.run.is_open:
            self.run.writer.set_tags(tally_of(self.run.info.run_id).sums())
            active.finish(self.run, "FINISHED")


class TensorboardIntegration(Integration):
    """Watches the methods of writers."""

    name: ClassVar[str] = LABEL
    modules: ClassVar[tuple[str, ...]] = ("torch.utils.tensorboard", "tensorboardX", _TF_SUMMARY)
    Options: ClassVar[type[Any]] = TensorboardOptions

    def __init__(self, options: Any, add: Callable[[Patch], None] | None = None) -> None:
        super().__init__(options, add)
        self._mirrors: WeakTable[Mirror] = WeakTable()

    def continue_from(self, earlier: Integration) -> None:
        """Writers keep their runs."""
        assert isinstance(earlier, TensorboardIntegration)
        self._mirrors = earlier._mirrors

    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch]:
        """The methods of ``SummaryWriter``, or the functions of ``tf.summary``."""
        if framework.__name__ == _TF_SUMMARY:
            yield from self._of_tf_summary(options)
            return
        owner = framework.SummaryWriter
        kinds: dict[str, Callable[[Mirror, Mapping[str, Any]], None]] = {
            "add_scalar": _scalar,
            "add_scalars": _scalars,
            "add_hparams": _hparams,
            "add_text": _text,
        }
        if options.log_images:
            kinds["add_image"] = _image
        if options.log_histograms:
            kinds["add_histogram"] = _histogram
        for name, note in kinds.items():
            yield Patch(owner.__module__, f"SummaryWriter.{name}", self._watched(note))
        yield Patch(owner.__module__, "SummaryWriter.close", self.watch_close)

    def _of_tf_summary(self, options: Any) -> Iterable[Patch]:
        kinds: dict[str, Callable[[Mirror, Mapping[str, Any]], None]] = {
            "scalar": _tf_scalar,
            "text": _tf_text,
        }
        if options.log_images:
            kinds["image"] = _tf_images
        if options.log_histograms:
            kinds["histogram"] = _tf_histogram
        for name, note in kinds.items():
            yield Patch(_TF_SUMMARY, name, self._written(note))
        yield Patch(_SUMMARY_OPS, "_ResourceSummaryWriter.close", self.watch_close)

    def explain(self, options: Any) -> Explanation:
        """What is mirrored."""
        return Explanation(
            records=("scalars as metrics; hparams as params; texts, images, histograms as files",),
            omits={"graphs, embeddings, meshes, audio, video": "TensorBoard's files have them"},
        )

    def _watched(
        self, note: Callable[[Mirror, Mapping[str, Any]], None]
    ) -> Callable[[Call], Generator[None, Outcome, None]]:
        def watch(call: Call) -> Generator[None, Outcome, None]:
            if session.current() is not None or session.is_muted(LABEL):
                yield
                return
            with FitSession():  # what a method calls by itself is said once
                outcome = yield
            if outcome.error is None:
                mirror = self._mirror(call.instance)
                if mirror is not None:
                    with mirror.sink.step("mirror"):
                        note(mirror, call.arguments())
                    mirror.tell_faults()

        return watch

    def _written(
        self, note: Callable[[Mirror, Mapping[str, Any]], None]
    ) -> Callable[[Call], Generator[None, Outcome, None]]:
        def watch(call: Call) -> Generator[None, Outcome, None]:
            outcome = yield
            tf = sys.modules.get("tensorflow")
            quiet = session.current() is not None or session.is_muted(LABEL)
            if quiet or tf is None or not tf.executing_eagerly() or outcome.error is not None:
                return
            if not outcome.value:  # no writer was there, or it is not to write
                return
            mirror = self._mirror(sys.modules[_SUMMARY_OPS]._summary_state.writer)
            if mirror is not None:
                with mirror.sink.step("mirror"):
                    given = dict(call.arguments())
                    if given.get("step") is None:
                        given["step"] = tf.summary.experimental.get_step()
                    note(mirror, given)
                mirror.tell_faults()

        return watch

    def watch_close(self, call: Call) -> Generator[None, Outcome, None]:
        """``close``: the writer's own run is over."""
        yield
        mirror = self._mirrors.get(call.instance)
        if mirror is not None:
            with mirror.sink.step("close"):
                mirror.close()
            mirror.tell_faults()

    def _mirror(self, writer: Any) -> Mirror | None:
        known = self._mirrors.get(writer)
        mine = active.top()
        if mine is not None:
            if self.options.exclusive:
                return None
            if known is None or known.run is not mine:
                known = self._mirrors[writer] = Mirror(mine, is_own=False)
            return known
        if known is not None and known.run.is_open:
            return known
        try:
            checkpoint("step start")
            tags = {**(self.options.extra_tags or {}), AUTOLOGGING_TAG: LABEL}
            made = self._mirrors[writer] = Mirror(own_run(tags=tags), is_own=True)
        except Exception as error:  # noqa: BLE001 (without a run there is no record)
            with charged(tally_of("")):  # said once per cause: a writer is told a thousand things
                report(error, f"{LABEL}: starting a run", LABEL)
            return None
        return made


def _scalar(mirror: Mirror, given: Mapping[str, Any]) -> None:
    values = {str(given["tag"]): given["scalar_value"]}
    mirror.points(values, given.get("global_step"), given.get("walltime"))


def _scalars(mirror: Mirror, given: Mapping[str, Any]) -> None:
    main, values = given["main_tag"], given["tag_scalar_dict"]
    named = {f"{main}/{tag}": value for tag, value in values.items()}
    mirror.points(named, given.get("global_step"), given.get("walltime"))


def _hparams(mirror: Mirror, given: Mapping[str, Any]) -> None:
    mirror.sink.params(given["hparam_dict"])
    mirror.points(given["metric_dict"], given.get("global_step"), None)


def _text(mirror: Mirror, given: Mapping[str, Any]) -> None:
    text = str(given["text_string"])
    mirror.artifact("texts", str(given["tag"]), given.get("global_step"), "txt", text)


def _image(mirror: Mirror, given: Mapping[str, Any]) -> None:
    import numpy as np

    pixels = _array(given["img_tensor"])
    axes = str(given.get("dataformats", "CHW")).upper()
    if axes != "HW":
        pixels = np.transpose(pixels, [axes.index(axis) for axis in "HWC"])
    key = _ODD.sub("_", str(given["tag"])).strip("/. ") or "untitled"
    step = int(given.get("global_step") or 0)
    TrackletClient().log_image(mirror.run.info.run_id, pixels, key=key, step=step)


def _histogram(mirror: Mirror, given: Mapping[str, Any]) -> None:
    import numpy as np

    values = _array(given["values"]).ravel()
    counts, edges = np.histogram(values[np.isfinite(values)], bins=_BINS)
    content = json.dumps({"counts": counts.tolist(), "edges": edges.tolist()})
    mirror.artifact("histograms", str(given["tag"]), given.get("global_step"), "json", content)


def _tf_scalar(mirror: Mirror, given: Mapping[str, Any]) -> None:
    mirror.points({str(given["name"]): given["data"]}, given["step"], None)


def _tf_text(mirror: Mirror, given: Mapping[str, Any]) -> None:
    text = given["data"].numpy() if hasattr(given["data"], "numpy") else given["data"]
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    mirror.artifact("texts", str(given["name"]), given["step"], "txt", text)


def _tf_images(mirror: Mirror, given: Mapping[str, Any]) -> None:
    shown = _array(given["data"])[: int(given.get("max_outputs", 3))]
    name = str(given["name"])
    for at, pixels in enumerate(shown):
        tag = name if len(shown) == 1 else f"{name}_{at}"
        told = {"tag": tag, "img_tensor": pixels, "dataformats": "HWC"}
        _image(mirror, {**told, "global_step": given["step"]})


def _tf_histogram(mirror: Mirror, given: Mapping[str, Any]) -> None:
    told = {"tag": given["name"], "values": given["data"], "global_step": given["step"]}
    _histogram(mirror, told)


def _array(value: Any) -> Any:
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


autolog = switch("tensorboard", TensorboardOptions)
