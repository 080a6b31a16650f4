"""TensorBoard's integration sees everything that a writer is told and touches nothing."""

from __future__ import annotations

from typing import ClassVar

import pytest

pytest.importorskip("tensorboard")

from tracklet.testing import IntegrationContract

pytestmark = pytest.mark.filterwarnings("ignore")


class TestTensorboard(IntegrationContract):
    name = "tensorboard"
    modules = ("torch.utils.tensorboard",)
    targets = ("torch.utils.tensorboard.writer:SummaryWriter.add_scalar",)
    orderings: ClassVar = {"enable import": True, "import enable": True, "generic import": True}
    training = """
    def train():
        import os
        import tempfile
        from torch.utils.tensorboard import SummaryWriter

        with tempfile.TemporaryDirectory() as folder:
            writer = SummaryWriter(folder)
            for step in range(2):
                writer.add_scalar("loss", 1.0 / (step + 1), step)
            writer.add_hparams({"lr": 0.1}, {"score": 0.5}, run_name="hparams")
            writer.close()
            files = [name for _, _, names in os.walk(folder) for name in names]
        return len(files)
    """

    # Every version is watched; and a writer is no training, which an exception would end.
    test_an_unsupported_version_is_declined = None
    test_no_failure_of_ours_hides_one_of_the_users = None
    test_the_users_exception_is_the_same_object = None
    test_an_exception_of_the_users_is_not_kept_alive = None
    test_an_exception_of_the_users_shows_what_it_showed = None
