"""Ranks that are started, told to train, and ended together: one that dies takes the others with it, and is named."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ranks import Place
from benchmarks.workload import handed_over
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.clock import now_seconds
from pytest_duet.workers.process import THREAD_VARIABLES

ROOT = Path(__file__).parents[2]
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


@dataclass
class Fleet:
    """Some ranks of one engine, a context manager: inside, they are ready to train.

    :param name: the engine's, for messages; ``engine`` is where it is found.
    :param data: where the four MNIST files are; None for the synthetic data set.
    :param images: how many there are to train on.
    :param cores: the numbers of each rank's, as Linux counts them; there are as many ranks as entries.
    :param together: whether they train one network; else each trains one of its own by its share, with nobody to wait
        for.
    :param timeout_seconds: how long they may take over one answer.
    :ivar losses: of each epoch, the mean over its images; ``seconds`` is what it took, until the last rank was done.
    """

    name: str
    engine: str
    workload: Workload
    data: str | None
    images: int
    cores: list[list[int]]
    together: bool = True
    timeout_seconds: float = 600
    losses: list[float] = field(default_factory=list, init=False)
    seconds: list[float] = field(default_factory=list, init=False)

    @property
    def ranks(self):
        return len(self.cores)

    def __post_init__(self):
        for size in {len(batch) for batch in self.workload.batches(self.workload.order(1, self.images))}:
            if size % self.ranks:
                raise DuetError(
                    f"{self.name}: a batch of {size} images cannot be shared by {self.ranks} ranks: give a "
                    "--batch-size, and --steps, whose batches can."
                )

    def __enter__(self):
        with ExitStack() as stack:
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ranks-"))
            stack.callback(self._end)
            self._processes, ports = [], free_ports(self.ranks)
            for rank in range(self.ranks):
                self._processes.append(self._start(rank, ports))
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
        """Return the parameters that each rank has, a list of ``[(weight, bias), ...]``."""
        self._tell(None)
        self._answers("did not hand over its parameters")
        return [handed_over.read(self.workload, self._folder_of(rank)) for rank in range(self.ranks)]

    def _start(self, rank, ports):
        place = Place(rank, self.ranks, ports) if self.together else Place(0, 1, ports[rank : rank + 1])
        asked = {
            "engine": self.engine,
            "workload": self.workload.as_dict(),
            "data": self.data,
            "cores": self.cores[rank],
            "place": vars(place),
            "share": rank,
            "shares": self.ranks,
            "folder": self._folder_of(rank),
        }
        Path(asked["folder"]).mkdir()
        variables = {**os.environ, **ON_THE_CPU, **dict.fromkeys(THREAD_VARIABLES, str(len(self.cores[rank])))}
        with open(f"{asked['folder']}/said", "wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmarks.ranks.rank", json.dumps(asked)],
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said},
                **{"cwd": ROOT, "env": variables},
            )

    def _folder_of(self, rank):
        return f"{self._folder}/{rank}"

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
                        f"{self.name}: rank {silent} of {self.ranks} gave no answer within {self.timeout_seconds:g} s; "
                        f"all were killed (--worker-timeout sets the limit)."
                    )
        return [found[rank] for rank in range(self.ranks)]

    def _dead(self, rank, what):
        """Return an error for a rank that has ended, or for one that was killed meanwhile: its neighbours fail then."""
        self._processes[rank].wait()
        killed = (number for number, process in enumerate(self._processes) if (process.poll() or 0) < 0)
        rank = next(killed, rank)
        code = self._processes[rank].returncode
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        self._end()
        said = Path(self._folder_of(rank), "said").read_text(errors="replace").strip()[-1500:]
        return DuetError(
            f"{self.name}: rank {rank} of {self.ranks} {what}: it ended {how}, and the others were ended with it."
            + (f" It had said:\n{said}" if said else "")
        )

    def _end(self):
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):  # what it was told and never read
                    pipe.close()


def free_ports(count):
    """Return so many ports of this host that nobody listens at."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(each.getsockname()[1] for each in held)


def shares_of(cores, ranks, most):
    """Return the cores of each of some ranks, where the most there are to be have all of them.

    :raises DuetError: where there are fewer cores than ranks.
    """
    each = len(cores) // most
    if not each:
        raise DuetError(f"--devices={most}: there are {len(cores)} cores here, and each rank needs one.")
    return [list(cores[rank * each : (rank + 1) * each]) for rank in range(ranks)]
