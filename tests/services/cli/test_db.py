"""``tracklet db``: whether a database has the schema of this version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("sqlalchemy")


def test_a_schema_is_checked_and_made(tracklet_home: Path) -> None:
    from tracklet_services.cli.app import app

    def asked(*arguments: str) -> tuple[int, dict[str, list[str]]]:
        result = CliRunner().invoke(app, ["db", *arguments, "--json"])
        return result.exit_code, json.loads(result.output)

    file = tracklet_home / "record.db"
    uri = f"sqlite:///{file}"
    status, lacks = asked("check", uri)
    assert (status, bool(lacks["lacks"]), file.exists()) == (1, True, False)
    assert asked("upgrade", uri)[1]["applied"] == lacks["lacks"]
    assert asked("check", uri) == (0, {"uri": uri, "lacks": []})
    assert asked("upgrade", uri)[1]["applied"] == []
