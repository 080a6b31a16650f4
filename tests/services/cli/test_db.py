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


@pytest.mark.parametrize("login", ["me:word", "me:wo/rd", ":word", "me"])
def test_no_password_of_a_database_is_printed(
    login: str, tracklet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("msgspec")
    from tracklet_services.cli.app import app
    from tracklet_services.server import running
    from tracklet_services.sql import database

    class Opened:
        def __init__(self, uri: str) -> None:
            opened.append(uri)

        def close(self) -> None:
            pass

    opened: list[str] = []
    monkeypatch.setattr(running, "serve", lambda options: opened.append(options.store))
    monkeypatch.setattr(database, "lacking", lambda uri: opened.append(uri) or [])
    monkeypatch.setattr(database, "Database", Opened)
    uri = f"postgresql://{login}@host/record"
    for command in (["db", "check", uri], ["db", "upgrade", uri],
                    ["server", "--backend-store-uri", uri]):  # fmt: skip
        for form in ([], ["--json"]):
            said = CliRunner().invoke(app, [*command, *form], catch_exceptions=False).output
            assert login not in said, command
            assert "word" not in said, command
    assert set(opened) == {uri}
