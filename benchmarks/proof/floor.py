"""No honest epoch is shorter than its arithmetic: the floor below which a time is no measurement."""

from __future__ import annotations

from pytest_duet.errors import DuetError

PROFILED_ERROR = 0.25  # kernels take a little longer under a profiler, and may overlap otherwise


class FloorError(DuetError):
    """A trainer that is done before its arithmetic can be."""


def check_floor(name, rounds, flops, peak, on_cpu):
    """Return the floor, in seconds: what an epoch's arithmetic takes at the least; None where nobody knows it.

    :param rounds: the steady ones, :class:`pytest_duet.trials.trial.Round`; whole epochs, or parts of one length.
    :param flops: the floating-point operations of one of them.
    :param peak: gives ``(rate, error)``, in operations a second, and by what share of it a rate may be beaten; called
        with ``again=True``, measured anew. The rate is None where there is none.
    :param on_cpu: whether the arithmetic takes the processor's time, of which the kernel keeps count.
    :raises FloorError: for a time that a second measurement of the peak does not explain either.
    """
    rate, error = peak()
    if rate is None:
        return None
    if _wrong(rounds, flops, rate * (1 + error), on_cpu):
        again, error = peak(again=True)
        rate = max(rate, again or 0.0)  # a second measurement may be the disturbed one
        wrong = _wrong(rounds, flops, rate * (1 + error), on_cpu)
        if wrong:
            raise FloorError(
                f"{name}: faster than this machine can multiply: {wrong}, and its {flops / 1e9:,.1f} GFLOP take "
                f"{flops / rate:.3g} s at the best rate of products that was measured here, twice ({rate / 1e9:,.0f} "
                "GFLOP/s). Is an epoch trained elsewhere, earlier or later, or remembered?"
            )
    return flops / (rate * (1 + error))


def check_busy(name, share):
    """Hold a GPU's epoch against the device's own clock: it cannot have been busy for longer than the epoch took.

    :param share: of a timed epoch that the device is busy, by the events that the framework's profiler saw in as many
        steps; None where nobody saw any.
    :raises FloorError: where it is more than profiling explains.
    """
    if share is not None and share > 1 + PROFILED_ERROR:
        raise FloorError(
            f"{name}: by the device's own events, the steps of an epoch keep it busy for {share:.2f} times as long as "
            "its epochs took. Is an epoch trained elsewhere, earlier or later, or remembered?"
        )


def _wrong(rounds, flops, rate, on_cpu):
    """Return what no arithmetic explains, in words; ``""`` if nothing."""
    fastest = min(rounds, key=lambda one: one.seconds)
    if fastest.seconds < flops / rate:
        return f"epoch {fastest.number} took {fastest.seconds:.3g} s"
    counted = [one for one in rounds if one.untimed_cpu_seconds is not None]
    used = [one.cpu_seconds + one.untimed_cpu_seconds + one.helpers_cpu_seconds for one in counted]
    if on_cpu and used and min(used) < flops / rate:  # by the rate of all cores at once, which no single one reaches
        return f"its processes used {min(used):.3g} s of CPU time for an epoch"
    return ""
