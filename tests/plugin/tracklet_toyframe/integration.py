"""How toyframe trains: its own callbacks tell us each epoch; only the door for them is watched."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from tracklet.autolog import Integration, Options, recording
from tracklet.patching import Call, Outcome, Patch


@dataclass(frozen=True, kw_only=True)
class ToyframeOptions(Options):
    """What ``tracklet.toyframe.autolog`` can be told.

    Args:
        log_models: Whether the fitted line is logged too.
        every_n_epoch: Record the loss of each n-th epoch.
    """

    log_models: bool = True
    every_n_epoch: int = 1


class ToyframeIntegration(Integration):
    """Records each fit of a line: its params, the loss per epoch, and the line."""

    name: ClassVar[str] = "toyframe"
    modules: ClassVar[tuple[str, ...]] = ("toyframe",)
    requires: ClassVar[str] = "toyframe>=1.0"
    Options: ClassVar[type[Options]] = ToyframeOptions

    def patches(self, framework: ModuleType, options: ToyframeOptions) -> Iterable[Patch]:
        """One patch: the door where callbacks are handed in."""

        def watch_fit(call: Call) -> Generator[None, Outcome, None]:
            with recording(self.name, options) as recorder:
                if recorder is None:
                    yield
                    return
                line = call.instance
                recorder.params({"rate": line.rate, "epochs": line.epochs})

                def note(epoch: int, loss: float) -> None:
                    if epoch % options.every_n_epoch == 0:
                        recorder.metrics({"loss": loss}, step=epoch)

                # A list of our own: the caller's may be used again.
                given = list(call.arguments().get("callbacks", ()))
                call.kwargs = {**call.kwargs, "callbacks": [*given, note]}
                call.args = call.args[:2]
                outcome = yield
                recorder.finish(outcome)
                if outcome.error is None and options.log_models:
                    recorder.model(line)

        yield Patch("toyframe", "Line.fit", watch_fit)
