"""A backend of 150 lines passes the whole contract: so small is what it must do."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracklet.record import Store
from tracklet.testing import StoreContract
from tracklet_testing.store import store_machine

_spec = importlib.util.spec_from_file_location("memory", Path(__file__).with_name("memory.py"))
assert _spec is not None
assert _spec.loader is not None
memory: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(memory)


class TestMemory(StoreContract):
    """Every sentence of the contract holds in memory."""

    def make_store(self, tmp_path: Path) -> Store:
        return Store(memory.Memory())


def test_what_a_backend_must_do_is_said_in_150_lines() -> None:
    """Blank ones aside: so small is the contract."""
    lines = Path(memory.__file__).read_text().splitlines()
    assert sum(map(bool, lines)) <= 150


@contextmanager
def fresh_store() -> Any:
    yield Store(memory.Memory())


TestMemoryMachine = store_machine(fresh_store).TestCase
