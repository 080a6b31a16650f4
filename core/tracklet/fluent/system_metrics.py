"""Metrics of the machine beside those of the training, sampled by a daemon thread.

One sample is taken when the run starts and one when it ends, so that a short run has some too;
between them one per interval. Nothing here can make the run fail.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from tracklet import lazy, settings
from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.state import ProcessState

_logger = logging.getLogger(__name__)
_MEGABYTE: Final = 1e6


class _Options(ProcessState):
    """What was set."""

    def begin(self) -> None:
        self.interval: float | None = None
        self.samples: int | None = None
        self.node: str | None = None


_options = _Options()


def enable_system_metrics_logging() -> None:
    """From now on new runs also record metrics of the machine."""
    active.process.watches_machine = True


def disable_system_metrics_logging() -> None:
    """From now on new runs record no metrics of the machine."""
    active.process.watches_machine = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set the seconds from sample to sample; None is the default, 10."""
    if interval is not None and not (isinstance(interval, int | float) and interval > 0):
        raise InvalidParameterValue(f"the sampling interval is a positive number; got {interval!r}")
    _options.interval = interval


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Set how many samples one recorded point is the mean of; None is the default, 1."""
    if samples is not None and not (isinstance(samples, int) and samples >= 1):
        raise InvalidParameterValue(f"a point is the mean of at least 1 sample; got {samples!r}")
    _options.samples = samples


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Set a name for this machine; keys become ``system/<node>/…``."""
    _options.node = node_id


def start(run: ActiveRun) -> None:
    """Watch the machine for a run."""
    try:
        monitor = SystemMetricsMonitor(run)
    except Exception as error:  # noqa: BLE001 - the run matters, these metrics do not
        _logger.warning("no system metrics for run %s: %s", run.info.run_id, error)
        return
    run.on_end.append(monitor.stop)


class SystemMetricsMonitor:
    """Samples the machine until it is stopped.

    Keys are ``system/cpu_utilization_percentage``, ``system/system_memory_usage_megabytes`` and
    ``…_percentage``, ``system/disk_usage_megabytes`` and ``…_percentage``,
    ``system/disk_available_megabytes``, and ``system/network_receive_megabytes`` and
    ``…_transmit_megabytes`` since the start. Steps count the points, also over resumed runs.

    Raises:
        MissingDependency: psutil is not installed.
    """

    def __init__(self, run: ActiveRun) -> None:
        self._psutil = psutil = lazy.imported(
            "psutil", "psutil", purpose="recording metrics of the machine", extra="system-metrics"
        )
        self._run = run
        node = _options.node or settings.option("SYSTEM_METRICS_NODE_ID")
        self._prefix = f"system/{node}/" if node else "system/"
        self._interval = float(
            _options.interval or settings.option("SYSTEM_METRICS_SAMPLING_INTERVAL") or 10
        )
        self._samples = int(
            _options.samples or settings.option("SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING") or 1
        )
        key = f"{self._prefix}cpu_utilization_percentage"
        earlier = run.store.get_metric_history(run.info.run_id, key)
        self._step = max((point.step for point in earlier), default=-1) + 1
        self._network = psutil.net_io_counters()
        psutil.cpu_percent()  # the first call only sets the mark that later ones measure from
        self._waiting: list[dict[str, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="tracklet-system-metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample and end the thread; waits for it at most two seconds."""
        self._stopped.set()
        self._thread.join(timeout=2)

    def _watch(self) -> None:
        try:
            self._sample(at_once=True)
            while not self._stopped.wait(self._interval):
                self._sample()
            self._sample(at_once=True)
        except Exception as error:  # noqa: BLE001 - see start
            _logger.warning("system metrics of run %s end: %s", self._run.info.run_id, error)

    def _sample(self, at_once: bool = False) -> None:
        self._waiting.append(self._measured())
        if not at_once and len(self._waiting) < self._samples:
            return
        now = time.time_ns() // 1_000_000
        count = len(self._waiting)
        points = []
        for name in self._waiting[-1]:
            values = [sample[name] for sample in self._waiting]
            mean = values[-1] if name.startswith("network") else round(sum(values) / count, 1)
            points.append(Metric(self._prefix + name, mean, now, self._step))
        self._waiting.clear()
        self._step += 1
        self._run.writer.log_metrics(points)

    def _measured(self) -> dict[str, float]:
        memory = self._psutil.virtual_memory()
        disk = self._psutil.disk_usage("/")
        network = self._psutil.net_io_counters()
        return {
            "cpu_utilization_percentage": float(self._psutil.cpu_percent()),
            "system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
            "disk_usage_percentage": float(disk.percent),
            "disk_usage_megabytes": disk.used / _MEGABYTE,
            "disk_available_megabytes": disk.free / _MEGABYTE,
            "network_receive_megabytes": (network.bytes_recv - self._network.bytes_recv)
            / _MEGABYTE,
            "network_transmit_megabytes": (network.bytes_sent - self._network.bytes_sent)
            / _MEGABYTE,
        }
