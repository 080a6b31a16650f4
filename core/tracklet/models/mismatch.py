"""What is installed here against what a model was saved under."""

from __future__ import annotations

import logging
from pathlib import Path

from tracklet.models import distributions
from tracklet.models.environment import REQUIREMENTS

_logger = logging.getLogger(__name__)
_OURS = frozenset(("tracklet", "mlflow", "mlflow-skinny"))


def differences(folder: Path) -> list[str]:
    """What of a model's requirements is not met, in words; nothing where it says nothing.

    Args:
        folder: The model's folder, with ``requirements.txt``.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = (folder / REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            requirement = Requirement(line.partition(" #")[0].strip())
        except InvalidRequirement:  # an option, a path, a comment
            continue
        if requirement.name.lower() in _OURS:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        here = distributions.version(requirement.name)
        if here is None:
            found.append(f"{requirement.name} is not installed (the model's: {line.strip()})")
        elif not requirement.specifier.contains(here.partition("+")[0], prereleases=True):
            found.append(f"{requirement.name} is {here} (the model's: {requirement.specifier})")
    return found


def warn(folder: Path) -> None:
    """Write one warning that names all differences; none if there are none."""
    found = differences(folder)
    if found:
        _logger.warning(
            "the model in %s was saved under other versions than are installed: %s. Its "
            "predictions may differ; `pip install -r %s` brings its own",
            folder,
            "; ".join(found),
            folder / REQUIREMENTS,
        )
