"""The parent's side of a worker: starts it, talks to it, times it out, and reads how it died."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_duet.errors import DuetError
from pytest_duet.sensors import memory
from pytest_duet.sensors.cpu import usable_cores

ROOT = Path(__file__).parents[2]
LOG_LINES = 15
LINES_BEFORE_CRASH = 5
GOODBYE_SECONDS = 5


class FromWorker(DuetError):
    """What went wrong with a worker, for people, and in parts for programs that tell it in their own words.

    :ivar happened: what happened, in two parts, between which stands in which call: ("died of SIGSEGV", "").
    :ivar cause: "no start", "timeout", "exit", "raised", "nonsense", or the name of the signal that it died of.
    :ivar log_tail: the end of its log, or of the traceback.
    """

    def __init__(self, text, happened=None, cause="", log_tail=""):
        super().__init__(text)
        self.happened = happened or (text, "")
        self.cause, self.log_tail = cause, log_tail


class WorkerError(FromWorker):
    """A worker crashed, hung, raised or answered nonsense; the text says which, with the tail of its log."""


class GpuUnseen(WorkerError):
    """A GPU was asked for, and the worker's library sees none."""


class FrameworkMissing(FromWorker):
    """The framework is not installed where the worker runs."""


class HardwareMissing(FromWorker):
    """The trainer can never run on this machine's hardware."""


SAID = {"NotInstalled": FrameworkMissing, "WrongHardware": HardwareMissing}  # by the kind of the worker's exception
REFUSED = {"TrainerError": WorkerError, "GpuUnseen": GpuUnseen}


