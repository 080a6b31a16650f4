"""What trains with torch inside of a scikit-learn estimator trains as if nobody watched."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris

import tracklet

torch = pytest.importorskip("torch")

from torch.overrides import TorchFunctionMode, resolve_name  # noqa: E402 (only if there is torch)

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)


class Network(ClassifierMixin, BaseEstimator):
    """A classifier with everything in it that has a mode, a state or a hook."""

    def __init__(self, epochs=3, compiled=False):
        self.epochs = epochs
        self.compiled = compiled

    def fit(self, X, y):
        torch.manual_seed(0)
        self.classes_ = np.unique(y)
        self.events_ = []
        self.compilations_ = 0
        self.net_ = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(8, 3),
        )
        self.optimizer_ = torch.optim.Adam(self.net_.parameters(), 0.01)
        self.net_[0].register_forward_hook(lambda *_: self.events_.append("forward"))
        self.net_[3].register_full_backward_hook(lambda *_: self.events_.append("backward"))
        self.optimizer_.register_step_post_hook(lambda *_: self.events_.append("step"))
        forward = torch.compile(self.net_, backend=self._compile) if self.compiled else self.net_
        inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
        self.losses_ = []
        for _ in range(self.epochs):
            loss = torch.nn.functional.cross_entropy(forward(inputs), targets)
            self.optimizer_.zero_grad()
            loss.backward()
            self.optimizer_.step()
            self.losses_.append(loss.item())
        return self

    def _compile(self, graph, examples):
        self.compilations_ += 1
        return graph.forward

    def predict(self, X):
        return self.net_(torch.from_numpy(X)).argmax(1).numpy()


class Called(TorchFunctionMode):
    """The names of all functions of torch's that are called in a block."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(resolve_name(func) or str(func))
        return func(*args, **kwargs or {})


def state(model):
    """All that a training has left, exactly."""
    net, optimizer = model.net_, model.optimizer_
    return {
        "weights and buffers": {
            name: (tensor.dtype, tensor.device, tensor.requires_grad, tensor.numpy().tobytes())
            for name, tensor in net.state_dict().items()
        },
        "gradients": [parameter.grad.numpy().tobytes() for parameter in net.parameters()],
        "optimizer": str(optimizer.state_dict()),
        "modes": [module.training for module in net.modules()],
        "grad mode": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "losses": model.losses_,
        "next draw": torch.get_rng_state().numpy().tobytes(),
    }


def hooks(model):
    """How many hooks there are of each kind, on modules, parameters and the optimizer."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found = [len(getattr(module, kind)) for module in model.net_.modules() for kind in kinds]
    found += [len(parameter._backward_hooks or ()) for parameter in model.net_.parameters()]
    of_optimizer = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    return [*found, *(len(getattr(model.optimizer_, kind)) for kind in of_optimizer)]


@pytest.fixture
def plain():
    """The same training with autologging off."""

    def train(**params):
        with tracklet.autolog.disable_autologging():
            return Network(**params).fit(X, Y)

    return train


def test_r8_r9_modes_buffers_gradients_types_and_devices_are_as_without_us(plain, runs):
    expected = state(plain())
    assert state(Network().fit(X, Y)) == expected
    (run,) = runs()
    assert run.outputs.model_outputs  # the model was saved, too, by then


def test_r9_training_calls_no_function_of_torchs_that_it_would_not_call_by_itself(plain, enable):
    """No forward, no cast, no ``item()`` that would wait for a device."""
    enable(log_models=False)
    with Called() as expected:
        plain()
    with Called() as found:
        Network().fit(X, Y)
    assert "torch.Tensor.item" in expected.names
    assert found.names == expected.names


def test_r30_nothing_is_compiled_anew_and_determinism_flags_stay(plain):
    expected = plain(compiled=True)
    torch.compiler.reset()
    model = Network(compiled=True).fit(X, Y)
    assert model.compilations_ == expected.compilations_ > 0
    assert model.losses_ == expected.losses_
    torch.compiler.reset()


def test_r30_what_is_compiled_after_a_short_training_finds_no_hook_for_all_modules():
    """It would warn; and torch's own question is in its place again."""
    question = torch.nn.modules.module._has_any_global_hook
    Network().fit(X, Y)
    model = Network(compiled=True).fit(X, Y)
    assert model.compilations_ > 0
    assert torch.nn.modules.module._has_any_global_hook is question
    torch.compiler.reset()


def test_r31_hooks_are_the_users_alone_and_run_in_their_order(plain):
    expected = plain()
    model = Network().fit(X, Y)
    assert hooks(model) == hooks(expected)
    assert model.events_ == expected.events_ == ["forward", "backward", "step"] * 3
