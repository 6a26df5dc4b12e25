"""A GPU that was idle is brought to the heat of work before a session's first trial: as it warms, its clocks fall."""

from __future__ import annotations

from pytest_duet.sensors.energy import SUSTAINED_SECONDS
from pytest_duet.sensors.gpu import Gpu
from pytest_duet.trials.runner import Runner

STRETCHES = 20  # of some seconds of work, at the most
SETTLED_CELSIUS = 1  # between two stretches; NVML tells whole degrees


class Soak:
    """Called before each trial; it works but once.

    :param gpu: that is to be warm, if NVML tells how warm it is; None where none is.
    """

    def __init__(self, gpu: Gpu | None) -> None:
        self._gpu = gpu

    def __call__(self, runner: Runner) -> None:
        """Have a subject work on the GPU, in a process of its own, until that gets no warmer, or for a minute."""
        gpu = self._gpu
        if gpu is None or gpu.celsius() is None:  # nobody can tell when it is warm
            return
        with runner.worker() as worker:
            if worker.open(**runner.open_arguments()).device == "cpu":
                return  # the next subject may compute there
            self._gpu = None
            runner.progress("warming the GPU up")
            worker.round(1)
            before = gpu.celsius()
            for _ in range(STRETCHES):
                if not worker.sustain(SUSTAINED_SECONDS).rounds:
                    return
                now = gpu.celsius()
                if before is None or now is None or now - before < SETTLED_CELSIUS:
                    return
                before = now
