"""The rules by which losses that a script looks at become those of validation and test.

A segment is what is looked at between two of: a step, a switch of the model's mode, the beginning
of a loader's pass. Which data it is about is told by the loader's, else by the names in the
script. What stays open is left out, with the reason: there are no guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final, NamedTuple

from tracklet_integrations.shared.epochs import user_frames
from tracklet_integrations.shared.sites import (
    Length,
    Site,
    number,
    size,
    split_in,
    variable,
    weighting_by,
)

_MAX_LOOKS: Final = 100_000
METRICS: Final[Mapping[str, str]] = {
    "val": "val_loss",
    "test": "test_loss",
    "train": "train_eval_loss",
}


class Data(NamedTuple):
    """What a loader reads from.

    Args:
        ref: Gives the data set while it lives.
        identity: What it is told by while it lives.
        likeness: What another one has in common that was made anew of the same data.
        batch_size: How many samples a batch has; None if that differs.
        length: How many samples a pass has; None if that is not known.
    """

    ref: Callable[[], Any]
    identity: tuple[Any, ...]
    likeness: tuple[Any, ...]
    batch_size: int | None
    length: int | None

    def is_same(self, other: Data) -> bool:
        """Whether it is the same data."""
        return self.identity == other.identity

    def may_be_same(self, other: Data) -> bool:
        """Whether one is gone, and was like the other."""
        return (self.ref() is None or other.ref() is None) and self.likeness == other.likeness

    def sizes(self, batches: int) -> list[int] | None:
        """How many samples the first batches of a pass have; None if that is not known."""
        size, length = self.batch_size, self.length
        if size is None or length is None or batches > -(-length // size):
            return None
        return [min(size, length - size * at) for at in range(batches)]


class Group:
    """What was looked at in one place, of one split.

    Args:
        site: The place.
        reduction: What a loss module itself says of its values.
    """

    __slots__ = ("batches", "divisor", "reduction", "site", "sizes", "values", "weighting")

    def __init__(self, site: Site, reduction: str) -> None:
        self.site = site
        self.reduction = reduction
        self.values: list[Any] = []
        self.batches: list[int] = []  # how many batches the pass had given by then
        self.divisor: Any = None
        self.weighting = site.weighting
        self.sizes: list[int | None] = []  # of batches, as the script says


class Segment:
    """What is looked at while nothing else happens.

    Args:
        around: The pass within or after which it is, if no step was taken in it.
        in_training: Whether it is amid a pass in which steps are taken.
    """

    __slots__ = ("around", "groups", "in_training", "is_switched", "needs_backward")

    def __init__(self, around: Any, *, in_training: bool) -> None:
        self.around = around
        self.in_training = in_training
        self.groups: dict[tuple[Any, ...], Group] = {}
        self.is_switched = False  # the model was switched to evaluation
        self.needs_backward = False  # what was looked at had a graph

    def add(
        self, site: Site, value: Any, frame: FrameType, reduction: str = "", by: str = ""
    ) -> None:
        """Something was looked at.

        Args:
            site: Where.
            value: A number, or what becomes one when it is written.
            frame: Where the script is.
            reduction: What a loss module says of it.
            by: ``module`` if it is the result of a loss module, and was not looked at yet.
        """
        split = ""
        for name in site.variables:
            split = split or split_in(variable(frame, name))
        key = (site, split, by)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(site, reduction)
        if len(group.values) >= _MAX_LOOKS:
            return
        group.values.append(value)
        group.sizes.append(size(site.size, frame) if site.size is not None else None)
        if site.is_returned and len(group.values) == 1:
            group.weighting = weighting_by(next(user_frames(frame.f_back), None))
        group.batches.append(self.around.batches if self.around is not None else 0)
        if site.divisor is not None:
            found = number(site.divisor, frame)
            if isinstance(found, Length) and self._is_of_other(found.of):
                found = "other"
            elif isinstance(found, Length):
                kind = "dataset" if found.name in ("dataset", "data") else type(found.of).__name__
                found = "batches" if kind == "DataLoader" else "samples" if kind == "dataset" else 0
            group.divisor = found

    def _is_of_other(self, of: Any) -> bool:
        """Whether a loader or data set is certainly not what the pass around reads."""
        data = self.around.data if self.around is not None else None
        own = data.ref() if data is not None else None
        try:
            read = vars(of).get("dataset")
        except TypeError:
            return False
        return read is not None and own is not None and read is not own

    def values(self) -> Iterable[Any]:
        """All that was looked at."""
        for group in self.groups.values():
            yield from group.values


class Found(NamedTuple):
    """A loss of a split, or why there is none."""

    metric: str
    value: float | None
    origin: str


class Splits:
    """Which data is whose, as a training goes on."""

    def __init__(self) -> None:
        self._others: list[tuple[Data, str]] = []
        self._by_step: dict[str, int] = {}

    def losses(
        self,
        segment: Segment,
        step: int,
        trained_on: Iterable[Data],
        training_reduction: str,
        number_of: Callable[[Any], float | None],
    ) -> Iterable[Found]:
        """The losses of a segment, one per split."""
        by_split: dict[str, list[tuple[Group, str]]] = {}
        for (site, spoken, by), group in segment.groups.items():
            split = self._split(segment, site, spoken, step, trained_on)
            if not split and (segment.is_switched or not segment.needs_backward):
                told = f"left out: at {site.where} nothing says of which data it is"
                yield Found("val_loss", None, told)
            elif split:
                by_split.setdefault(split, []).append((group, by))
        for split, groups in by_split.items():
            metric = METRICS[split]
            if self._by_step.get(metric) == step:
                yield Found(metric, None, "left out where it was measured again at the same step")
                continue
            found = _loss(groups, segment.around, training_reduction, number_of)
            if found.value is not None:
                self._by_step[metric] = step
            yield found._replace(metric=metric)

    def _split(
        self, segment: Segment, site: Site, spoken: str, step: int, trained_on: Iterable[Data]
    ) -> str:
        """Whose loss is looked at; empty if it is none of these."""
        around = segment.around
        data: Data | None = around.data if around is not None else None
        if data is None:
            named = spoken or site.split
            if named or not segment.is_switched or segment.in_training:
                return named  # without a name, only a model that was switched says so
            return "test" if self._by_step.get("val_loss") == step else "val"
        trained = [*trained_on]
        if any(each.is_same(data) for each in trained):
            return "train"
        if site.split == "train":
            return ""  # a loss of training that is shown after an evaluation
        for known, split in self._others:
            if known.is_same(data):
                return split
        # What is made anew each time is told by what it is like; not so two at the same step.
        is_other = "val" in (spoken, site.split) or "test" in (spoken, site.split)
        if not is_other and any(each.may_be_same(data) for each in trained):
            return "train"
        for known, split in self._others:
            if known.may_be_same(data) and self._by_step.get(METRICS[split]) != step:
                return split
        split = "test" if self._others else "val"
        self._others.append((data, split))
        return split


def _loss(
    groups: list[tuple[Group, str]],
    around: Any,
    training_reduction: str,
    number_of: Callable[[Any], float | None],
) -> Found:
    """The one loss that several places tell."""
    looked = [group for group, by in groups if not by]
    made = [group for group, by in groups if by]
    reasons: list[str] = []
    for several in (looked, made):
        whole = [each for each in several if each.site.is_whole]
        found: list[Found] = []
        for group in sorted(whole, key=lambda each: not each.site.is_kept):
            one = _value(group, around, training_reduction, number_of)
            if one.value is None:
                reasons.append(one.origin)
            else:
                found.append(one)
        if found and all(_is_close(found[0].value, each.value) for each in found):
            return found[0]
        if found:
            kept = [f for f in found if f.origin.startswith("mean")]
            if len(kept) == 1 and len(kept) < len(found):
                return kept[0]
            places = ", ".join(sorted(each.origin for each in found))
            reasons.append(f"several places say different things: {places}")
        elif several and not whole:
            names = ", ".join(sorted({each.site.name for each in several}))
            reasons.append(f"nothing says that one of these is the whole loss: {names}")
    return Found("", None, f"left out: {'; '.join(dict.fromkeys(reasons))}")


def _is_close(one: float | None, other: float | None) -> bool:
    return one == other or (
        one is not None and other is not None and abs(one - other) <= 1e-6 * max(1e-12, abs(one))
    )


def _value(
    group: Group, around: Any, training_reduction: str, number_of: Callable[[Any], float | None]
) -> Found:
    """The loss that one place tells."""
    site, given = group.site, [number_of(value) for value in group.values]
    values = [each for each in given if each is not None]
    where = f"at {site.where}"
    if not values or len(values) != len(given):
        return Found("", None, f"the value {where} is not known")
    reduction = group.reduction or site.reduction or training_reduction or "mean"
    batches = around.batches if around is not None else 0
    if reduction not in ("mean", "sum"):
        return Found("", None, f"what is looked at {where} is not one number per batch")
    if not group.weighting:
        return Found("", None, f"{where} it is multiplied by something else")
    if len(values) == 1 and batches != 1:
        return _single(group, values[0], around, reduction, where)
    if around is not None and len(values) < batches - (not around.is_over):
        return Found("", None, f"{where} {len(values)} of {batches} batches were looked at")
    if around is not None and len(values) > batches:
        return Found("", None, f"{where} it is looked at more than once per batch")
    count = len(values)
    if reduction == "mean" and group.weighting == "batches":
        return Found("", sum(values) / count, f"mean of {count} batches' losses {where}")
    sizes = around.data.sizes(count) if around is not None and around.data is not None else None
    if sizes is None and group.weighting == "samples":
        spoken = [each for each in group.sizes if each is not None]
        sizes = spoken if len(spoken) == count and sum(spoken) else None
    if reduction == "sum" and sizes is None and count == 1:
        sizes = [group.divisor] if type(group.divisor) is int else None
    if sizes is None:
        if len(values) > 1 or reduction == "sum":
            return Found("", None, f"{where} it depends on sizes of batches that are not known")
        sizes = [1]
    if reduction == "mean":
        values = [value * size for value, size in zip(values, sizes, strict=True)]
    return Found("", sum(values) / sum(sizes), f"mean of {sum(sizes)} samples' losses {where}")


def _single(group: Group, value: float, around: Any, reduction: str, where: str) -> Found:
    """A value that was looked at once, of all batches."""
    site, divisor = group.site, group.divisor
    if around is not None and around.batches > 1 and not around.is_over:
        return Found("", None, f"{where} 1 of {around.batches} batches was looked at")
    if site.divisor is not None:
        if divisor == "batches":
            divisor = around.batches if around is not None else None
        elif divisor == "samples":
            length = around.data.length if around is not None and around.data is not None else None
            divisor = length
        if type(divisor) not in (int, float) or not divisor:
            return Found("", None, f"{where} it is divided by something that is not known")
        return Found("", value / divisor, f"value {where}")
    if site.is_sum:
        return Found("", None, f"{where} it is a sum, and nothing says of how many")
    return Found("", value, f"value {where}")
