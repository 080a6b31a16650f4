"""What the source says of a place where a script looks at a scalar: what it is, and of which data.

A place is an instruction of a code object, whose span in the source the interpreter knows. What is
read there is the text, once per place, and variables of the script by their names. Nothing of the
script is called.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import CO_OPTIMIZED
from pathlib import PurePath
from sys import getrefcount, version_info
from types import CodeType, FrameType
from typing import Any, Final

_MAX_FILES: Final = 32
_MAX_LINES: Final = 20_000
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_LOSS: Final = frozenset({"loss", "losses", "vloss", "nll", "criterion", "crit"})
_SPLITS: Final = {
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "vloss"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
}
_EVALUATES: Final = frozenset({"eval", "evaluate", "evaluation"})
# Words beside "loss" that leave it the whole loss: of how much, by which function.
_NEUTRAL: Final = frozenset(
    "total running epoch batch avg average mean sum cum cur current all step item fn func function"
    " criterion cross entropy mse l1 mae bce ce nll huber smooth binary with logits b t v f e i"
    " per tensor list history meter score value new".split()
)
# What Keras calls a mean.
_MEANS: Final[dict[str, str]] = dict.fromkeys(
    ("sum_over_batch_size", "mean_with_sample_weight", "auto"), "mean"
)
_SIZES: Final = frozenset("size shape len n num numel batch bs bsz count".split())
_CASTS: Final = frozenset("item detach cpu clone float double data numpy tolist to squeeze".split())


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a loss is looked at.

    Args:
        where: The file and line, such as ``train.py:41``.
        name: What it is called there.
        split: ``val``, ``test`` or ``train``, if a name says so.
        is_named: Whether its own name says that it is the loss of such a split: then it is one
            also where nothing else says that the script evaluates.
        is_whole: Whether its name says that it is the loss, and not a part of it.
        is_kept: Whether it is added to a sum or a list there, and not only shown.
        reduction: ``mean`` or ``sum`` over a batch, if the source says so.
        weighting: ``samples`` if each is multiplied by the size of its batch, ``batches`` if not;
            empty if it is scaled by something else.
        size: What each is multiplied by, the size of its batch, if that stands there.
        divisor: What a sum is divided by there.
        is_sum: Whether what is looked at is a sum over batches, if it is one of all of them.
        variables: Variables that may hold the name of the split.
        is_returned: Whether a function gives it to its caller, whose text says how it is weighted.
    """

    where: str
    name: str
    split: str
    is_named: bool
    is_whole: bool
    is_kept: bool
    reduction: str
    weighting: str
    size: ast.expr | None
    divisor: ast.expr | None
    is_sum: bool
    variables: tuple[str, ...]
    is_returned: bool


def split_in(text: Any) -> str:
    """Which split a short text names; empty if it names none, or several."""
    if type(text) is not str or len(text) > 40:
        return ""
    found = {_SPLITS[word] for word in words(text) if word in _SPLITS}
    return found.pop() if len(found) == 1 else ""


def split_of_loss(name: str) -> str:
    """Whose whole loss something is by its name; empty if the name does not say that."""
    own = {*words(name)}
    beside = {each for each in own - _LOSS - _NEUTRAL - {*_SPLITS} if not each.isdigit()}
    return split_in(name) if _is_loss(name) and beside <= {"metric", "tracker"} else ""


def variable(frame: FrameType, name: str) -> Any:
    """A variable of a frame; None if there is none of this name."""
    values = frame.f_locals
    if name in values:
        found = values[name]
    else:
        found = frame.f_globals.get(name)
    if (
        version_info < (3, 13)
        and values is not frame.f_globals
        and frame.f_code.co_flags & CO_OPTIMIZED
        and getrefcount(values) <= 3  # of the frame, this name and the argument: no `locals()`
    ):
        values.clear()  # a snapshot, which would keep all of them alive as long as the frame is
    return found


