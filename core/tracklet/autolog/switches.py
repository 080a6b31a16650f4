"""What people call: ``tracklet.autolog()`` for every framework, and ``tracklet.<name>.autolog``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, ParamSpec

from tracklet import plugins
from tracklet.autolog import enabling
from tracklet.autolog.integration import CommonOptions, Options
from tracklet.errors import InvalidParameterValue, PluginError
from tracklet.state import ProcessState

_P = ParamSpec("_P")
OURS: Final = ("tracklet", "tracklet_integrations")


class _Switched(ProcessState):
    """The files of the code that has switched autologging on."""

    def begin(self) -> None:
        self.files: set[str] = set()


_switched = _Switched()


def switched_on_in() -> Iterable[str]:
    """The files of the code that has called ``autolog``: what lies beside them is the user's."""
    return _switched.files


def _note_caller() -> None:
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in OURS:
        frame = frame.f_back
    _switched.files.add(frame.f_code.co_filename)


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: Mapping[str, Any] | None = None,
    exclude_flavors: Iterable[str] | None = None,
) -> None:
    """Record every training, of every framework that an installed integration knows.

    Frameworks that are not imported yet are watched as soon as they are; none is imported by this.
    An integration that was configured by its own call (``tracklet.sklearn.autolog(...)``) keeps
    that configuration, unless this call disables.

    Args:
        log_input_examples: Store the first rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained on as inputs of the run.
        log_traces: For integrations that trace; the training integrations have no use for it.
        disable: Turn every integration off, however it was configured, and put everything back.
        exclusive: Record only into runs that autologging started, never into the user's.
        disable_for_unsupported_versions: Accepted for compatibility: a framework whose version the
            integration does not support is always declined, with a line in the log.
        silent: Say nothing in the log.
        extra_tags: Further tags for the runs that autologging starts.
        exclude_flavors: Names of integrations to leave as they are.

    Raises:
        InvalidParameterValue: ``extra_tags`` is no mapping, or ``exclude_flavors`` no list of
            names. Nothing was changed then.

    Example:
        >>> tracklet.autolog()
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
        >>> tracklet.last_active_run().data.params["fit_intercept"]
        'True'
    """
    excluded = _names(exclude_flavors)
    Options(extra_tags=extra_tags)  # refuses before anything is changed
    _note_caller()
    given = {
        "log_input_examples": log_input_examples,
        "log_model_signatures": log_model_signatures,
        "log_models": log_models,
        "log_datasets": log_datasets,
        "log_traces": log_traces,
        "exclusive": exclusive,
        "disable_for_unsupported_versions": disable_for_unsupported_versions,
        "silent": silent,
        "extra_tags": extra_tags,
    }
    for name in plugins.entry_points("integrations"):
        if name in excluded:
            continue
        entry = enabling.entry(name)
        if disable:
            # An explicit "off" stays explicit, so that a later generic call leaves it off.
            explicit_off = entry is not None and entry.origin == "explicit"
            off = explicit_off and entry is not None and entry.state == "disabled"
            enabling.turn_off(name, "explicit" if off else "generic")
            continue
        if entry is not None and entry.origin == "explicit":
            continue
        try:
            enabling.enable_known(name, given)
        except PluginError as error:
            enabling.mark_broken(name, error.message)
            if not silent:
                enabling.logger.warning("%s", error)


autolog.integration_name = "mlflow"  # type: ignore[attr-defined]  # the name that scripts look for


def switch(name: str, options: Callable[_P, CommonOptions]) -> Callable[_P, None]:
    """The function ``tracklet.<name>.autolog``, made from what an integration can be told.

    Its docstring is that of the class. Its arguments are the class's, and ``disable``: before all
    others and by keyword, unless the class has a place for it.

    Args:
        name: The integration.
        options: Its ``Options``.
    """
    signature = _signature(options)
    has_own = "disable" in inspect.signature(options).parameters

    def autolog(*args: _P.args, **kwargs: _P.kwargs) -> None:
        given: dict[str, Any] = {**kwargs}
        if has_own:
            # Refused like the arguments of any function; `enable` names the options that there are.
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"autolog() {error}") from None
        enabling.enable(name, **given)
        _note_caller()

    autolog.__signature__ = signature  # type: ignore[attr-defined]
    autolog.__doc__ = inspect.getdoc(options)
    autolog.__module__ = f"tracklet.{name}"
    autolog.__qualname__ = "autolog"
    autolog.integration_name = name  # type: ignore[attr-defined]  # the name that scripts look for
    return autolog


def _signature(options: Callable[..., CommonOptions]) -> inspect.Signature:
    parameters = dict(inspect.signature(options).parameters)
    off = parameters.get("disable")
    if off is None:
        off = inspect.Parameter("disable", inspect.Parameter.KEYWORD_ONLY, default=False)
        parameters = {"disable": off, **parameters}
    parameters["disable"] = off.replace(annotation="bool")
    return inspect.Signature(tuple(parameters.values()), return_annotation="None")


def _names(exclude_flavors: Iterable[str] | None) -> frozenset[str]:
    if exclude_flavors is None:
        return frozenset()
    if isinstance(exclude_flavors, str) or not isinstance(exclude_flavors, Iterable):
        raise InvalidParameterValue(
            f"exclude_flavors is a list of names such as ['sklearn']; got {exclude_flavors!r}"
        )
    return frozenset(exclude_flavors)