THREAD_VARIABLES = (  # what the thread pools of the field read when they are made
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Worker:
    """One trainer in a process of its own. Use it as a context manager: leaving it leaves no process behind.

    :param name: the framework's, for messages.
    :param python: the interpreter to run under; by default this one.
    :param timeout_seconds: how long one reply may take.
    :param threads: how many cores and threads it may compute with; None for all cores.
    :param root: the folder of the suite's code that the worker is to run; by default this one.
    """

    def __init__(self, name, python=None, timeout_seconds=600, threads=None, root=None):
        self.name = name
        self.timeout_seconds = timeout_seconds
        self._timeout_advice = " (--worker-timeout sets the limit)"
        self._answered = b""
        self._started_kills = memory.out_of_memory_kills()
        self._scratch = tempfile.TemporaryDirectory(prefix="benchmark-worker-", ignore_cleanup_errors=True)
        self._log = Path(self._scratch.name) / "log"
        theirs_in, self._requests = os.pipe()
        self._replies, theirs_out = os.pipe()
        theirs_alive, self._lifeline = os.pipe()
        theirs = (theirs_in, theirs_out, theirs_alive)
        threads = threads or usable_cores()
        python = python or sys.executable
        try:
            with open(self._log, "wb") as log:
                self.process = subprocess.Popen(
                    [python, "-m", "pytest_duet.workers.serve", *map(str, theirs), str(threads)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=theirs,
                    env=_environment(self._scratch.name, threads, root or ROOT),
                    cwd=self._scratch.name,  # what a framework drops into its working directory goes with it
                    start_new_session=True,  # a group of its own: killed whole, and deaf to the terminal's Ctrl-C
                )
        except OSError as error:
            self._close_pipes()
            self._scratch.cleanup()
            happened = f"its worker did not start: {error}"
            raise WorkerError(f"{name}: {happened}.", (happened, ""), "no start") from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self.close(patience_seconds=0 if error else GOODBYE_SECONDS)

    @property
    def pid(self):
        return self.process.pid

    def call(self, call, **arguments):
        """Ask the worker for one call of :class:`benchmarks.host.Host` and return its result.

        :raises FrameworkMissing: where the framework is not installed.
        :raises WorkerError: for everything else that can go wrong.
        """
        try:
            os.write(self._requests, json.dumps(dict(arguments, call=call)).encode() + b"\n")
        except BrokenPipeError:
            self._raise_death(call)
        line = self._read_line(call)
        try:
            reply = json.loads(line)
            if "error" not in reply:
                return reply["result"]
        except (ValueError, TypeError, KeyError):
            said = f"with nonsense: {line[:200]!r}"
            self._raise(f"answered {call} {said}", ("answered", f" {said}"), "nonsense")
        self._raise_error(call, reply)

    def hurry(self, seconds):
        """Let each reply from now on take so long at the most, however much longer the worker was given."""
        if seconds < self.timeout_seconds:
            self.timeout_seconds, self._timeout_advice = seconds, ""

    def close(self, patience_seconds=GOODBYE_SECONDS):
        """End the worker: let it finish on its own for a while, then kill it and whatever it started."""
        if self._scratch is None:
            return
        self._close_pipe("_requests")
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            pass
        self._kill()
        self._close_pipes()
        self._scratch.cleanup()
        self._scratch = None

    def _read_line(self, call):
        """Return the next reply; sleeps in the kernel until it is there, so that nothing runs beside the worker."""
        deadline = time.monotonic() + self.timeout_seconds
        while b"\n" not in self._answered:
            left = deadline - time.monotonic()
            if left <= 0:
                self._kill()
                within, then = f"within {self.timeout_seconds:g} s", f" and was killed{self._timeout_advice}"
                happened = (f"did not answer {within}", then)
                self._raise(f"did not answer {call} {within}{then}", happened, "timeout")
            if not select.select([self._replies], [], [], left)[0]:
                continue
            chunk = os.read(self._replies, 1 << 16)
            if not chunk:
                self._raise_death(call)
            self._answered += chunk
        line, self._answered = self._answered.split(b"\n", 1)
        return line

    def _raise_error(self, call, reply):
        kind, text = reply["kind"], reply["error"]
        if kind in SAID:
            raise SAID[kind](f"{self.name}: {text}", (text, ""))
        if kind in REFUSED:
            raise REFUSED[kind](f"{self.name}: {text}.", (text, ""))
        last = "\n".join(reply.get("traceback", "").strip().splitlines()[-LOG_LINES:])
        self._raise(f"raised {kind} in {call}: {text}\n{last}", (f"raised {kind}", f": {text}\n{last}"), "raised")

    def _raise_death(self, call):
        try:
            code = self.process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._raise_during(call, "closed its pipe", " and was killed", "exit")
        if code >= 0:
            self._raise_during(call, f"exited with code {code}", "", "exit")
        name, why = signal.Signals(-code).name, ""
        if -code == signal.SIGKILL:
            kills = memory.out_of_memory_kills()
            if kills is not None and kills != self._started_kills:
                why = "; the kernel's out-of-memory killer ran meanwhile, so it most likely needs more memory"
            else:
                why = "; somebody killed it, or a container's memory limit did"
        self._raise_during(call, f"died of {name}", why, name)

    def _raise_during(self, call, what, more, cause):
        self._raise(f"{what} during {call}{more}", (what, more), cause)

    def _raise(self, what, happened, cause):
        tail = self._log_tail()
        tail = f"The end of its log:\n{tail}" if tail else ""
        raise WorkerError("\n".join(filter(None, [f"{self.name}: the worker {what}.", tail])), happened, cause, tail)

    def _log_tail(self):
        lines = self._log.read_bytes()[-8_000:].decode(errors="replace").strip().splitlines()
        crashes = [number for number, line in enumerate(lines) if line.startswith("Fatal Python error")]
        # faulthandler names the innermost call first; what the framework said last stands before it.
        start = crashes[-1] - LINES_BEFORE_CRASH if crashes else len(lines) - LOG_LINES
        return "\n".join("    " + line for line in lines[max(0, start) :][:LOG_LINES])

    def _kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def _close_pipes(self):
        for name in ("_requests", "_replies", "_lifeline"):
            self._close_pipe(name)

    def _close_pipe(self, name):
        descriptor = getattr(self, name)
        if descriptor is not None:
            os.close(descriptor)
            setattr(self, name, None)


class InProcess:
    """The same calls without a process: for debuggers and profilers (``--isolation=none``)."""

    def __init__(self, name):
        from benchmarks.host import Host

        self.name = name
        self.pid = os.getpid()
        self._host = Host()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, call, **arguments):
        """As :meth:`Worker.call`; what a trainer raises comes through with its own traceback."""
        from benchmarks.frameworks.loading import NotInstalled, TrainerError
        from benchmarks.frameworks.trainer import WrongHardware

        try:
            return getattr(self._host, call)(**arguments)
        except (NotInstalled, WrongHardware) as error:
            raise SAID[type(error).__name__](f"{self.name}: {error}") from error
        except TrainerError as error:
            raise REFUSED[type(error).__name__](f"{self.name}: {error}.") from error


def _environment(scratch, threads, root):
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(root)] + ([inherited] if inherited else []))
    # CUDA counts the fastest GPU first unless told to count as NVML does, whose memory and clocks are read.
    defaults = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    fixed = {name: str(threads) for name in THREAD_VARIABLES}
    # Compiled kernels that a framework keeps in the temporary directory would spare the next trial its compilation.
    fixed.update(PYTHONPATH=path, TMPDIR=scratch)
    return {**defaults, **os.environ, **fixed}
