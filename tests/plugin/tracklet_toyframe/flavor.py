"""How toyframe's models are saved, loaded and asked. The framework is imported when one loads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tracklet.errors import InvalidParameterValue
from tracklet.models import Flavor, FlavorConfig

_FILE = "line.json"
_FIELDS = ("rate", "epochs", "slope", "intercept")


class ToyframeFlavor(Flavor):
    """Lines as JSON: nothing in a saved model can run code."""

    name: ClassVar[str] = "toyframe"
    requires: ClassVar[str] = "toyframe>=1.0"
    modules: ClassVar[tuple[str, ...]] = ("toyframe",)
    loader_module: ClassVar[str] = "tracklet.toyframe"

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> FlavorConfig:
        """Write ``line.json``."""
        if not self.owns(model):
            raise InvalidParameterValue(
                f"the flavor 'toyframe' saves toyframe.Line, not {type(model).__name__}"
            )
        document = {name: getattr(model, name) for name in _FIELDS}
        (path / _FILE).write_text(json.dumps(document, indent=2))
        return FlavorConfig({"data": _FILE}, pyfunc={"data": _FILE})

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        """The line."""
        # A plugin imports its framework late, so that listing plugins never loads one.
        from toyframe import Line

        document = json.loads((path / config.get("data", _FILE)).read_text())
        line = Line(document["rate"], document["epochs"])
        line.slope, line.intercept = document["slope"], document["intercept"]
        return line

    def predictor(self, model: Any, config: Mapping[str, Any]) -> _LinePredictor:
        """The line behind pyfunc's one call."""
        return _LinePredictor(model)

    def requirements(self, model: Any) -> Sequence[str]:
        """The plugin brings the framework."""
        return ["tracklet-toyframe"]


class _LinePredictor:
    def __init__(self, line: Any) -> None:
        self._line = line

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[float]:
        # pyfunc hands over what the signature says: with pandas, a table of one column.
        column = data.iloc[:, 0] if hasattr(data, "iloc") else data
        return self._line.predict([float(x) for x in column])
