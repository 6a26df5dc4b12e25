"""A worker: ``python -m pytest_duet.workers.serve SUBJECT REQUESTS REPLIES LIFELINE THREADS [FOLDER ...]``.

It hosts one subject, of the class at SUBJECT, ``"module:Class"``. Reads one JSON request a line from the file
descriptor REQUESTS, ``{"call": "round", "number": 2}``, and writes one JSON reply a line to REPLIES:
``{"result": ...}``, or ``{"error": ..., "kind": ..., "traceback": ...}``; with either comes ``clock``, when the request
was read and the reply written, and which of the clocks the subject has replaced. Standard output and standard error are
the log's: whatever a subject prints cannot be taken for a reply.

LIFELINE is the reading end of a pipe whose other end the parent keeps open. When the parent goes, however it goes, the
worker's whole process group goes with it. THREADS is how many cores it may use. Where there are FOLDERs, it is to write
to these alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from pytest_duet.sensors import clock
from pytest_duet.sensors.cpu import hardware_threads
from pytest_duet.workers.protocol import Subject, load_subject
from pytest_duet.workers.seclusion import seclude

FINISH = "finish"  # the call that ends what a subject serves meanwhile
F_SETSIG = 10  # Linux's number; not every Python names it


def main() -> None:
    requests, replies, lifeline, threads = map(int, sys.argv[2:6])
    for descriptor in (requests, replies, lifeline):
        os.set_inheritable(descriptor, False)  # a helper process of the subject must not hold the pipes open
    hold_on_to(lifeline)
    run_as_batch_job()
    keep_to_cores(threads)
    if sys.argv[6:]:
        seclude(sys.argv[6:])
    subject = load_subject(sys.argv[1])
    with suppress(BrokenPipeError), os.fdopen(requests) as asked, os.fdopen(replies, "w") as answers:
        Server(subject, asked, answers).serve()  # whose last answer nobody may wait for any more
    subject.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all has been told; to take a framework's modules apart one by one takes up to a second


class Server:
    """Has a subject answer what is asked.

    :param asked: a request a line; ``answers`` takes a reply a line.
    """

    def __init__(self, subject: Subject, asked: TextIO, answers: TextIO) -> None:
        self._subject, self._asked, self._answers = subject, asked, answers
        subject.serve_meanwhile = self._serve_meanwhile

    def serve(self, until: str = "") -> dict[str, Any] | None:
        """Serve until this call is asked for, whose answer is the caller's; None where there are no more requests."""
        for line in self._asked:
            self._began = clock.now_seconds()
            request: dict[str, Any] = json.loads(line)
            if request["call"] == until:
                return request
            self._tell(answer(self._subject, request))
        return None

    def _serve_meanwhile(self, result: Any, until: str = FINISH) -> dict[str, Any] | None:
        self._tell({"result": as_plain(result)})
        return self.serve(until)

    def _tell(self, reply: dict[str, Any]) -> None:
        reply["clock"] = {"began": self._began, "ended": clock.now_seconds(), "replaced": clock.replaced()}
        self._answers.write(json.dumps(reply) + "\n")
        self._answers.flush()


def answer(subject: Subject, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": as_plain(getattr(subject, request.pop("call"))(**request))}
    except Exception as error:
        return {"error": str(error), "kind": type(error).__name__, "traceback": traceback.format_exc()}


def as_plain(result: Any) -> Any:
    """Return what a subject's call gave as JSON knows it."""
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result


def run_as_batch_job() -> None:
    """Tell Linux's scheduler that this is a CPU-bound job, as ``chrt --batch 0 python train.py`` does.

    Under the default policy a thread that wakes takes the core of the one that woke it. Keras's two compute threads
    then share a core for whole epochs: 8 of 17 epochs took 5.5 s instead of 3.2 s on two idle cores, at equal CPU
    time. As batch jobs, 0 of 30 did; PyTorch's epochs got 10 % faster, and JAX's stayed as they were.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # threads to come inherit it
    except (AttributeError, OSError):
        pass  # not Linux, or not allowed: the subject reports the policy that holds


def keep_to_cores(count: int) -> None:
    """Bind this process to as many of its cores, one hardware thread of each physical core first.

    Most libraries size their thread pools by what they may use; and no pool, whatever its size, uses more.
    """
    try:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0), key=_rank_among_threads)[:count])
    except (AttributeError, OSError):
        pass  # not Linux: OMP_NUM_THREADS and its like have to do


def _rank_among_threads(core: int) -> tuple[int, int]:
    return hardware_threads(core).index(core), core


def hold_on_to(lifeline: int) -> None:
    """Have this process group killed as soon as the other end of the lifeline closes."""
    try:
        # The kernel itself sends the signal: it needs no thread, no interpreter lock and no help from a hung worker.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except (AttributeError, OSError):  # not Linux
        threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()
    if select.select([lifeline], [], [], 0)[0]:  # the parent went before this was set up
        os.killpg(0, signal.SIGKILL)


def _wait_for_the_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
