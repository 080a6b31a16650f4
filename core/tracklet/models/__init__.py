"""Models: a folder that says what it is, what it takes, what it gives and what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracklet import lazy

# Of the module's name, so that it must stand in its place before anybody imports the module.
from tracklet.models.flavor import Flavor as Flavor
from tracklet.models.flavor import FlavorConfig as FlavorConfig
from tracklet.models.flavor import Predictor as Predictor
from tracklet.models.flavor import flavor as flavor
from tracklet.models.flavor import flavor_of as flavor_of

if TYPE_CHECKING:
    from tracklet.models.code import ModelConfig as ModelConfig
    from tracklet.models.code import set_model as set_model
    from tracklet.models.loading import get_model_info as get_model_info
    from tracklet.models.loading import load_model as load_model
    from tracklet.models.loading import set_signature as set_signature
    from tracklet.models.loading import trust_model as trust_model
    from tracklet.models.model import Model as Model
    from tracklet.models.model import ModelInfo as ModelInfo
    from tracklet.models.saving import log_model as log_model
    from tracklet.models.saving import save_model as save_model
    from tracklet.models.signature import ModelSignature as ModelSignature
    from tracklet.models.signature import infer_signature as infer_signature
    from tracklet.models.trust import ChangedModel as ChangedModel
    from tracklet.models.trust import UntrustedModel as UntrustedModel
    from tracklet.models.uris import register_model as register_model
    from tracklet.types import AnyType as AnyType
    from tracklet.types import Array as Array
    from tracklet.types import ColSpec as ColSpec
    from tracklet.types import DataType as DataType
    from tracklet.types import Map as Map
    from tracklet.types import Object as Object
    from tracklet.types import ParamSchema as ParamSchema
    from tracklet.types import ParamSpec as ParamSpec
    from tracklet.types import Property as Property
    from tracklet.types import Schema as Schema
    from tracklet.types import TensorSpec as TensorSpec
    from tracklet_services.scoring.requests import (
        convert_input_example_to_serving_input as convert_input_example_to_serving_input,
    )
    from tracklet_services.scoring.requests import predict as predict
    from tracklet_services.scoring.requests import validate_serving_input as validate_serving_input

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
    _homes = {name: module for module, names in _HOMES.items() for name in names.split()}
    __all__ = sorted([*_homes, "Flavor", "FlavorConfig", "Predictor", "flavor", "flavor_of"])
    __getattr__ = lazy.lookup(__name__, _homes)
