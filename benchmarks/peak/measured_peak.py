"""The measured peaks of this machine's devices: once a session at the most, and kept for the sessions to come."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from benchmarks.frameworks.engines.rates import matrix_product_rate, numpy_product
from benchmarks.frameworks.trainer import PRECISIONS
from benchmarks.peak import kept
from pytest_duet.errors import DuetError
from pytest_duet.sensors.cpu import physical_cores
from pytest_duet.sensors.fingerprint import fingerprint
from pytest_duet.sensors.gpu import POWER_CAP, find_gpu
from pytest_duet.workers.process import ROOT, THREAD_VARIABLES

# A peak is the best of many bursts of the very products: what beats it by more was not multiplied here.
PEAK_ERROR = 0.25
# Where no peak is measured, NumPy's products stand for it: they reach 0.6 of the best engine's rate here, and on a
# processor that its OpenBLAS does not know, a third.
NUMPY_ERROR, NUMPY_SECONDS = 3.0, (0.03, 0.5)  # seconds of measuring, at first and again
TURNS = 2
SECONDS = {"fp32": 1.0, "tf32": 0.5, "bf16": 0.5, "copy": 0.5}  # for one turn at each
VARIABLES = ("XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE")  # that change the products
MULTIPLIERS = re.compile(r"nvidia-cublas.*|jax-cuda.*-plugin")  # the distributions whose code multiplies on a GPU
ALL_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({found.metadata["Name"]: found.version for found in distributions()}))
"""


# OpenBLAS's threads wait for each other, spinning: beside somebody else's work they reached 9 GFLOP/s on two cores that
# reach 212 without it, and by which an honest trainer was accused. A thread alone waits for nobody, and reaches 120.
RATE_OF_A_CORE = """
import json, sys
import numpy as np
from benchmarks.frameworks.engines.rates import matrix_product_rate, numpy_product
from benchmarks.workload.spec import Workload
workload, seconds = json.loads(sys.argv[1]), float(sys.argv[2])
print(matrix_product_rate(Workload(**workload), np.asarray, numpy_product, seconds))
"""


class MeasuredPeaks:
    """Call it with a row's ``device`` to have that device's measured peak, a dictionary, measured if need be.

    :param runners: a :class:`benchmarks.trainer_runner.TrainerRunner` for each engine that may hold the record; none to
        measure nothing, and read nothing.
    :param progress: called with a line of text before it measures.
    :param again: whether to measure anew what an earlier session measured.
    """

    def __init__(self, runners, progress=lambda text: None, again=False):
        self._runners, self._progress, self._again = list(runners), progress, again
        self._found, self._numpys = {}, {}

    def __call__(self, device):
        kind = _kind(device)
        if not self._runners:
            return unknown()
        if kind not in self._found:
            self._found[kind] = self._find(kind)
        return self._found[kind]

    def check(self, device, training):
        """Forget the peak that a training has beaten, for the sessions to come: something disturbed its measurement.

        :param training: :class:`benchmarks.training_row.TrainingRow`.
        """
        peak, reached = training.measured_peak.rate(training.workload), training.flops_per_second
        if self._runners and peak is not None and reached > peak:
            kept.drop(self._key(_kind(device)))

    def bound(self, device, workload, again=False):
        """Return the rate that no honest training passes, and by what share of it one may seem to; None for no rate.

        :param again: whether to measure anew, and return the best that was ever seen.
        """
        kind = _kind(device)
        if self._runners:
            if again:
                self._found[kind] = self._find(kind, again=True)
            return self(device)["precisions"][workload.precision], PEAK_ERROR
        if kind == "gpu" or workload.precision != "fp32":
            return None, 0.0
        workload = workload.multiplied()
        if again or workload not in self._numpys:
            rate = matrix_product_rate(workload, np.asarray, numpy_product, NUMPY_SECONDS[again])
            if again:
                rate = max(rate, physical_cores() * _rate_of_a_core(workload))
            self._numpys[workload] = max(rate, self._numpys.get(workload, 0.0))
        return self._numpys[workload], NUMPY_ERROR

    def _find(self, kind, again=False):
        key = self._key(kind)
        found = None if self._again or again else kept.load(key)
        if found is None:
            self._progress("measuring the machine's peak")
            watch = _Watch(kind)
            found = measure_peak(self._runners, kind, watch.look)
            if watch.spoilt():
                return found  # nothing better is to be had now, and a later session may find the GPU by itself
            # Another session, or another worker of this one, may have measured at the same time, and been disturbed.
            others = None if self._again else kept.load(key)
            if others is not None and others["flops_per_second"] > (found["flops_per_second"] or 0):
                return others
            if found["flops_per_second"] is not None:
                kept.save(key, found)
        return found

    def _key(self, kind):
        workload = self._runners[0].workload.multiplied()
        return {
            "device": kind,
            # How much memory there is changes no product, and a kernel reports some pages more or less.
            "machine": {name: its for name, its in fingerprint().items() if name != "memory_bytes"},
            "layer_sizes": list(workload.layer_sizes),
            "batch_size": workload.batch_size,
            "threads": self._runners[0].threads,
            "environment": {name: os.environ.get(name) for name in VARIABLES},
            "engines": {runner.entry.name: _versions(runner) for runner in self._runners},
        }


