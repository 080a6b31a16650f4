"""Ids, names and times that are made, not given.

They are drawn from the operating system: the process-wide generators of :mod:`random` and NumPy
belong to the user, and drawing from them would change the training that is being recorded. A
forked child draws others than its parent, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_ADJECTIVES = (
    "able agile amber ample apt arctic azure bold brave breezy bright brisk calm candid clear "
    "clever coral cosmic crisp deft eager early earnest fair fleet fond frank fresh gentle glad "
    "golden grand happy hardy honest humble ideal jolly keen kind lively loyal lucid lucky mellow "
    "merry mighty modest neat nimble noble patient placid plucky polite prime proud quick quiet "
    "rapid ready robust rustic salty serene sharp silent sleek smart smooth snappy solid sunny "
    "swift tidy tranquil trusty upbeat vivid warm wise witty zesty"
).split()

_ANIMALS = (
    "ant badger bass bat bear beaver bee bison boar bobcat camel carp cat cod colt condor crab "
    "crane crow deer dingo dog dove duck eagle eel elk emu falcon ferret finch fox frog gecko "
    "gnat goat goose grouse gull hare hawk hen heron horse ibex ibis jay koala lark lemur lion "
    "llama lynx magpie mink mole moose moth mouse mule newt otter owl ox panda parrot perch pig "
    "pike pony puma quail rabbit ram raven robin rook seal shad shark sheep shrew skunk sloth "
    "snail snipe sole squid stag stoat stork swan tern tiger toad trout tuna turtle vole wasp "
    "whale wolf wombat worm wren yak zebra"
).split()


def run_name() -> str:
    """A name to tell runs apart by, such as ``brave-otter-512``; at most 20 characters."""
    while True:
        name = f"{one_of(_ADJECTIVES)}-{one_of(_ANIMALS)}-{_below(1000)}"
        if len(name) <= 20:
            return name


def run_id() -> str:
    """A new run id: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def model_id() -> str:
    """A new logged model id: ``m-`` and 32 hexadecimal digits."""
    return "m-" + os.urandom(16).hex()


def experiment_id() -> str:
    """A new experiment id: 18 digits, as in MLflow's file store."""
    return str(_below(9 * 10**17) + 10**17)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def one_of(candidates: Sequence[T]) -> T:
    """Any of them."""
    return candidates[_below(len(candidates))]


def _below(limit: int) -> int:
    return int.from_bytes(os.urandom(16)) % limit
