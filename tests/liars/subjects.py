"""Subjects that are no trainers, for the tests of what measures them: an honest one, and some offenders."""

import fcntl
import os
import subprocess
import threading
from dataclasses import replace

from pytest_duet.workers.protocol import Examined, NotInstalled, Opened, Reading, Subject, SubjectError, Timed

STEPS = 10


class Counts(Subject):
    """Adds up the numbers of its steps; its metric is their mean in a round."""

    def open(self, **arguments):
        self.total = arguments.get("start", 0)
        return Opened("cpu", {}, "3", None, {}, 0.0, 0.0, Reading())

    def round(self, number, first=0, stop=None):
        steps = list(range(STEPS)[first:stop])
        self.total += sum(steps)
        return Timed(
            number, 0.001 * len(steps), 0.0, 0, 0.0, metrics={"mean": sum(steps) / len(steps)}, work=len(steps)
        )

    def examine(self, folder, last):
        return Examined(evidence={"total": self.total})


class Foreign(Counts):
    """Of a revision to come."""

    def open(self, **arguments):
        return replace(super().open(), protocol=99)


class Absent(Counts):
    def open(self, **arguments):
        raise NotInstalled("no_such_module not installed here")


class Breaks(Counts):
    def examine(self, folder, last):
        raise SubjectError("it gave no evidence")


class Texts(Counts):
    """Gives its seconds as a text."""

    def round(self, number, first=0, stop=None):
        return replace(super().round(number), seconds="1.0")


class Wordless(Counts):
    """Gives something else than a round."""

    def round(self, number, first=0, stop=None):
        return {"seconds": 1.0}


class Spins(Counts):
    """Works on when it has answered, in a thread and in a child."""

    def round(self, number, first=0, stop=None):
        if number == 1 and first == 0:
            threading.Thread(target=_spin, daemon=True).start()
            self.child = subprocess.Popen(["sh", "-c", "while :; do :; done"])
        return super().round(number, first, stop)

    def child_id(self):
        return self.child.pid

    def child_alone(self):
        """Start one with a process group of its own, in the same session."""
        return subprocess.Popen(["sh", "-c", "while :; do :; done"], preexec_fn=os.setpgrp).pid


class Shares(Counts):
    """Needs a lock in every round that it gives back a little after it has answered."""

    def round(self, number, first=0, stop=None):
        lock = os.open(os.environ["SHARED_LOCK"], os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.05, os.close, [lock]).start()
        return super().round(number, first, stop)


class Layout(Counts):
    """Tells where the interpreter's own code lies in its process."""

    def where(self):
        import ctypes

        from pytest_duet.sensors.layout import has_fixed_layout

        code = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value
        return {"fixed": has_fixed_layout(), "code": code}


def _spin():
    while True:
        pass


class Writes(Counts):
    """Tells where it can write, of these places, and where it thinks that it is at home."""

    def places(self, paths):
        can = []
        for path in paths:
            try:
                with open(os.path.join(path, "note"), "a") as file:
                    file.write("I was here\n")
                can.append(path)
            except OSError:
                pass
        return {"can": can, "home": os.path.expanduser("~"), "cwd": os.getcwd(), "shared": os.listdir("/dev/shm")}
