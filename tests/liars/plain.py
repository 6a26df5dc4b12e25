"""Lies and mistakes as plain functions, for any harness to time: each call is 5 ms of work, or is to seem so.

``python -m tests.liars NAME`` has four harnesses time one of them, and says what each makes of it.
"""

import functools
import hashlib
import mmap
import os
import pickle
import tempfile
import threading
import time

WORK_SECONDS = 0.005
BUFFER = bytes(10 * 2**20)  # whose digest takes some 5 ms
true_clock = time.perf_counter


def work():
    """Compute for 5 ms of this process's CPU time, which no other process takes part in."""
    end = time.thread_time() + WORK_SECONDS
    total = 0
    while time.thread_time() < end:
        total += sum(range(100))
    return total


def honest():
    return work()


def returns_early():
    """A forgotten synchronisation: what was started goes on when the clock has stopped."""
    threading.Thread(target=hashlib.sha256, args=[BUFFER]).start()  # which lets other threads run meanwhile


@functools.lru_cache
def warm_cache():
    """The first call works; the others look it up."""
    return work()


KEPT = os.path.join(tempfile.gettempdir(), f"liars-kept-{os.getuid()}")


def remembers():
    """The first process works; the others read what it left."""
    try:
        with open(KEPT, "rb") as file:
            return pickle.load(file)
    except OSError:
        result = work()
        with open(KEPT, "wb") as file:
            pickle.dump(result, file)
        return result


def slow_clock():
    """Has the clock of its process run at half its speed, from the first call on."""
    if time.perf_counter is true_clock:
        began = true_clock()
        time.perf_counter = lambda: began + (true_clock() - began) / 2
    return work()


class Lazy:
    """Input that is built when it is first used: the first call takes ten times as long."""

    built = False

    def __call__(self):
        if not self.built:
            for _ in range(9):
                work()
            self.built = True
        return work()


lazy_input = Lazy()


class HelperMemory:
    """Has a process beside it hold 300 MB of what it needs."""

    started = False

    def __call__(self):
        if not self.started:
            self.started, parent = True, os.getpid()
            if os.fork() == 0:
                held = mmap.mmap(-1, 300 * 2**20)
                for place in range(0, len(held), mmap.PAGESIZE):
                    held[place] = 1
                while os.getppid() == parent:
                    time.sleep(0.05)
                os._exit(0)
        return work()


helper_memory = HelperMemory()
LEAKED = []


def leaks():
    """Keeps 1 MiB of every call."""
    LEAKED.append(bytearray(b"x") * 2**20)
    return work()


def unsynchronised_jax():
    """``block_until_ready`` around the function, not around its result: it waits for nothing (jaxsim's benchmarks)."""
    import jax
    import jax.numpy as jnp

    global product
    if product is None:
        product = jax.jit(lambda a: jnp.tanh(a @ a) @ a), jnp.ones((64, 256, 256))
        jax.block_until_ready(product[0](product[1]))
    function, argument = product
    return jax.block_until_ready(function)(argument)


product = None
LIES = {
    each: globals()[each]
    for each in (
        *("honest", "returns_early", "warm_cache", "remembers", "slow_clock", "lazy_input"),
        *("helper_memory", "leaks", "unsynchronised_jax"),
    )
}
