"""The open record of a run in its folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from tracklet import validation
from tracklet.entities import Metric
from tracklet.errors import InvalidState
from tracklet.record import rules
from tracklet.record.backend import RunWriter
from tracklet.stores import disk
from tracklet.stores.files import key_values, layout, points, run_state
from tracklet.stores.files.folder import announce
from tracklet.stores.files.points import Appender

MAX_OPEN_FILES: Final = 128
"""How many metric files a writer keeps open; beyond it, half of them are closed."""

_TOO_MANY_OPEN: Final = frozenset({errno.EMFILE, errno.ENFILE})
_MIN: Final = validation.MIN_INTEGER
_MAX: Final = validation.MAX_INTEGER


class FileRunWriter(RunWriter):
    """Writes one run: a metric is one ``write(2)`` of one line to a file that stays open.

    It has no lock: a signal handler, a finalizer or a forked child may come in between any two
    steps and record as well. What is shared changes by single steps that Python makes whole.

    Args:
        root: The store's folder.
        run_dir: The run's folder.
        lease: The lease that says that this process carries the run on, if it does.
        settled: Whether the run was over when it was opened, so that the index must be told.
        find_model: The folder of a logged model, by its id.
    """

    def __init__(
        self,
        root: str,
        run_dir: str,
        *,
        lease: str | None,
        settled: bool,
        find_model: Callable[[str], str],
    ) -> None:
        self.run_id = os.path.basename(run_dir)
        self.root = root
        self._run_dir = run_dir
        self._metrics_dir = f"{run_dir}/{layout.METRICS}"
        self._find_model = find_model
        self._settled = settled
        self._pid = os.getpid()
        self._open: dict[str, Appender] = {}
        self._most_open = MAX_OPEN_FILES
        self._keys: set[str] = set()
        self._params: dict[str, str] = {}
        self._unsynced: set[str] = set()
        self._closed = False
        self._lease = lease

    # -- metrics -------------------------------------------------------------------------------

    def log_metric(self, key: str, value: float, step: int, timestamp: int) -> None:
        """Append one point; any float is kept exactly, NaN and infinities too.

        Raises:
            InvalidParameterValue: Key, value, step or timestamp break a rule.
            StorageError: The disk refused; what it took of the line is no point.
        """
        try:
            file = self._open[key]
        except (KeyError, TypeError):
            file = self._appender(key)
        if type(value) is not float or type(step) is not int or type(timestamp) is not int:
            value, step, timestamp = validation.metric_numbers(key, value, step, timestamp)
        elif not 0 <= timestamp <= _MAX or not _MIN <= step <= _MAX:
            validation.metric_numbers(key, value, step, timestamp)
        data = b"%d %a %d\n" % (timestamp, value, step)
        try:
            count = disk.write(file.fd, data)
            if count != len(data):
                file.resume(data, count)
        except OSError as error:
            self._forget(key)
            raise disk.storage_error("log a metric", error, file.path) from error

    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        """Append points; all are checked before the first is written.

        Points that belong to a logged model are written to the model's record as well.
        """
        batches: dict[str, list[bytes]] = {}
        linked: list[tuple[Metric, bytes]] = []
        for metric in metrics:
            value, step, timestamp = metric.value, metric.step, metric.timestamp
            if (
                type(value) is not float
                or type(step) is not int
                or type(timestamp) is not int
                or not 0 <= timestamp <= _MAX
                or not _MIN <= step <= _MAX
            ):
                value, step, timestamp = validation.metric_numbers(
                    metric.key, value, step, timestamp
                )
            if metric.model_id is None and metric.dataset_name is None:
                line = b"%d %a %d\n" % (timestamp, value, step)
            else:
                validation.validate_metric_dataset(metric)
                line = points.line_of(metric)
                if metric.model_id is not None:
                    linked.append((metric, points.line_of(metric, self.run_id)))
            batches.setdefault(metric.key, []).append(line)
        self._check_keys(batches)
        models = self._model_files(linked) if linked else {}
        try:
            for key, lines in batches.items():
                self._append(key, b"".join(lines))
            self._append_models(models)
        finally:
            if self._settled and batches:
                self._announce()

    def log_values(self, values: Mapping[str, float], step: int, timestamp: int) -> None:
        self._check_keys(values)
        for key, value in values.items():
            if type(value) is not float:
                validation.metric_numbers(key, value, step, timestamp)
        log_metric = self.log_metric
        for key, value in values.items():
            log_metric(key, value, step, timestamp)

    def log_series(self, key: str, points: Sequence[tuple[int, float, int]]) -> None:
        self._check_keys((key,))
        try:
            self._append(key, b"".join([b"%d %a %d\n" % point for point in points]))
        finally:
            if self._settled:
                self._announce()

    def link_metrics(self, metrics: Sequence[Metric]) -> None:
        linked = [(m, points.line_of(m, self.run_id)) for m in rules.points(metrics)]
        self._append_models(self._model_files(linked))

    def check(
        self, metrics: Sequence[Metric], params: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """Raise what recording these would raise, and write nothing."""
        linked: list[tuple[Metric, bytes]] = []
        for metric in metrics:
            validation.metric_numbers(metric.key, metric.value, metric.step, metric.timestamp)
            validation.validate_metric_dataset(metric)
            if metric.model_id is not None:
                linked.append((metric, b""))
        self._model_files(linked)
        self._check_keys([metric.key for metric in metrics])
        folder = f"{self._run_dir}/{layout.PARAMS}"
        data = key_values.encoded(rules.texts("run", "params", params))
        key_values.check_params("param", folder, data, f"run {self.run_id}")
        rules.texts("run", "tags", tags)
        key_values.check_free("tag", f"{self._run_dir}/{layout.TAGS}", tags)

    def _append(self, key: str, data: bytes) -> None:
        file = self._open.get(key) or self._opened(key)
        try:
            file.write(data)
        except OSError as error:
            self._forget(key)
            raise disk.storage_error("log a metric", error, file.path) from error

    def _model_files(self, linked: list[tuple[Metric, bytes]]) -> dict[tuple[str, str], bytes]:
        """What to append to which file of which model."""
        models: dict[str, dict[str, list[bytes]]] = {}
        for metric, line in linked:
            models.setdefault(str(metric.model_id), {}).setdefault(metric.key, []).append(line)
        files: dict[tuple[str, str], bytes] = {}
        for model_id, lines in models.items():
            model_dir = self._find_model(model_id)
            folder = f"{model_dir}/{layout.METRICS}"
            key_values.check_free("metric", folder, lines)
            files.update({(model_dir, f"{folder}/{k}"): b"".join(lines[k]) for k in lines})
        return files

    def _append_models(self, files: dict[tuple[str, str], bytes]) -> None:
        changed: dict[str, None] = {}
        try:
            for (model_dir, path), data in files.items():
                experiment = os.path.basename(os.path.dirname(os.path.dirname(model_dir)))
                changed[f"{experiment}/{layout.MODELS}/{os.path.basename(model_dir)}"] = None
                try:
                    Appender(path, model_dir).write(data)
                except OSError as error:
                    raise disk.storage_error("log a metric of a model", error, path) from error
                self._unsynced.add(path)
        finally:
            if changed:
                announce(self.root, *changed)

    def _check_keys(self, keys: Iterable[str]) -> None:
        unknown = [key for key in keys if key not in self._keys]
        if unknown:
            for key in unknown:
                validation.validate_key("metric", key)
            key_values.check_free("metric", self._metrics_dir, unknown)
            self._keys.update(unknown)  # one that is taken meanwhile fails when it is opened

    def _appender(self, key: str) -> Appender:
        """The open file of a metric that was not open, for points that nobody announces."""
        file = self._opened(key)
        if self._settled:
            self._announce()
        return file

    def _opened(self, key: str) -> Appender:
        if type(key) is not str or key not in self._keys:
            validation.validate_key("metric", key)
            key_values.check_free("metric", self._metrics_dir, (key,))
        path = f"{self._metrics_dir}/{key}"
        while True:
            self._check_open()
            if len(self._open) >= self._most_open:
                self._shed()
            try:
                file = Appender(path, self._run_dir)
                break
            except (NotADirectoryError, IsADirectoryError, FileExistsError):
                key_values.check_free("metric", self._metrics_dir, [key])
                raise
            except OSError as error:
                if error.errno not in _TOO_MANY_OPEN or not self._open:
                    raise disk.storage_error("log a metric", error, path) from error
                # From now on leave some for documents, and for the user's own files.
                self._most_open = max(1, len(self._open) // 2)
        self._keys.add(key)
        file = self._open.setdefault(key, file)  # another may have opened it meanwhile
        if self._closed:
            self._open.clear()
            self._check_open()
        return file

    def _shed(self) -> None:
        """Close every other file: of keys logged in turn, some still find theirs open."""
        for key in list(self._open)[::2]:
            self._forget(key)

    def _forget(self, key: str) -> None:
        """Open the file anew next time, which looks for a torn line."""
        file = self._open.pop(key, None)
        if file is not None:
            self._unsynced.add(file.path)

    # -- params and tags -----------------------------------------------------------------------

    @disk.reporting
    def log_params(self, params: Mapping[str, str]) -> None:
        self._check_open()
        known = self._params
        new = {key: value for key, value in params.items() if known.get(key) != value}
        if not new:
            return
        data = key_values.encoded(rules.texts("run", "params", new))
        folder = f"{self._run_dir}/{layout.PARAMS}"
        private = layout.private(self._run_dir)
        key_values.put_params("param", folder, data, private, f"run {self.run_id}")
        known.update(new)
        self._unsynced.update(f"{folder}/{key}" for key in new)
        if self._settled:
            self._announce()

    @disk.reporting
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing earlier values; ``mlflow.runName`` renames the run too."""
        self._check_open()
        data = key_values.encoded(rules.texts("run", "tags", tags))
        folder = f"{self._run_dir}/{layout.TAGS}"
        key_values.put_tags("tag", folder, data, layout.private(self._run_dir))
        name = tags.get(rules.RUN_NAME_TAG)
        if name:
            run_state.edit(self._run_dir, lambda meta: meta.update(run_name=name))
        self._unsynced.update(f"{folder}/{key}" for key in tags)
        if self._settled:
            self._announce()

    # -- what was recorded ---------------------------------------------------------------------

    def known_params(self) -> Mapping[str, str]:
        """The params that were set here; what is set never changes."""
        return self._params

    def last_points(self, folder: str) -> list[Metric]:
        """The last points of the run's metrics; files that are open are not opened again.

        Args:
            folder: Where the metrics are now.
        """
        held = dict(self._open)  # no descriptor is closed meanwhile
        return points.last_points(folder, {key: file.fd for key, file in held.items()})

    def reopen(self, key: str) -> None:
        """Write a metric to the file that is in its place now."""
        self._open.pop(key, None)

    # -- end -----------------------------------------------------------------------------------

    @disk.reporting
    def flush(self) -> None:
        files = list(self._open.values())
        paths: set[str] = set()
        with suppress(KeyError):
            while True:
                paths.add(self._unsynced.pop())
        folders = {os.path.dirname(file.path) for file in files}
        try:
            for file in files:
                disk.fsync(file.fd)
            for path in sorted(paths):
                disk.sync_path(path)
                folders.add(os.path.dirname(path))
            disk.sync_path(layout.meta(self._run_dir))
            for folder in sorted(folders | {self._run_dir, os.path.dirname(self._run_dir)}):
                disk.sync_path(folder)
        except OSError:
            self._unsynced |= paths
            raise

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._open.clear()
        if os.getpid() != self._pid:  # in a forked process, the claim is not ours
            return
        if self._lease is not None:
            disk.discard(self._lease)
        if self._lease is not None or self._settled:
            self._announce()

    def _announce(self) -> None:
        experiment_id = os.path.basename(os.path.dirname(self._run_dir))
        announce(self.root, f"{experiment_id}/{self.run_id}")

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidState(
                f"the writer of run {self.run_id} is closed; open the run again to log to it"
            )
