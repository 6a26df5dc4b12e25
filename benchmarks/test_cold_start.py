"""Cold start: what a framework costs before its first steady step, and after how many steps compiling has paid."""

import pytest

from benchmarks.proof.start import check_start

pytestmark = pytest.mark.cold_start


def test_cold_start(benchmark, start):
    """In a fresh process that finds nothing compiled."""
    measure(benchmark, start, "cold start")


def test_warm_start(benchmark, start, compiled_before):
    """The same where another process has compiled everything, and kept it."""
    measure(benchmark, start, "start with everything compiled before")


def measure(benchmark, start, kind):
    benchmark.pedantic(start)
    start.go_on()
    check_start(start)
    benchmark.extra_info.update(start_of=kind, **({"elsewhere": start.elsewhere} if start.elsewhere else {}))
    for name, seconds in start.told().items():
        margin = "10%" if name == "step_seconds" else "10%,20ms"
        benchmark.metric(name, seconds, better="lower", unit="s", margin=margin)
