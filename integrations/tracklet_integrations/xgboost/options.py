"""What XGBoost's autologging can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracklet.errors import InvalidParameterValue
from tracklet_integrations.shared.boosting import BoostingOptions

_FORMATS = ("ubj", "json", "xgb")
_IMPORTANCES = ("weight", "gain", "cover", "total_gain", "total_cover")


@dataclass(frozen=True, kw_only=True)
class XgboostOptions(BoostingOptions):
    """Options of :func:`tracklet.xgboost.autolog`; beside those of every boosting integration.

    Args:
        importance_types: Which importances to store; ``["weight"]`` if None.
        model_format: ``"ubj"``, ``"json"`` or ``"xgb"``.

    Raises:
        InvalidParameterValue: A value breaks its rule.
    """

    importance_types: Sequence[str] | None = None
    model_format: str = "ubj"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_format not in _FORMATS:
            raise InvalidParameterValue(
                f"model_format={self.model_format!r} is none of {', '.join(_FORMATS)}"
            )
        kinds = self.importance_types
        if isinstance(kinds, str) or any(each not in _IMPORTANCES for each in kinds or ()):
            raise InvalidParameterValue(
                f"importance_types must be a list of {', '.join(_IMPORTANCES)}; got {kinds!r}"
            )
        object.__setattr__(self, "importance_types", tuple(kinds) if kinds is not None else None)

    @property
    def importances(self) -> Sequence[str]:
        """The importances to store."""
        return ("weight",) if self.importance_types is None else self.importance_types
