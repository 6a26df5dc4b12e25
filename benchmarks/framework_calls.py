"""What a worker is asked of a framework without a trainer; :class:`benchmarks.host.TrainerHost` adds the rest."""

from __future__ import annotations

import os

import numpy as np

from benchmarks.frameworks.engines import rates
from benchmarks.frameworks.loading import kept_in, load_trainer, make_ready
from benchmarks.workload.spec import Workload


class FrameworkCalls:
    """Calls upon a framework, which answer with plain numbers, strings, lists and dictionaries."""

    def __init__(self):
        self._classes = {}
        self._programs = None

    def keep_programs(self, folder):
        """Have what is compiled kept in this folder, and taken from there; to come before everything else."""
        self._programs = folder
        os.makedirs(folder, exist_ok=True)
        os.environ.update(kept_in(folder))

    def open_device(self, location, requires, variables, device):
        """Make the framework ready on a device, with an array of one element there; return whether it is.

        To come before :meth:`benchmarks.host.TrainerHost.open`, whose parameters these are; untimed. Where it fails,
        ``open`` meets the same again and tells of it.

        :raises NotInstalled: as ``open``.
        """
        make_ready(requires, variables)
        try:
            trainer_class = self._load(location)
            how = trainer_class.matrix_product(device, trainer_class.contract.precision)
            if how is None or trainer_class.cpu_only:
                return False
            place, _ = how
            place(np.ones((1, 1), np.float32))
        except Exception:
            return False
        return True

    def product_rate(self, workload, location, requires, seconds, device="cpu", precision="fp32", variables=()):
        """Return ``rate``, of a framework's matrix products at a workload's shapes, in FLOP a second.

        It is None where the framework does not tell how it multiplies in that precision on that device.
        """
        make_ready(requires, variables)
        how = self._load(location).matrix_product(device, precision)
        at_once = rates.GPU_AT_ONCE if device == "gpu" else 1
        return {"rate": how and rates.matrix_product_rate(Workload(**workload), *how, seconds, at_once)}

    def copy_rate(self, location, requires, seconds, device="cpu", variables=()):
        """Return ``rate``, at which a framework copies within a device's memory, in bytes read and written a second."""
        make_ready(requires, variables)
        how = self._load(location).device_copy(device)
        return {"rate": how and rates.copy_rate(*how, rates.copy_bytes(), seconds)}

    def probe(self, part, **arguments):
        """Return what one part of the doctor's examination found, :mod:`benchmarks.framework_probe`."""
        from benchmarks import framework_probe as probe  # a trial has no use for it

        return getattr(probe, part)(**arguments)

    def _load(self, location):
        # A trainer's file is run once, as an import would.
        if location not in self._classes:
            self._classes[location] = load_trainer(location)
        return self._classes[location]
