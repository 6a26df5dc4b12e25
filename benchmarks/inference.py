"""A network that answers requests: what it answers is proven, then it is timed in three ways.

Latency: one image a request, one request after the other. Throughput: many images a request. Open load: requests arrive
on a clock of their own, whether or not the one before has been answered; a request's latency counts from its arrival.
Else a server that stalls would stop the clock that is to tell of it: coordinated omission, as Gil Tene has called it in
his talk "How NOT to Measure Latency".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.checked_trainer import copied, device_for, told_without_a_gpu
from benchmarks.frameworks.loading import load_trainer, make_ready
from benchmarks.frameworks.trainer import Trainer, WrongHardware
from benchmarks.workload import oracle
from benchmarks.workload.dataset import Dataset
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.clock import now_seconds

REQUESTS = 10_000  # of which a hundred are slower than the 99th percentile
LOADS = (0.5, 0.8)  # shares of the time that answering takes, where requests arrive by themselves
LOAD_SECONDS, LEAST_REQUESTS = 3.0, 1_000  # of requests that arrive by themselves: for so long, and so many
TRY_SECONDS = 0.5  # likewise, of each rate that is tried
LEAST_LOAD = 1 / 16  # below which no rate is tried: a thousand requests would take too long to arrive
BOUND_SECONDS = 0.005  # that 99 of 100 requests are to be answered within
BATCHES = (1, 16, 256, 4096)  # images a request
SERIES_SECONDS = 0.3  # of requests that a throughput is the median of
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}
# Of the logits' norm, the least and the most that they may be off by. In float32 each is a sum of 1,024 products, whose
# roundings add up to some 32 times 2^-24. Who rounds to fewer bits, and says so, is off by more: by up to 2^-9 of a
# factor in bf16, a 256th of the largest in int8. Found here: 1e-3 to 2.5e-3, and 6e-3 to 1.7e-2.
LOGITS_ERRORS = {"fp32": (0.0, 1e-5), "bf16": (1e-4, 2e-2), "int8": (1e-3, 0.1)}
# Of the test images; 0.005 is half a point.
ACCURACY_LOSS = {"fp32": 0.0005, "bf16": 0.005, "int8": 0.005, "pruned": 0.005}
LARGELY_ZERO = 0.01  # of the weights, which nobody's are by chance
TEST_BATCH = 256  # test images that are classified at once
CHECKED = 64  # images of a batch, beside its last one; and answers of a series of requests
DIFFERENT = 8  # requests that are repeated where many more are timed than there are images


class LogitsError(DuetError):
    """A network that answers something else than the oracle."""


@dataclass(frozen=True)
class Served:
    """A network that answers requests.

    :param predict: takes float32 images ``(n, 784)`` and returns logits ``(n, 10)``, a NumPy array on the host.
    :param parameters: of the network, ``[(weight, bias), ...]``, float32.
    :param precision: ``"fp32"``, ``"bf16"`` or ``"int8"``: what its products are rounded to, by its own account.
    :param path: the file, or the folder of files, that it was loaded from; None where it was built in this process.
    :param workload: whose network it is.
    :param whole: the parameters before any were set to zero; None where none were.
    """

    name: str
    predict: Callable[[np.ndarray], np.ndarray]
    parameters: list
    dataset: Dataset
    precision: str = "fp32"
    path: Path | None = None
    workload: Workload = field(default_factory=Workload)
    whole: list | None = None

    def check(self, count):
        """Hold the answer to a request of so many images against the oracle's, in float64.

        :raises LogitsError: where it is another.
        """
        images = self.images(count)
        found = np.asarray(self.predict(images))
        shape = (count, self.parameters[-1][1].size)
        if found.shape != shape:
            raise LogitsError(
                f"{self.name}: it answers {count} images with an array of shape {found.shape}, not {shape}"
            )
        checked = np.unique(np.append(np.arange(min(count, CHECKED)), count - 1))
        self._check(found[checked], images[checked], f"{count} images a request")

    def _check(self, found, images, when):
        right = oracle.logits(self.workload, oracle.as_float64(self.parameters), images)
        error = float(np.linalg.norm(found - right) / np.linalg.norm(right))
        least, most = LOGITS_ERRORS[self.precision]
        if not error <= most:
            raise LogitsError(
                f"{self.name}: its logits are off by {error:.2g} of their norm, {when} (tolerance for "
                f"{self.precision}: {most:g})."
            )
        if error < least:
            raise LogitsError(
                f"{self.name}: its logits are off by {error:.2g} of their norm alone, {when}: whoever computes in "
                f"{self.precision}, as it says, is off by {least:g} or more."
            )

    def check_accuracy(self):
        """Return the share of the test images that it classifies right, 0 to 1.

        :raises LogitsError: where rounding cost more of the oracle's, with the same parameters, than it may.
        """
        images, labels = self.dataset.test_images, self.dataset.test_labels
        starts = range(0, len(labels), TEST_BATCH)
        found = [np.asarray(self.predict(images[start : start + TEST_BATCH])).argmax(axis=1) for start in starts]
        share = float((np.concatenate(found) == labels).mean())
        right = oracle.accuracy(self.workload, self.whole or self.parameters, self.dataset)
        zero = self.zero_share()
        allowed = ACCURACY_LOSS["pruned" if zero > LARGELY_ZERO else self.precision]
        if right - share > allowed + 1e-9:
            how = f"with {zero:.0%} of its weights zero" if zero > LARGELY_ZERO else f"in {self.precision}"
            raise LogitsError(
                f"{self.name}: its test accuracy is {share:.4f} where the oracle's is {right:.4f} ({how} it may lose "
                f"{allowed:g})."
            )
        return share

    def zero_share(self):
        """Return the share of its weights that are zero."""
        return sum(int((weight == 0).sum()) for weight, _ in self.parameters) / sum(w.size for w, _ in self.parameters)

    def bytes(self):
        """Return how large what it was loaded from is, in bytes; None where that is no file."""
        if self.path is None:
            return None
        files = [self.path] if self.path.is_file() else self.path.rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def images(self, count, first=0):
        """Return so many test images, from one of them on; over again where there are not as many."""
        return self.dataset.test_images[np.arange(first, first + count) % len(self.dataset.test_images)]

    def answering(self, count):
        """Return a function that has the next one of a few requests answered, each of so many images of its own."""
        requests = cycle([self.images(count, number * count) for number in range(DIFFERENT)])
        return lambda: self.predict(next(requests))

    def requests(self, count=REQUESTS):
        """Answer so many requests of one image each, one after the other; return the seconds of each, a float64 array.

        :raises LogitsError: where one of those that are looked at again was answered wrongly.
        """
        took, answers = np.empty(count), {}
        for number in range(count):
            image = self.images(1, number)
            began = now_seconds()
            answer = self.predict(image)
            took[number] = now_seconds() - began
            if number % max(1, count // CHECKED) == 0:
                answers[number] = np.array(answer[0])
        asked = np.concatenate([self.images(1, number) for number in answers])
        self._check(np.stack(list(answers.values())), asked, "one image a request, while it was timed")
        return took

    def seconds_of(self, count):
        """Return what a request of so many images takes, the median of a series, in seconds."""
        answer, times, start = self.answering(count), [], now_seconds()
        while len(times) < DIFFERENT or now_seconds() < start + SERIES_SECONDS:
            began = now_seconds()
            answer()
            times.append(now_seconds() - began)
        return median(times)

    def under_load(self, rate, seconds=LOAD_SECONDS, seed=0):
        """Answer requests that arrive by themselves, as a Poisson process does, and return :class:`Load`.

        :param rate: of their arrivals, per second.
        :param seconds: for how long about they arrive; ``LEAST_REQUESTS`` do in any case.
        """
        count = max(LEAST_REQUESTS, int(rate * seconds))
        waits = np.random.RandomState(seed).exponential(1 / rate, size=count)
        arrivals = np.cumsum(waits)
        began, ended = np.empty(count), np.empty(count)
        start = now_seconds()
        for number, arrival in enumerate(arrivals):
            image = self.images(1, number)
            while (now := now_seconds() - start) < arrival:
                pass  # to sleep would be to come too late
            began[number] = now
            self.predict(image)
            ended[number] = now_seconds() - start
        free = np.append(0.0, ended[:-1])  # when the server could have begun
        return Load(ended - arrivals, began - np.maximum(arrivals, free))


@dataclass(frozen=True)
class Load:
    """What became of requests that arrived by themselves, in seconds, float64 arrays.

    :param latencies: from the arrival of each to its answer.
    :param lateness: by how much each was begun later than it could have been: the generator's own fault.
    """

    latencies: np.ndarray
    lateness: np.ndarray


def answers_of(entry, workload, parameters, dataset, device):
    """Return what answers requests with an entry's network, as its trainer was built with some parameters.

    :raises WrongHardware: where its trainer has none to show.
    """
    make_ready(entry.requires, entry.variables)
    its_class = load_trainer(entry.location)
    if its_class.logits is Trainer.logits:
        raise WrongHardware(f"{entry.name} has no answers to show: its trainer has no logits()")
    with told_without_a_gpu():
        trainer = its_class(workload, dataset, copied(parameters), device_for(its_class, device))
    return trainer.logits


def percentiles(seconds):
    """Return the percentiles of :data:`PERCENTILES`, by name; each is a value that was measured."""
    return {name: float(np.percentile(seconds, q, method="higher")) for name, q in PERCENTILES.items()}


def rate_within(served, bound, capacity, seconds=TRY_SECONDS, tries=6):
    """Return the highest rate of arrivals, per second, whose 99th percentile stays within a bound, by bisection.

    None where it does at none of the rates that are tried.

    :param bound: in seconds.
    :param capacity: requests a second that it answers one after the other: the rate cannot be higher.
    :param seconds: of each try.
    """
    low, high = 0.0, capacity
    for seed in range(tries):
        rate = (low + high) / 2
        if rate < LEAST_LOAD * capacity:
            break
        found = served.under_load(rate, seconds, seed)
        if percentiles(found.latencies)["p99"] <= bound:
            low = rate
        else:
            high = rate
    return low or None
