"""The contract of a store as tests: whoever writes a store subclasses :class:`StoreContract`.

::

    from tracklet_testing import StoreContract


    class TestMyStore(StoreContract):
        def make_store(self, tmp_path):
            return MyStore(f"my://{tmp_path}/record")

Every test says in a sentence what must hold. :func:`store_machine` makes a hypothesis state
machine that compares a store with a dictionary over random histories.
"""

from __future__ import annotations

from tracklet_testing.store.experiment_contract import ExperimentContract
from tracklet_testing.store.field_contract import FieldContract
from tracklet_testing.store.machine import store_machine
from tracklet_testing.store.model_contracts import LoggedModelContract, RegistryContract
from tracklet_testing.store.run_contracts import (
    LinkContract,
    MetricContract,
    RunContract,
    TextContract,
    WriterContract,
)
from tracklet_testing.store.search_contract import SearchContract
from tracklet_testing.store.trace_contract import TraceContract

__all__ = ["StoreContract", "store_machine"]


class StoreContract(
    ExperimentContract,
    FieldContract,
    RunContract,
    MetricContract,
    TextContract,
    WriterContract,
    LinkContract,
    LoggedModelContract,
    RegistryContract,
    SearchContract,
    TraceContract,
):
    """What every store that keeps runs and a registry must do.

    Subclass it in a test module and define :meth:`make_store`.
    """
