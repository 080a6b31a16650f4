"""The contract of an integration: it sees everything and touches nothing.

An author subclasses :class:`IntegrationContract` in a test module; pytest runs the rest::

    class TestToyIntegration(IntegrationContract):
        name = "toy"
        modules = ("toy",)
        targets = ("toy.training:train",)
        training = '''
    def train():
        import toy
        return toy.training.train([1, 2, 3])

    def fail(error):
        import toy
        def callback():
            raise error
        toy.training.train([1, 2, 3], callbacks=[callback])

    def trained():
        import toy
        rows = toy.Rows([1, 2, 3])
        return toy.training.fit(rows), rows
    '''
        further = {"in rounds": '''
    def train():
        import toy
        return toy.training.train([1, 2, 3], rounds=5)

    options = {"every_n_round": 2}
    '''}
"""

from __future__ import annotations

from tracklet_testing.integration.concurrency import ConcurrencyContract
from tracklet_testing.integration.containment import ContainmentContract
from tracklet_testing.integration.faults import InjectedError
from tracklet_testing.integration.orderings import OrderingContract
from tracklet_testing.integration.patches import PatchContract
from tracklet_testing.integration.records import RecordContract
from tracklet_testing.integration.side_effects import GlobalStateContract, ObjectContract
from tracklet_testing.integration.storage import StorageContract
from tracklet_testing.integration.stores import StoresContract

__all__ = ["InjectedError", "IntegrationContract"]


class IntegrationContract(
    OrderingContract,
    PatchContract,
    ContainmentContract,
    ObjectContract,
    GlobalStateContract,
    ConcurrencyContract,
    StorageContract,
    StoresContract,
    RecordContract,
):
    """Subclass it and set the class attributes; every test then runs against the integration."""
