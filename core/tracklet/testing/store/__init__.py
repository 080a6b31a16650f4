"""The contract of a store as tests: whoever writes a store subclasses :class:`StoreContract`.

::

    from tracklet.testing import StoreContract


    class TestMyStore(StoreContract):
        def make_store(self, tmp_path):
            return MyStore(f"my://{tmp_path}/record")

Every test says in a sentence what must hold. :func:`store_machine` makes a hypothesis state
machine that compares a store with a dictionary over random histories.
"""

from __future__ import annotations

from tracklet.testing.store.experiments import ExperimentContract
from tracklet.testing.store.links import LinkContract
from tracklet.testing.store.logged_models import LoggedModelContract
from tracklet.testing.store.machine import store_machine
from tracklet.testing.store.metrics import MetricContract
from tracklet.testing.store.registry import RegistryContract
from tracklet.testing.store.runs import RunContract
from tracklet.testing.store.search import SearchContract
from tracklet.testing.store.texts import TextContract
from tracklet.testing.store.writer import WriterContract

__all__ = ["StoreContract", "store_machine"]


class StoreContract(
    ExperimentContract,
    RunContract,
    MetricContract,
    TextContract,
    WriterContract,
    LinkContract,
    LoggedModelContract,
    RegistryContract,
    SearchContract,
):
    """What every store that keeps runs and a registry must do.

    Subclass it in a test module and define :meth:`make_store`.
    """
