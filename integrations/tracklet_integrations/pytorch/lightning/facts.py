"""What is known of a trainer and its module: attributes are read, and nothing is computed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tracklet_integrations.pytorch import describing
from tracklet_integrations.pytorch.lightning.loggers import writes_into
from tracklet_integrations.shared import networks

_PLAIN: Final = (bool, int, float, str, type(None))
_SETTINGS: Final = (
    "max_steps",
    "min_epochs",
    "min_steps",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "precision",
    "num_devices",
    "num_nodes",
    "check_val_every_n_epoch",
    "val_check_interval",
    "log_every_n_steps",
)
# Callbacks that only show, and what others keep beside their settings.
_SHOWING: Final = ("ProgressBar", "ModelSummary")
_STATE: Final = ("best_", "current_", "kth_", "last_model", "stopped_epoch", "wait_count")
_STOPPING: Final = ("monitor", "mode", "patience", "min_delta", "stopped_epoch")


def settings_of(trainer: Any, module: Any) -> dict[str, Any]:
    """The params of a fit: those that MLflow records under its names, and the rest of them."""
    found: dict[str, Any] = {"epochs": trainer.max_epochs}
    for number, optimizer in enumerate(trainer.optimizers):
        known = describing.optimizer_params(optimizer)
        name = known.pop("optimizer")
        if number:
            prefix = f"optimizer_{number}"
            found[f"{prefix}_name"] = name
            found |= {f"{prefix}_{key.removeprefix('optimizer_')}": known[key] for key in known}
        else:
            found["optimizer_name"] = name
            found |= {key.removeprefix("optimizer_"): known[key] for key in known}
    for number, config in enumerate(trainer.lr_scheduler_configs):
        known = describing.scheduler_params(config.scheduler)
        known |= {
            f"scheduler_{key}": getattr(config, key) for key in ("interval", "frequency", "monitor")
        }
        rename = f"scheduler_{number}" if number else "scheduler"
        found |= {rename + key.removeprefix("scheduler"): known[key] for key in known}
    stopping = _early_stopping_of(trainer)
    if stopping is not None:
        found |= {key: getattr(stopping, key) for key in _STOPPING}
    found |= {key: getattr(trainer, key) for key in _SETTINGS}
    found |= {
        "strategy": type(trainer.strategy).__name__,
        "accelerator": type(trainer.accelerator).__name__,
        "batches_per_epoch": trainer.num_training_batches,
        **networks.model_params(module),
        **_of_callbacks(trainer),
    }
    for owner in (module, trainer.datamodule):
        if owner is not None and vars(owner).get("_log_hyperparams", True):
            for key, value in flat(vars(owner).get("_hparams") or {}):
                taken = str(found.get(key, value)) != str(value)
                found[f"hparams/{key}" if taken else key] = value
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings within settings by their path, as Lightning's loggers name them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _of_callbacks(trainer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for callback in trainer.callbacks:
        kinds = [cls.__name__ for cls in type(callback).__mro__]
        if kinds[0] == "Fit" or any(kind in _SHOWING for kind in kinds):
            continue
        for key, value in vars(callback).items():
            is_setting = not key.startswith(("_", *_STATE)) and type(value) in _PLAIN
            if is_setting:
                found[f"{kinds[0]}/{key}"] = value
    return found


def _early_stopping_of(trainer: Any) -> Any:
    """The first callback that stops early, from whichever package it was imported."""
    for callback in trainer.callbacks:
        if any(cls.__name__ == "EarlyStopping" for cls in type(callback).__mro__):
            return callback
    return None


def early_stopping(trainer: Any) -> dict[str, float]:
    """The metrics of a training that was stopped early, by MLflow's names; none of others."""
    stopping = _early_stopping_of(trainer)
    if stopping is None or not stopping.stopped_epoch:
        return {}
    return {
        "stopped_epoch": stopping.stopped_epoch,
        "restored_epoch": stopping.stopped_epoch - max(1, stopping.patience),
        "best_score": float(stopping.best_score),
        "wait_count": stopping.wait_count,
    }


def checkpointing(trainer: Any) -> list[Any]:
    """The callbacks of a trainer that keep checkpoints."""
    return [each for each in trainer.callbacks if hasattr(each, "best_model_path")]


def checkpoints(callbacks: Iterable[Any]) -> tuple[dict[str, float], dict[str, str]]:
    """What such callbacks have kept: the best score as a metric, and as tags where it is."""
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for number, callback in enumerate(callbacks):
        suffix = f"_{number}" if number else ""
        score = getattr(callback, "best_model_score", None)
        if score is not None:
            metrics[f"best_model_score{suffix}"] = float(score)
        kept = {
            str(path): float(each)
            for path, each in (getattr(callback, "best_k_models", None) or {}).items()
        }
        told = {
            "best_model_path": callback.best_model_path,
            "last_model_path": getattr(callback, "last_model_path", ""),
            "monitor": getattr(callback, "monitor", None),
            "mode": getattr(callback, "mode", None) if getattr(callback, "monitor", None) else None,
            "best_k_models": json.dumps(kept) if kept else None,
        }
        tags |= {f"checkpoint{suffix}.{key}": str(value) for key, value in told.items() if value}
    return metrics, tags


def kept(callback: Any) -> list[str]:
    """The files that a callback keeps now."""
    named = (callback.best_model_path, getattr(callback, "last_model_path", ""))
    found = [*(getattr(callback, "best_k_models", None) or {}), *named]
    return [str(path) for path in dict.fromkeys(found) if path]


def restored(trainer: Any) -> Path | None:
    """The best checkpoint of a training that had a callback for early stopping."""
    if _early_stopping_of(trainer) is None:
        return None
    for callback in checkpointing(trainer):
        if callback.best_model_path and os.path.isfile(callback.best_model_path):
            return Path(callback.best_model_path)
    return None


def logs_itself(trainer: Any, run_id: str) -> bool:
    """Whether a logger of the trainer's writes its metrics into this very run."""
    return any(writes_into(logger, run_id) for logger in trainer.loggers)