def _rate_of_a_core(workload):
    """Return what NumPy's products reach with one thread, in a process of its own; 0 where there is none to be had."""
    line = [sys.executable, "-c", RATE_OF_A_CORE, json.dumps(workload.as_dict()), str(NUMPY_SECONDS[True])]
    done = subprocess.run(
        line, cwd=ROOT, env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}, text=True, capture_output=True
    )
    return float(done.stdout) if done.returncode == 0 else 0.0


def unknown():
    """Return the peak of a device where nothing was measured; RESULTS.md says what its fields are."""
    return {
        "flops_per_second": None,
        "engine": None,
        "precisions": dict.fromkeys(PRECISIONS),
        "copy_bytes_per_second": None,
        "engines": dict.fromkeys((*PRECISIONS, "copy")),
        "measured": None,
    }


class _Watch:
    """Tells whether others used the GPU while its peak was measured, or its clocks were down; made before it is.

    Whoever comes to the GPU and leaves it meanwhile is not seen.
    """

    def __init__(self, kind):
        self._gpu = find_gpu() if kind == "gpu" else None
        self._spoilt = False
        self._look_for_others()

    def look(self):
        """Look at the clocks, when something was just measured."""
        if self._gpu is not None:
            self._spoilt |= bool(set(self._gpu.throttle_reasons() or ()) - {POWER_CAP})

    def spoilt(self):
        """Return whether anything was amiss; to be called when the suite's own workers are gone."""
        self._look_for_others()
        return self._spoilt

    def _look_for_others(self):
        if self._gpu is not None:
            self._spoilt |= bool(set(self._gpu.holders() or ()) - {os.getpid()})


def measure_peak(runners, kind="cpu", look=lambda: None):
    """Return the best rates that any of these frameworks reaches on a kind of device, and which does.

    Each has two turns, some seconds apart, since a burst of others' work easily lasts as long as one measurement: seen
    here was a peak of half the true one, which every framework beat.

    :param runners: one each; a framework that is missing, or fails, is passed over, and so is what it cannot do.
    :param kind: ``"cpu"`` or ``"gpu"``.
    :param look: called when a rate was just measured.
    """
    best = dict.fromkeys((*PRECISIONS, "copy"), (None, None))
    with ExitStack() as stack:
        engines = [_Engine(runner, kind, stack) for runner in runners]
        for engine in engines * TURNS:
            for name, rate in engine.rates():
                look()
                if best[name][0] is None or rate > best[name][0]:
                    best[name] = rate, engine.name
    rates, names = ({name: found[i] for name, found in best.items()} for i in range(2))
    if not any(names.values()):
        return unknown()
    return {
        "flops_per_second": rates["fp32"],
        "engine": names["fp32"],
        "copy_bytes_per_second": rates.pop("copy"),
        "precisions": rates,
        "engines": names,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class _Engine:
    """One framework's worker, started when it is first needed; it stays, and what it compiled, for the second turn."""

    def __init__(self, runner, kind, stack):
        self.name = runner.entry.name
        self._runner = replace(runner, isolation="process", preallocate=False)
        self._kind, self._stack, self._worker = kind, stack, None

    def rates(self):
        """Yield a name, a precision or ``"copy"``, and its rate, for all that this framework can do."""
        workload = self._runner.workload.multiplied().as_dict()
        products = [(name, "product_rate", {"workload": workload, "precision": name}) for name in PRECISIONS]
        for name, call, arguments in (*products, ("copy", "copy_rate", {})):
            try:
                rate = self._ask(call, seconds=SECONDS[name], **arguments)
            except DuetError:
                continue  # its own benchmark will say what is wrong
            if rate is not None:
                yield name, rate

    def _ask(self, call, **arguments):
        if self._worker is None:
            self._worker = self._stack.enter_context(self._runner.worker())
        where = self._runner.framework_arguments()
        return self._worker.call(call, device=self._kind, **where, **arguments)["rate"]


def _kind(device):
    return "cpu" if device == "cpu" else "gpu"


def _versions(runner):
    """Return the versions of what an engine stands on and of what multiplies for it; None where one is missing."""
    names = [module.split(".")[0] for module in runner.entry.requires]
    installed = _installed(runner.python)
    multipliers = {name: version for name, version in installed.items() if name and MULTIPLIERS.fullmatch(name)}
    return {**{name: installed.get(name) for name in names}, **multipliers}


def _installed(python):
    """Return each distribution's version under an interpreter, None for this one; nothing if it cannot be asked."""
    if python is None:
        return {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    try:
        told = subprocess.run([python, "-c", ALL_VERSIONS], capture_output=True, text=True, timeout=60)
        return json.loads(told.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
