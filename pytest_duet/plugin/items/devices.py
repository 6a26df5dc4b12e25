"""What a test computes on besides the cores, found by what it has imported: nothing is imported here.

A function that hands its work to a device and returns has not done it yet. Whoever stops a clock then measures the
handing over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any

from pytest_duet.workers.protocol import Reading

# A call whose device works on for longer than this, and for this part of the whole, has not waited for it.
LAG_SECONDS, LAG_SHARE = 5e-5, 0.1
PAUSE_TIMES = 2  # as long as it was waited for: by then a device has done what it had to


def wait_for_devices(result: Any = None) -> None:
    """Wait until every device has done what it was given, and whatever ``result`` is made of is there."""
    for module, wait in WAITS.items():
        if module in sys.modules:
            with suppress(AttributeError):  # half imported, or of a version that has no such thing
                wait(sys.modules[module], result)


def _jax(jax: Any, result: Any) -> None:
    jax.block_until_ready(result)
    with suppress(RuntimeError):  # an array that was donated meanwhile
        jax.block_until_ready(jax.live_arrays())  # also where the result tells of none
    if jax.default_backend() != "cpu":  # where what was given last is done last; on a CPU, what was dropped is not seen
        jax.block_until_ready(jax.numpy.zeros(()) + 1)


def _torch(torch: Any, result: Any) -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    if "torch.mps" in sys.modules and torch.backends.mps.is_available():
        torch.mps.synchronize()


def _tensorflow(tensorflow: Any, result: Any) -> None:
    tensorflow.test.experimental.sync_devices()


def _cupy(cupy: Any, result: Any) -> None:
    cupy.cuda.runtime.deviceSynchronize()


def _mlx(core: Any, result: Any) -> None:
    core.eval(result)
    core.synchronize()


WAITS: dict[str, Callable[[Any, Any], None]] = {
    "jax": _jax,
    "torch": _torch,
    "tensorflow": _tensorflow,
    "cupy": _cupy,
    "mlx.core": _mlx,
}


def are_there() -> bool:
    """Tell whether the test may compute on a device, or in threads that are none of its own."""
    return any(module in sys.modules for module in WAITS)


def lag_of(work: Callable[[], tuple[float, Any]], times: int, most: int | None = None) -> tuple[float, float] | None:
    """Return what a call takes, and for how long devices work on after it, in seconds; medians over ``times`` calls.

    To wait for nothing takes its time as well, and more of it where a call has left the caches cold: 0.2 ms of JAX's,
    after a product of NumPy's. So whoever is suspected is called as often again, and waited for when its devices must
    have long been done.

    :param work: makes and times a call, and returns its seconds and its result.
    :param most: how many calls there may be in all; None for any number.
    :returns: None where there may be none.
    """
    left = 2 * times if most is None else most
    at_once = [_waited_for(work) for _ in range(min(times, (left + 1) // 2))]
    if not at_once:
        return None
    call, lag = (median(each) for each in zip(*at_once))
    if does_not_wait(call, lag):
        later = [_waited_for(work, PAUSE_TIMES * lag)[1] for _ in range(min(times, left - len(at_once)))]
        lag = max(0.0, lag - median(later)) if later else 0.0  # one call alone tells nothing
    return call, lag


def _waited_for(work: Callable[[], tuple[float, Any]], pause: float = 0.0) -> tuple[float, float]:
    """Return what a call took, and then, after a pause, to wait for the devices."""
    wait_for_devices()
    seconds, result = work()
    time.sleep(pause)
    began = time.perf_counter()
    wait_for_devices(result)
    return seconds, time.perf_counter() - began


def does_not_wait(seconds: float, lag: float) -> bool:
    """Tell so of a call that took ``seconds`` and whose devices worked on for ``lag``."""
    return lag > LAG_SECONDS and lag > LAG_SHARE * (seconds + lag)


def device_name() -> str:
    """Return ``"cpu"``, or ``"gpu:"`` and the name of the GPU that something here has taken."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    with suppress(Exception):  # a framework that is out of order is its test's affair
        if torch and torch.cuda.is_initialized():
            return f"gpu:{torch.cuda.get_device_name()}"
    with suppress(Exception):
        if jax and jax.live_arrays() and jax.default_backend() == "gpu":
            return f"gpu:{jax.local_devices()[0].device_kind}"
    return "cpu"


def reading(peak_rss_bytes: int | None) -> Reading:
    """Return what there is to say of memory: that of the process, and that of the allocator of a GPU in use."""
    peak = reserved = None
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    with suppress(Exception):
        if torch and torch.cuda.is_initialized():
            peak, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        elif jax and device_name() != "cpu":
            stats = jax.local_devices()[0].memory_stats() or {}
            peak, reserved = stats.get("peak_bytes_in_use"), stats.get("pool_bytes")
    return Reading(peak_rss_bytes, peak, reserved)
