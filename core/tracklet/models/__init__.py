"""Models: a folder that says what it is, what it takes, what it gives and what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracklet import lazy

# Of the module's name, so that it must stand in its place before anybody imports the module.
from tracklet.models.flavor import Flavor, FlavorConfig, Predictor, flavor, flavor_of

if TYPE_CHECKING:
    from tracklet.models.code import ModelConfig, set_model
    from tracklet.models.loading import get_model_info, load_model, set_signature, trust_model
    from tracklet.models.model import Model, ModelInfo
    from tracklet.models.saving import log_model, save_model
    from tracklet.models.signature import ModelSignature, infer_signature
    from tracklet.models.trust import ChangedModel, UntrustedModel
    from tracklet.models.uris import register_model
    from tracklet.types import (
        AnyType,
        Array,
        ColSpec,
        DataType,
        Map,
        Object,
        ParamSchema,
        ParamSpec,
        Property,
        Schema,
        TensorSpec,
    )
    from tracklet_services.scoring.requests import (
        convert_input_example_to_serving_input,
        predict,
        validate_serving_input,
    )

__all__ = [
    "AnyType",
    "Array",
    "ChangedModel",
    "ColSpec",
    "DataType",
    "Flavor",
    "FlavorConfig",
    "Map",
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "Object",
    "ParamSchema",
    "ParamSpec",
    "Predictor",
    "Property",
    "Schema",
    "TensorSpec",
    "UntrustedModel",
    "convert_input_example_to_serving_input",
    "flavor",
    "flavor_of",
    "get_model_info",
    "infer_signature",
    "load_model",
    "log_model",
    "predict",
    "register_model",
    "save_model",
    "set_model",
    "set_signature",
    "trust_model",
    "validate_serving_input",
]

_HOMES: Final = {
    "tracklet.models.code": "ModelConfig set_model",
    "tracklet.models.loading": "get_model_info load_model set_signature trust_model",
    "tracklet.models.model": "Model ModelInfo",
    "tracklet.models.saving": "log_model save_model",
    "tracklet.models.signature": "ModelSignature infer_signature",
    "tracklet.models.trust": "ChangedModel UntrustedModel",
    "tracklet.models.uris": "register_model",
    "tracklet.types": (
        "AnyType Array ColSpec DataType Map Object ParamSchema ParamSpec Property Schema TensorSpec"
    ),
    "tracklet_services.scoring.requests": (
        "convert_input_example_to_serving_input predict validate_serving_input"
    ),
}
"""Where what is looked up when it is first used lives: a training that only saves loads nothing
that loads. Asking a model as its server's clients do is a service, which the core only names."""

if not TYPE_CHECKING:
    __getattr__ = lazy.lookup(
        __name__,
        {name: module for module, names in _HOMES.items() for name in names.split()},
    )
