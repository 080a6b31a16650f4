"""Random numbers that we cause to be drawn are drawn by nobody."""

from __future__ import annotations

import random

from tracklet.autolog import preserved


def test_states_of_python_and_numpy_are_put_back():
    import numpy as np

    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.normal(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    with preserved():
        random.random()
        np.random.random(1000)
        np.random.normal()
    assert (random.random(), np.random.normal(), np.random.random()) == expected


def test_half_used_gaussian_of_both_generators_is_put_back():
    import numpy as np

    random.seed(1)
    np.random.seed(1)
    random.gauss(0, 1)
    np.random.normal()
    states = random.getstate(), np.random.get_state()[3:]
    with preserved():
        random.gauss(0, 1)
        np.random.normal()
    assert (random.getstate(), np.random.get_state()[3:]) == states


def test_given_generators_are_put_back_too():
    import numpy as np

    generator, legacy = np.random.default_rng(3), np.random.RandomState(3)
    with preserved(generator, legacy):
        generator.random(10)
        legacy.random(10)
    assert generator.random() == np.random.default_rng(3).random()
    assert legacy.random() == np.random.RandomState(3).random()
