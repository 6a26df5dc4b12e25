"""Ranks that are started, told to train, and ended together: one that dies takes the others with it, and is named."""

from __future__ import annotations

import base64
import json
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.frameworks import preallocation
from benchmarks.ranks import Place
from benchmarks.ranks.rank import Asked
from benchmarks.ranks.seats import Seat, addresses_of
from benchmarks.workload import handed_over
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.clock import now_seconds
from pytest_duet.workers.process import THREAD_VARIABLES

ROOT = Path(__file__).parents[2]
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
# Asks for no password, and notices within a quarter of a minute that a machine is gone.
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
SSH_FAILED = 255  # ssh's exit code where the connection ended before the command did


@dataclass
class Fleet:
    """Some ranks of one engine, a context manager: inside, they are ready to train.

    :param name: the engine's, for messages; ``engine`` is where it is found.
    :param data: where the four MNIST files are, on every machine; None for the synthetic data set.
    :param images: how many there are to train on.
    :param seats: where each rank runs. Another machine has this repository and this interpreter in the same places.
    :param together: whether they train one network; else each trains one of its own by its share, with nobody to wait
        for.
    :param timeout_seconds: how long they may take over one answer.
    :param variables: further environment variables of theirs.
    :ivar losses: of each epoch, the mean over its images; ``seconds`` is what it took, until the last rank was done.
    """

    name: str
    engine: str
    workload: Workload
    data: str | None
    images: int
    seats: list[Seat]
    together: bool = True
    timeout_seconds: float = 600
    variables: dict[str, str] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list, init=False)
    seconds: list[float] = field(default_factory=list, init=False)

    @property
    def ranks(self):
        return len(self.seats)

    def __post_init__(self):
        devices = sum(seat.devices for seat in self.seats)
        for size in {len(batch) for batch in self.workload.batches(self.workload.order(1, self.images))}:
            if size % devices:
                raise DuetError(
                    f"{self.name}: a batch of {size} images cannot be shared by {devices} devices: give a "
                    "--batch-size, and --steps, whose batches can."
                )

    def __enter__(self):
        with ExitStack() as stack:
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ranks-"))
            stack.callback(self._end)
            self._processes, addresses = [], addresses_of(self.seats)
            for rank in range(self.ranks):
                self._processes.append(self._start(rank, addresses))
            self._answers("did not start")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def train(self, epochs):
        """Have all ranks train so many more epochs; returns when the last rank is done with the last one."""
        for _ in range(epochs):
            self._train_epoch()

    def _train_epoch(self):
        epoch = len(self.losses) + 1
        began = now_seconds()
        self._tell(epoch)
        answers = self._answers(f"failed in epoch {epoch}")
        self.seconds.append(now_seconds() - began)
        images = sum(answer["images"] for answer in answers)
        self.losses.append(sum(answer["loss"] for answer in answers) / images)

    def parameters(self):
        """Return the parameters that each device has, a list of ``[(weight, bias), ...]``."""
        self._tell(None)
        answers = self._answers("did not hand over its parameters")
        told = [each for answer in answers for each in answer["parameters"]]
        packed = [np.frombuffer(base64.b64decode(each), np.float32) for each in told]
        return [handed_over.unpacked(self.workload, flat) for flat in packed]

    def _start(self, rank, addresses):
        seat = self.seats[rank]
        place = Place(rank, self.ranks, addresses, "gpu" if seat.gpus else "cpu", seat.devices)
        if not self.together:
            place = replace(place, rank=0, ranks=1, addresses=addresses[rank : rank + 1])
        device = {"CUDA_VISIBLE_DEVICES": ",".join(seat.gpus), **preallocation(False)} if seat.gpus else ON_THE_CPU
        asked = Asked(
            engine=self.engine,
            workload=self.workload.as_dict(),
            data=self.data,
            cores=seat.cores and list(seat.cores),
            core_share=seat.share,
            variables={**device, **self.variables},
            thread_variables=THREAD_VARIABLES,
            place=asdict(place),
            share=(rank, self.ranks),
        )
        command = [sys.executable, "-m", "benchmarks.ranks.rank", json.dumps(asdict(asked))]
        if seat.host:
            command = [*SSH, seat.host, f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(command)}"]
        with open(self._said_by(rank), "wb") as said:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said}
            return subprocess.Popen(command, cwd=ROOT, **pipes)

    def _said_by(self, rank):
        return Path(self._folder, str(rank))

    def _tell(self, what):
        line = json.dumps(what).encode() + b"\n"
        for rank, process in enumerate(self._processes):
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except BrokenPipeError:
                raise self._dead(rank, "had ended before it was asked") from None

    def _answers(self, what):
        """Return every rank's answer.

        :raises DuetError: naming the first that has none to give; the others, which may wait for it, are ended.
        """
        deadline, found = time.monotonic() + self.timeout_seconds, {}
        with closing(selectors.DefaultSelector()) as waiting:
            for rank, process in enumerate(self._processes):
                waiting.register(process.stdout, selectors.EVENT_READ, rank)
            while len(found) < self.ranks:
                ready = waiting.select(max(0, deadline - time.monotonic()))
                for key, _ in ready:
                    line = key.fileobj.readline()
                    if not line:
                        raise self._dead(key.data, what)
                    found[key.data] = json.loads(line)
                    waiting.unregister(key.fileobj)
                if not ready:
                    silent = min(set(range(self.ranks)) - set(found))
                    self._end()
                    raise DuetError(
                        f"{self._named(silent)} gave no answer within {self.timeout_seconds:g} s; all were killed "
                        "(--worker-timeout sets the limit)."
                    )
        return [found[rank] for rank in range(self.ranks)]

    def _dead(self, rank, what):
        """Return an error for a rank that has ended, or for one that was killed meanwhile: its neighbours fail then."""
        self._processes[rank].wait()
        rank = next(filter(self._was_killed, range(self.ranks)), rank)
        code, host = self._processes[rank].returncode, self.seats[rank].host
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        if host and self._was_killed(rank):
            how = f"with its connection, `ssh {host}`"
        self._end()
        said = self._said_by(rank).read_text(errors="replace").strip()[-1500:]
        return DuetError(
            f"{self._named(rank)} {what}: it ended {how}, and the others were ended with it."
            + (f" It had said:\n{said}" if said else "")
        )

    def _was_killed(self, rank):
        code = self._processes[rank].poll() or 0
        return code < 0 or (code == SSH_FAILED and self.seats[rank].host is not None)

    def _named(self, rank):
        host = self.seats[rank].host
        return f"{self.name}: rank {rank} of {self.ranks}" + (f", on {host}," if host else "")

    def _end(self):
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):  # what it was told and never read
                    pipe.close()
