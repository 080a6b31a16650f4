"""ONNX: graphs of any framework's, how they are saved, loaded and asked by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tracklet import lazy, models
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import Model, ModelInfo, ModelSignature, environment, extra_files
from tracklet.models.flavor import passes_on
from tracklet.models.manifest import member
from tracklet.models.trust import Trust
from tracklet_flavors.onnx.asking import OnnxPredictor, check_session_options

__all__ = ["OnnxFlavor", "load_model", "log_model", "save_model"]

FILE: Final = "model.onnx"
_WEIGHTS: Final = "model.onnx.data"
_PROVIDERS: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxFlavor(models.Flavor):
    """Graphs of ONNX, with large weights in a file beside them; nothing of them is pickled.

    Options:
        onnx_execution_providers: What runs the graph, the best first; those that a machine lacks
            are passed over there. By default CUDA's and the CPU's.
        onnx_session_options: What onnxruntime's session is told: ``graph_optimization_level``,
            ``execution_mode``, ``intra_op_num_threads``, ``inter_op_num_threads``,
            ``extra_session_config``.
        save_as_external_data: Whether weights of more than a KiB go into a file of their own,
            without which a model has at most 2 GB; True by default.
        extra_files: Paths or URIs of further files to keep with the model.
    """

    name: ClassVar[str] = "onnx"
    requires: ClassVar[str] = "onnx>=1.16"
    modules: ClassVar[tuple[str, ...]] = ("onnx",)
    loader_module: ClassVar[str] = "mlflow.onnx"

    def options(self) -> frozenset[str]:
        return frozenset(
            (
                "onnx_execution_providers",
                "onnx_session_options",
                "save_as_external_data",
                "extra_files",
            )
        )

    def requirements(self, model: Any) -> Sequence[str]:
        return ("onnx", "onnxruntime")

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        super().check(model, options)
        if not hasattr(model, "graph") or isinstance(model, type):
            raise InvalidParameterValue(
                f"the flavor 'onnx' saves an onnx.ModelProto; got {type(model).__qualname__}. "
                "onnx.load reads one of a file"
            )
        check_session_options(options.get("onnx_session_options"))

    def save(self, model: Any, path: Path, options: Mapping[str, Any]) -> models.FlavorConfig:
        onnx = _onnx()
        apart = options.get("save_as_external_data", True)
        kept = model
        if apart:
            # What is written apart is taken out of the model.
            kept = onnx.ModelProto()
            kept.CopyFrom(model)
        try:
            onnx.save_model(
                kept, str(path / FILE), save_as_external_data=bool(apart), location=_WEIGHTS
            )
        except Exception as error:
            raise TrackletException(
                f"the graph cannot be saved: {type(error).__name__}: {error}"
            ) from error
        config: dict[str, Any] = {
            "onnx_version": environment.version("onnx"),
            "data": FILE,
            "providers": list(options.get("onnx_execution_providers") or _PROVIDERS),
            "onnx_session_options": options.get("onnx_session_options"),
        }
        if options.get("extra_files") is not None:
            config["extra_files"] = extra_files.save(options["extra_files"], path)
        return models.FlavorConfig(config, {"data": FILE}, frozenset({"onnx", "onnxruntime"}))

    def load(self, path: Path, config: Mapping[str, Any]) -> Any:
        onnx = _onnx()
        file = member(path, config.get("data") or FILE)
        if not file.is_file():
            raise TrackletException(f"the model is corrupt: {file} is missing")
        try:
            model = onnx.load_model(str(file), load_external_data=False)
            for tensor in onnx.external_data_helper._get_all_tensors(model):
                if onnx.external_data_helper.uses_external_data(tensor):
                    where = onnx.external_data_helper.ExternalDataInfo(tensor).location
                    member(path, str((file.parent / where).relative_to(path)))
            onnx.external_data_helper.load_external_data_for_model(model, str(file.parent))
            onnx.checker.check_model(str(file))
        except TrackletException:
            raise
        except Exception as error:
            raise TrackletException(
                f"the model is corrupt: {file}: {type(error).__name__}: {error}"
            ) from error
        return model

    def load_data_path(self, path: Path, pyfunc: Mapping[str, Any]) -> Any:
        return self.load(path, {"data": pyfunc.get("data")})

    def predictor(self, model: Any, config: Mapping[str, Any]) -> models.Predictor:
        folder = Path(config["path"])
        about: Mapping[str, Any] = {}
        if (folder / "MLmodel").is_file():
            about = Model.load(folder).flavors.get(self.name) or {}
        # By its file, which may hold more than a message of protobuf's.
        file = member(folder, str(config.get("data") or FILE))
        return OnnxPredictor(
            file,
            about.get("providers") or _PROVIDERS,
            about.get("onnx_session_options"),
        )


def _onnx() -> Any:
    return lazy.imported("onnx", "onnx", purpose="a graph of ONNX", extra="onnx")


@passes_on("onnx")
def save_model(
    onnx_model: Any,
    path: str | Path,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    save_as_external_data: bool = True,
    extra_files: Sequence[str | Path] | None = None,
) -> None:
    """Save a graph as a folder.

    Arguments that are not named here are those of :func:`tracklet.models.save_model`.

    Args:
        onnx_model: An ``onnx.ModelProto``; it is not changed.
        path: The folder; it must not exist, or be empty.
        onnx_execution_providers: What runs the graph, the best first; those that a machine lacks
            are passed over there.
        onnx_session_options: What onnxruntime's session is told.
        save_as_external_data: Whether weights of more than a KiB go into a file of their own.
        extra_files: Paths or URIs of further files to keep with the model.
    """


@passes_on("onnx")
def log_model(
    onnx_model: Any,
    artifact_path: str | None = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    save_as_external_data: bool = True,
    extra_files: Sequence[str | Path] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
) -> ModelInfo:
    """Log a graph; see :func:`tracklet.models.log_model` and :func:`save_model`."""
    ...


def load_model(
    model_uri: str | Path, dst_path: str | Path | None = None, *, trust: Trust = None
) -> Any:
    """The ``onnx.ModelProto``, checked; see :func:`tracklet.models.load_model`."""
    return models.load_model(model_uri, dst_path, flavor="onnx", trust=trust)