def read(frame: FrameType, subject: Any = None) -> Site | None:
    """What the source says of the call at which a frame is; None if it is none of a loss.

    Args:
        frame: The frame.
        subject: The tensor, if the call may be of several: which one is told by its variable.
    """
    file, span = frame.f_code.co_filename, _span(frame)
    source = _source(file)
    if source is None or span is None:
        return None
    call = source.calls.get(span[1:])
    if call is None:
        return None
    looked_at = _subject(call) if subject is None else _held(call, subject, frame)
    if looked_at is None:
        return None
    return _Reader(source, call, looked_at, frame).site(f"{PurePath(file).name}:{span[0]}")


def weighting_by(frame: FrameType | None) -> str:
    """How a caller weights what the function that it calls at its line gives it.

    Args:
        frame: The caller's.

    Returns:
        ``samples`` or ``batches``; empty if it is scaled by something else.
    """
    span = _span(frame) if frame is not None else None
    source = _source(frame.f_code.co_filename) if frame is not None else None
    call = source.calls.get(span[1:]) if source is not None and span is not None else None
    if frame is None or source is None or call is None:
        return "batches"
    return _Reader(source, call, call, frame).weighting()


def size(expression: ast.expr, frame: FrameType) -> int | None:
    """How many samples ``len(x)``, ``x.size(0)``, ``x.shape[0]`` or a number says; else None."""
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        asked, at = expression.func, expression.args[0] if len(expression.args) == 1 else None
        if asked.attr == "size" and isinstance(at, ast.Constant):
            return _shape(_resolved(asked.value, frame), at.value)
        return None
    if isinstance(expression, ast.Subscript) and isinstance(expression.value, ast.Attribute):
        asked, at = expression.value, expression.slice
        if asked.attr == "shape" and isinstance(at, ast.Constant):
            return _shape(_resolved(asked.value, frame), at.value)
        return None
    found = number(expression, frame)
    if isinstance(found, Length):
        return len(found.of) if type(found.of) in (list, tuple) else _shape(found.of, 0)
    return found if type(found) is int else None


def _shape(tensor: Any, at: Any) -> int | None:
    kind = type(tensor)
    if kind.__module__ not in ("torch", "numpy") or type(at) is not int:
        return None
    shape = getattr(tensor, "shape", ())
    return int(shape[at]) if type(shape[at]) is int else None


def number(expression: ast.expr, frame: FrameType) -> Any:
    """What a plain expression is worth: a number, or what ``len`` is asked of; None if unknown."""
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add):
        one, other = number(expression.left, frame), number(expression.right, frame)
        both = isinstance(one, int | float) and isinstance(other, int | float)
        return one + other if both else None
    if isinstance(expression, ast.Call) and last_name(expression.func) == "len" and expression.args:
        return Length(_resolved(expression.args[0], frame), last_name(expression.args[0]))
    return _resolved(expression, frame)


@dataclass(frozen=True, slots=True)
class Length:
    """The length of something that is not asked for it."""

    of: Any
    name: str


