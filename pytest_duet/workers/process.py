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
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Sequence, Type

from pytest_duet.sensors import memory
from pytest_duet.sensors.clock import now_seconds
from pytest_duet.sensors.cpu import usable_cores
from pytest_duet.workers.hosted import CLOCK_SLACK_SECONDS, Hosted, Span
from pytest_duet.workers.protocol import SubjectError, WorkerError
from pytest_duet.workers.seclusion import is_secluded, own_places
from pytest_duet.workers.standstill import Standstill

ROOT = Path(__file__).parents[2]
ENTRY = "pytest_duet.workers.serve"  # the module that starts a worker, of whichever revision
LOG_LINES = 15
LINES_BEFORE_CRASH = 5
GOODBYE_SECONDS = 5
# What the thread pools of the field read when they are made.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Worker(Hosted):
    """One subject in a process of its own. Use it as a context manager: leaving it leaves no process behind.

    Its parameters are those of :class:`pytest_duet.trials.runner.Runner` that have the same names.

    :param variables: further environment variables, which have the last word.
    :param writable: where nothing is to outlive the worker, the folders that it may write to nevertheless; None where
        it may write wherever its user may.
    """

    timeout_option = "--worker-timeout"

    def __init__(
        self,
        name: str,
        subject: str,
        python: str | None = None,
        timeout_seconds: float = 600,
        threads: int | None = None,
        root: str | None = None,
        variables: dict[str, str] | None = None,
        writable: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self._timeout_advice = f" ({self.timeout_option} sets the limit)"
        self._answered = b""
        self._started_kills = memory.out_of_memory_kills()
        self._scratch = tempfile.TemporaryDirectory(prefix="benchmark-worker-", ignore_cleanup_errors=True)
        self.folder = self._scratch.name
        self._log = Path(self.folder) / "log"
        theirs_in, requests = os.pipe()
        replies, theirs_out = os.pipe()
        theirs_alive, lifeline = os.pipe()
        theirs = (theirs_in, theirs_out, theirs_alive)
        self._pipes = {"requests": requests, "replies": replies, "lifeline": lifeline}
        threads = threads or usable_cores()
        folders = [] if writable is None else [self.folder, *writable]
        places = own_places(self.folder) if folders else {}
        if places:
            os.mkdir(places["HOME"])
        python = python or sys.executable
        try:
            with open(self._log, "wb") as log:
                self.process = subprocess.Popen(
                    [python, "-m", ENTRY, subject, *map(str, theirs), str(threads), *folders],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=theirs,
                    env={**_environment(self.folder, threads, root or str(ROOT)), **places, **(variables or {})},
                    cwd=self.folder,  # what a subject drops into its working directory goes with it
                    start_new_session=True,  # a group of its own: killed whole, and deaf to the terminal's Ctrl-C
                )
        except OSError as error:
            self._close_pipes()
            self._scratch.cleanup()
            text = f"its worker did not start: {error}"
            raise WorkerError(f"{name}: {text}.", (text, ""), "no start") from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.pid = self.process.pid
        self._standstill = Standstill(self.pid)

    def __exit__(self, error: Type[BaseException] | None, *_: object) -> None:
        self.close(patience_seconds=0 if error else GOODBYE_SECONDS)

    def call(self, call: str, **arguments: Any) -> Any:
        sent = now_seconds()
        try:
            os.write(self._pipes["requests"], json.dumps(dict(arguments, call=call)).encode() + b"\n")
        except BrokenPipeError:
            self._fail_dead(call)
        line = self._read_line(call)
        received = now_seconds()
        try:
            reply = json.loads(line)
            self._hear_of_time(call, reply.get("clock"), sent, received)
            if "error" not in reply:
                return reply["result"]
        except (ValueError, TypeError, KeyError):
            self._fail("answered", f" with nonsense: {line[:200]!r}", f" {call}", "nonsense")
        self._on_purpose(reply["kind"], reply["error"])
        last = "\n".join(reply.get("traceback", "").strip().splitlines()[-LOG_LINES:])
        self._fail(f"raised {reply['kind']}", f": {reply['error']}\n{last}", f" in {call}", "raised")

    def _hear_of_time(self, call: str, told: Any, sent: float, received: float) -> None:
        """Hold the worker's clock against this process's: both read the same one."""
        if told is None:  # an older revision's worker, which is refused for its protocol once it is opened
            return
        began, ended = told["began"], told["ended"]
        self.span = Span(received - sent, ended - began, tuple(told["replaced"]))
        if not sent - CLOCK_SLACK_SECONDS <= began <= ended <= received + CLOCK_SLACK_SECONDS:
            whose = f", whose code replaced {', '.join(self.span.replaced)}" if self.span.replaced else ""
            raise SubjectError(
                f"{self.name}: by its worker's clock{whose}, {call} began {began - sent:.3f} s after it was asked for "
                f"and ended {received - ended:.3f} s before its answer came; there is one clock for all processes."
            )

    def hurry(self, seconds: float) -> None:
        if seconds < self.timeout_seconds:
            self.timeout_seconds, self._timeout_advice = seconds, ""

    @property
    def secluded(self) -> bool | None:
        return is_secluded(self.pid)

    def stand_still(self) -> list[int]:
        return self._standstill.stop()

    def go_on(self) -> None:
        self._standstill.go_on()

    def close(self, patience_seconds: float = GOODBYE_SECONDS) -> None:
        """End the worker: let it finish on its own for a while, then kill it and whatever it started."""
        if not self._pipes:
            return
        self.go_on()  # to hear that it is over
        os.close(self._pipes.pop("requests"))
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience_seconds)
        self._kill()
        self._close_pipes()
        self._scratch.cleanup()

    def _read_line(self, call: str) -> bytes:
        """Return the next reply; sleeps in the kernel until it is there, so that nothing runs beside the worker."""
        deadline = time.monotonic() + self.timeout_seconds
        while b"\n" not in self._answered:
            left = deadline - time.monotonic()
            if left <= 0:
                self._kill()
                within, killed = f" within {self.timeout_seconds:g} s", f" and was killed{self._timeout_advice}"
                self._fail(f"did not answer {call}", killed, within, "timeout", happened=f"did not answer{within}")
            if not select.select([self._pipes["replies"]], [], [], left)[0]:
                continue
            chunk = os.read(self._pipes["replies"], 1 << 16)
            if not chunk:
                self._fail_dead(call)
            self._answered += chunk
        line, self._answered = self._answered.split(b"\n", 1)
        return line

    def _fail_dead(self, call: str) -> NoReturn:
        try:
            code = self.process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._fail("closed its pipe", " and was killed", f" during {call}", "exit")
        if code >= 0:
            self._fail(f"exited with code {code}", "", f" during {call}", "exit")
        name, why = signal.Signals(-code).name, ""
        if name == "SIGKILL":
            why = "; somebody killed it, or a container's memory limit did"
            if memory.out_of_memory_kills() not in (None, self._started_kills):
                why = "; the kernel's out-of-memory killer ran meanwhile, so it most likely needs more memory"
        self._fail(f"died of {name}", why, f" during {call}", name)

    def _log_tail(self) -> str:
        lines = self._log.read_bytes()[-8_000:].decode(errors="replace").strip().splitlines()
        crashes = [number for number, line in enumerate(lines) if line.startswith("Fatal Python error")]
        # faulthandler names the innermost call first; what the subject said last stands before it.
        start = crashes[-1] - LINES_BEFORE_CRASH if crashes else len(lines) - LOG_LINES
        return "\n".join("    " + line for line in lines[max(0, start) :][:LOG_LINES])

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _close_pipes(self) -> None:
        while self._pipes:
            os.close(self._pipes.popitem()[1])


def _environment(scratch: str, threads: int, root: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # CUDA counts the fastest GPU first unless told to count as NVML does, whose memory and clocks are read.
    defaults = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    fixed = {name: str(threads) for name in THREAD_VARIABLES}
    # Compiled kernels that a library keeps in the temporary directory would spare the next trial its compilation.
    fixed.update(PYTHONPATH=path, TMPDIR=scratch)
    return {**defaults, **os.environ, **fixed}
