"""Trainers that pretend to train on a GPU, and profilers for them: one that sees it, and every way to see nothing."""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # a worker runs elsewhere
from trainers import Honest

TRAINERS = {
    "pretender": "Pretender",
    "idle": "Idle",
    "unprofiled": "Unprofiled",
    "profiler-raises": "ProfilerRaises",
    "profiler-kills": "ProfilerKills",
    "profiler-hangs": "ProfilerHangs",
    "generator": "Generator",
}


class Unprofiled(Honest):
    device_name = "gpu:made up"


class Pretender(Unprofiled):
    def device_activity(self, work):
        work()
        return [("kernel", 0, 2_000_000), ("copy", 1_000_000, 3_000_000)]


class Generator(Unprofiled):
    """Hands its events out one by one, and once."""

    def device_activity(self, work):
        work()
        yield from Pretender.device_activity(self, lambda: None)


class ProfilerHangs(Unprofiled):
    def device_activity(self, work):
        time.sleep(3600)


class Idle(Unprofiled):
    def device_activity(self, work):
        work()
        return []


class ProfilerRaises(Unprofiled):
    def device_activity(self, work):
        raise RuntimeError("CUPTI_ERROR_NOT_INITIALIZED")


class ProfilerKills(Unprofiled):
    def device_activity(self, work):
        os.kill(os.getpid(), signal.SIGKILL)
