"""What the process remembers is in one place, :mod:`tracklet.state`."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATE = ROOT / "core/tracklet/state.py"
FILES = [
    path
    for folder in ("core", "integrations", "flavors", "services")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

# Names of the public API, which MLflow has too; each is one call of `tracklet.state.reset`.
PUBLIC_RESETS = {"core/tracklet/autolog/__init__.py", "core/tracklet/tracing/__init__.py"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_no_module_rebinds_its_own_globals() -> None:
    found = [path for path in FILES if any(isinstance(node, ast.Global) for node in nodes(path))]
    assert found == []


def test_only_one_reset_forgets() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        if path != STATE
        and any(isinstance(node, ast.FunctionDef) and node.name == "reset" for node in nodes(path))
    }
    assert found == PUBLIC_RESETS


def test_only_one_module_hears_of_forks() -> None:
    found = [
        path for path in FILES if path != STATE and "register_at_fork" in path.read_text("utf-8")
    ]
    assert found == []
