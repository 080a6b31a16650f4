"""Type hints that say something of a model's signature."""

from __future__ import annotations


class TypeFromExample:
    """Hint ``model_input`` with it to have the signature inferred from the input example."""
