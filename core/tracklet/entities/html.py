"""A run as HTML, for notebooks: everything that was recorded is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracklet.entities.run import Run

_ROWS: Final = 50
_CHARACTERS: Final = 200


def of_run(run: Run) -> str:
    """A heading and a table each of metrics, params and tags; long ones are cut, and say so."""
    info = run.info
    heading = (
        f"<p><b>{_text(info.run_name)}</b> <code>{_text(info.run_id)}</code> "
        f"{_text(info.status)} {_clock(info.start_time)}</p>"
    )
    metrics = {key: f"{value:.6g}" for key, value in run.data.metrics.items()}
    tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}
    tables = (("metrics", metrics), ("params", run.data.params), ("tags", tags))
    return heading + "".join(_table(title, rows) for title, rows in tables)


def _table(title: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    shown = "".join(
        f"<tr><td>{_text(key)}</td><td>{_text(rows[key])}</td></tr>" for key in sorted(rows)[:_ROWS]
    )
    more = f"<p>… and {len(rows) - _ROWS} more</p>" if len(rows) > _ROWS else ""
    return f"<table><caption>{title}</caption>{shown}</table>{more}"


def _text(value: Any) -> str:
    text = str(value)
    return escape(text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…")


def _clock(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # no calendar has it
        return str(milliseconds)