def loops(frame: FrameType) -> Iterator[tuple[str, ast.For]]:
    """The ``for`` statements around a frame's line, from the outside in, by their variables."""
    source = _source(frame.f_code.co_filename)
    if source is None:
        return
    first, line = frame.f_code.co_firstlineno, frame.f_lineno
    for each in source.loops:
        if first <= each.lineno and each.body[0].lineno <= line <= (each.end_lineno or 0):
            targets = each.target.elts if isinstance(each.target, ast.Tuple) else [each.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, each


class _Source:
    """The syntax of a file."""

    def __init__(self, tree: ast.AST) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.calls: dict[tuple[int, int], ast.Call] = {}
        self.loops: list[ast.For] = []
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Call):
                self.calls[node.end_lineno or 0, node.end_col_offset or 0] = node
            elif isinstance(node, ast.For):
                self.loops.append(node)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node is in, from the inside out."""
        parent = self.parents.get(node)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent)


@lru_cache(_MAX_FILES)
def _source(file: str) -> _Source | None:
    lines = linecache.getlines(file)
    if not lines or len(lines) > _MAX_LINES:
        return None
    try:
        return _Source(compile("".join(lines), file, "exec", ast.PyCF_ONLY_AST, dont_inherit=True))
    except (SyntaxError, ValueError):
        return None


def _span(frame: FrameType) -> tuple[int, int, int] | None:
    """The line where the call begins, and the line and the column where it ends."""
    spans = _spans(frame.f_code)
    line, end_line, _, end = spans[frame.f_lasti // 2]
    return (line, end_line, end) if line and end_line and end is not None else None


@lru_cache(256)
def _spans(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def words(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def last_name(node: ast.AST | None) -> str:
    """The last name of ``a.b.c`` or ``a["c"]``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
        return last_name(node.value)
    return ""


