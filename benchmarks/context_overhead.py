"""The context overhead: what a GPU holds for a framework before there is a parameter or an image."""

from __future__ import annotations


def context_overhead(runner, worker, sampler):
    """Make a worker's framework ready on the device and return what the GPU holds for it then, and by which source.

    That is its context and libraries, an array of one element, and the pool that the framework takes for it. Libraries
    that it loads with its first product come later. ``(None, None)`` on a CPU, and where nobody can tell.

    :param runner: :class:`benchmarks.trainer_runner.TrainerRunner`.
    :param worker: fresh, not timed, and used for nothing before.
    :param sampler: :class:`pytest_duet.sensors.sampler.MemorySampler`, made before the worker; None to find nothing.
    """
    watched = sampler is not None and sampler.gpu is not None and sampler.interval_seconds
    # pytest's own process may have been trained in before; another revision of the suite may lack the call.
    alone = runner.isolation == "process" and runner.root is None
    if runner.device == "cpu" or not watched or not alone:
        return None, None
    if not worker.call("open_device", device=runner.device, **runner.framework_arguments()):
        return None, None
    return sampler.held(worker.pid).best