def _subject(call: ast.Call) -> ast.expr | None:
    """What is looked at by ``x.item()`` and ``float(x)``; a call of a loss itself."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _CASTS:
        return call.func.value
    if isinstance(call.func, ast.Name) and call.func.id == "float" and call.args:
        return call.args[0]
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("average", "mean", "sum"):
        return call.args[0] if call.args else None
    return call


def _held(call: ast.Call, subject: Any, frame: FrameType) -> ast.expr | None:
    """The variable of a statement that holds this very tensor."""
    for node in ast.walk(call):
        if isinstance(node, ast.Name) and variable(frame, node.id) is subject:
            return node
    return None


def _resolved(node: ast.expr, frame: FrameType) -> Any:
    """The object that a dotted name holds."""
    if isinstance(node, ast.Name):
        return variable(frame, node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, frame)
        try:
            values = object.__getattribute__(owner, "__dict__")
        except AttributeError:
            return None
        found = values.get(node.attr)
        modules = values.get("_modules")
        return modules.get(node.attr) if found is None and type(modules) is dict else found
    return None


class _Reader:
    """Reads one place."""

    def __init__(
        self, source: _Source, call: ast.Call, subject: ast.expr, frame: FrameType
    ) -> None:
        self.source, self.call, self.subject, self.frame = source, call, subject, frame
        self.around: list[ast.AST] = []
        self.scope: ast.AST = call
        self.statement: ast.AST = call
        for node in source.around(call):
            self.scope = node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                break
            self.around.append(node)
            if isinstance(node, ast.stmt) and isinstance(self.statement, ast.expr):
                self.statement = node

    def site(self, where: str) -> Site | None:
        target, subject = self._target(), self._subject_names()
        names = [name for name in (target, *subject) if name]
        name = next((each for each in names if _is_loss(each)), "")
        if not name:
            return None
        own_words = {*words(name)}
        own = next((split for each in names if (split := split_in(each))), "")
        function = getattr(self.scope, "name", "")
        shown = [
            each.value
            for each in ast.walk(self.statement)
            if isinstance(self.statement, ast.Expr) and isinstance(each, ast.Constant)
        ]
        split = own or next((s for each in (function, *shown) if (s := split_in(each))), "")
        if split == "train" and not own:
            split = ""
        beside = own_words - _LOSS - _NEUTRAL - {*_SPLITS} - _EVALUATES
        weighting, size, divisor = self._weighting(self.call)
        if weighting == "batches" and divisor is None and isinstance(self.statement, ast.Assign):
            weighting, size = self._later(self.statement.targets)
        return Site(
            where,
            name,
            split,
            own in ("val", "test") or bool(_EVALUATES & own_words),
            not any(not each.isdigit() for each in beside) and not self._is_part(),
            isinstance(self.statement, ast.AugAssign | ast.Assign) or bool(target),
            self._reduction(self.subject, 3),
            weighting,
            size,
            divisor,
            self._is_sum(),
            self._variables(),
            isinstance(self.statement, ast.Return) and weighting == "batches" and divisor is None,
        )

    def weighting(self) -> str:
        """How it is weighted, at once or by the variable that it is assigned to."""
        weighting, _, divisor = self._weighting(self.call)
        if weighting == "batches" and divisor is None and isinstance(self.statement, ast.Assign):
            weighting, _ = self._later(self.statement.targets)
        return weighting

    def _target(self) -> str:
        """What it is assigned to, added to, or given to by a method or keyword."""
        inner: ast.AST = self.call
        for node in self.source.around(self.call):
            if isinstance(node, ast.keyword) and node.arg:
                return node.arg
            if isinstance(node, ast.Call) and inner in node.args:
                if isinstance(node.func, ast.Attribute) and node.func.attr in (
                    "append",
                    "update",
                    "add",
                ):
                    return last_name(node.func.value)
            elif isinstance(node, ast.Assign):
                target = node.targets[0]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(node.value.elts, target.elts, strict=False)
                    target = next((to for value, to in pairs if value is inner), target)
                return last_name(target)
            elif isinstance(node, ast.AugAssign | ast.AnnAssign):
                return last_name(node.target)
            elif isinstance(node, ast.stmt):
                return ""
            if not isinstance(node, ast.Tuple):
                inner = node
        return ""

    def _subject_names(self) -> list[str]:
        node = _bare(self.subject)
        if isinstance(node, ast.Call):
            return [last_name(node.func)]
        return [last_name(node)]

    def _is_part(self) -> bool:
        """Whether it is added to something else before it is kept."""
        for node in self.source.around(self.call):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                # ``total = total + loss`` is a sum over batches.
                into = last_name(getattr(self.statement, "targets", [None])[0])
                return into not in (last_name(node.left), last_name(node.right)) or not into
            if isinstance(node, ast.stmt):
                return False
        return False

    def _weighting(self, node: ast.AST) -> tuple[str, ast.expr | None, ast.expr | None]:
        weighting, size, divisor, inner = "batches", None, None, node
        for outer in self.source.around(node):
            if isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.Mult):
                size = outer.right if outer.left is inner else outer.left
                weighting = "samples" if _is_size(size) else ""
            elif isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.Div):
                if outer.left is not inner:
                    return "", None, None
                divisor = outer.right
            elif isinstance(outer, ast.BinOp) and not isinstance(outer.op, ast.Add):
                return "", None, None
            elif isinstance(outer, ast.Call) and len(outer.args) > 1 and inner in outer.args:
                sizes = [each for each in outer.args if each is not inner and _is_size(each)]
                if last_name(outer.func) in ("update", "add") and sizes:
                    weighting, size = "samples", sizes[0]
            elif isinstance(outer, ast.Tuple) and isinstance(
                self.source.parents[outer], ast.Return
            ):
                # What is given together with its size is not meant to be weighted without it.
                sizes = [each for each in outer.elts if each is not inner and _is_size(each)]
                if len(sizes) == 1:
                    weighting, size = "samples", sizes[0]
            elif isinstance(outer, ast.stmt):
                break
            inner = outer
        return weighting, size, divisor

    def _later(self, targets: list[ast.expr]) -> tuple[str, ast.expr | None]:
        """How the variable that it is assigned to is used in the same function."""
        name = last_name(targets[0]) if isinstance(targets[0], ast.Name) else ""
        for node in ast.walk(self.scope):
            if name and isinstance(node, ast.Name) and node.id == name:
                weighting, size, _ = self._weighting(node)
                if isinstance(node.ctx, ast.Load) and weighting == "samples":
                    return weighting, size
        return "batches", None

    def _assigned(self, name: str) -> list[ast.AST]:
        """The statements of the function that give a variable its value, up to this line."""
        line = getattr(self.call, "lineno", 0)
        found: list[ast.AST] = []
        for node in ast.walk(self.scope):
            if getattr(node, "lineno", line + 1) > line:
                continue
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AugAssign):
                targets = [node.target]
            else:
                continue
            if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                found.append(node)
        return sorted(found, key=lambda each: getattr(each, "lineno", 0))

    def _reduction(self, node: ast.expr, depth: int) -> str:
        node, last = _bare(node), _last_call(node)
        if last in ("sum", "mean"):
            return last
        if isinstance(node, ast.Name) and depth:
            assigned = self._assigned(node.id)
            value = getattr(assigned[-1], "value", None) if assigned else None
            return self._reduction(value, depth - 1) if value is not None else ""
        if isinstance(node, ast.BinOp):
            return self._reduction(node.left, depth - 1) if depth else ""
        if not isinstance(node, ast.Call):
            return ""
        for each in node.keywords:
            if each.arg == "reduction" and isinstance(each.value, ast.Constant):
                return str(each.value.value)
            if each.arg in ("size_average", "reduce", "reduction"):
                return "none"  # not to be told
        called = last_name(node.func)
        if called in ("reduce_sum", "reduce_mean"):
            return called.removeprefix("reduce_")
        criterion = _resolved(node.func, self.frame)
        if getattr(criterion, "__module__", "") == "torch.nn.functional":
            return "mean"
        try:
            own = object.__getattribute__(criterion, "__dict__").get("reduction")
        except AttributeError:
            return ""
        return _MEANS.get(own, own) if isinstance(own, str) else ""

    def _is_sum(self) -> bool:
        """Whether a variable is added to in this function, and divided nowhere before."""
        node = _bare(self.subject)
        if _last_call(self.subject) in ("mean", "average"):
            return False
        if not isinstance(node, ast.Name):
            return False
        assigned = self._assigned(node.id)
        adds = [at for at, each in enumerate(assigned) if _adds_to(each, node.id)]
        return bool(adds) and not any(_divides(each, node.id) for each in assigned[adds[-1] :])

    def _variables(self) -> tuple[str, ...]:
        """The loop variables around it, and the parameters of the function."""
        found = [
            node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
            for node in self.around
            if isinstance(node, ast.For)
        ]
        names = [each.id for each in found if isinstance(each, ast.Name)]
        if isinstance(self.scope, ast.FunctionDef | ast.AsyncFunctionDef):
            names += [each.arg for each in (*self.scope.args.args, *self.scope.args.kwonlyargs)]
        return tuple(names[:8])


def _is_loss(name: str) -> bool:
    return bool(_LOSS & {*words(name)}) or name.endswith(("cross_entropy", "with_logits"))


def _bare(node: ast.expr) -> ast.expr:
    """Without what only changes where or how a number is kept."""
    while True:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _CASTS or (node.func.attr in ("mean", "sum") and not node.args):
                node = node.func.value
                continue
        elif isinstance(node, ast.Attribute) and node.attr == "data":
            node = node.value
            continue
        return node


def _last_call(node: ast.expr) -> str:
    """``mean`` or ``sum``, if that is what is called last of what counts."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("mean", "sum", "average"):
            return node.func.attr
        if node.func.attr not in _CASTS:
            break
        node = node.func.value
    return ""


def _adds_to(node: ast.AST, name: str) -> bool:
    return _changes(node, name, ast.Add)


def _divides(node: ast.AST, name: str) -> bool:
    return _changes(node, name, ast.Div)


def _changes(node: ast.AST, name: str, by: type[ast.operator]) -> bool:
    """Whether a statement is ``name += …``, or ``name = name + …``."""
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, by)
    value = getattr(node, "value", None)
    return (
        isinstance(value, ast.BinOp)
        and isinstance(value.op, by)
        and name in (last_name(value.left), last_name(value.right))
    )


def _is_size(node: ast.expr) -> bool:
    """Whether an expression is about how many there are."""
    return any(
        _SIZES & {*words(last_name(each))}
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    )
