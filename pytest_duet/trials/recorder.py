"""One hosted subject while it works, and everything that is read from it on the way to a trial's record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from pytest_duet.sensors.clock import now_seconds
from pytest_duet.sensors.cpu import cpu_seconds_of
from pytest_duet.sensors.energy import SUSTAINED_SECONDS, used_joules
from pytest_duet.sensors.foreign_load import ForeignLoad, Load
from pytest_duet.sensors.sampler import MemorySampler, Window, memory_source, samples_of
from pytest_duet.trials.account import disturbance, highest, ledger, mean, mean_metrics, throttle_reasons
from pytest_duet.trials.oversight import check_clock, check_cpu_seconds
from pytest_duet.trials.trial import Part, Round, Trial
from pytest_duet.workers.hosted import Hosted, Span
from pytest_duet.workers.protocol import Examined, Reading, Sustained, Timed

if TYPE_CHECKING:
    from pytest_duet.trials.runner import Runner


WATCHED_SECONDS = 2.0  # of steady work, for others' share of it: the kernel counts in ticks of 10 ms
SAME_WORK = 0.5  # of the steady rounds' time: what takes less, over and over, is not what was examined


class _Done(NamedTuple):
    first: int
    stop: int | None
    timed: Timed
    window: Window
    span: Span


class Recorder:
    """Opens a subject and has it do its rounds, whole or in parts, under the eyes of a sampler that watches it."""

    def __init__(self, runner: Runner, worker: Hosted, sampler: MemorySampler) -> None:
        self._runner, self._worker, self._sampler = runner, worker, sampler
        self._cores = runner.slot.cores if runner.slot else None
        others = ForeignLoad(worker.pid, self._cores)
        watched = sampler.gpu is not None and sampler.look()
        self.opened = worker.open(**runner.open_arguments())
        self._opening = others.stop()
        self._start = sampler.look() if watched else None
        self._on_gpu = self.opened.device != "cpu"
        self._readings: list[Reading] = [self.opened.memory]
        self._windows: list[Window] = []
        self._loads: list[Load | None] = []
        self._parts: list[_Done] = []
        self._spans: list[Span] = []
        self._rounds_windows: list[list[Window]] = []
        self.rounds: list[Round] = []
        self._secluded = worker.secluded
        self._energy: tuple[float, float] | None = None
        self._sustained: float | None = None
        self._mark()

    def round(self, number: int, cut: Sequence[tuple[int, int | None]] = ()) -> Round:
        """Have a round done, and return it.

        :param cut: where it is audited, the parts that it is done in.
        """
        for first, stop in cut or ((0, None),):
            self.part(number, first, stop)
        return self.end_round(number, audited=bool(cut))

    def part(self, number: int, first: int = 0, stop: int | None = None) -> float:
        """Have the steps from ``first`` up to ``stop`` of a round done and return how long they took, in seconds."""
        if self._on_gpu:
            self._sampler.cool_down()
        self._sampler.look()
        others = ForeignLoad(self._worker.pid, self._cores)
        timed = self._worker.round(number, first, stop)
        self._loads.append(others.stop())
        self._windows.append(self._sampler.look())
        self._readings.append(timed.memory)
        self._spans.append(self._worker.span)
        self._parts.append(_Done(first, stop, timed, self._windows[-1], self._worker.span))
        self._helpers += self._loads[-1].helpers_seconds if self._loads[-1] else 0.0
        return timed.seconds

    def end_round(self, number: int, examine: bool = True, audited: bool = False) -> Round:
        """Return the round that the parts since the last one make up.

        :param examine: whether to have the subject account for its work; a later account holds this round's, too.
        """
        done_parts, self._parts = self._parts, []
        parts, windows = [each.timed for each in done_parts], [each.window for each in done_parts]
        called = sum(each.span.seconds for each in done_parts)
        if audited:
            del self._readings[-len(parts) :]  # what is compiled for the cut is not the work's own
        self._rounds_windows.append(windows)
        switches = [part.involuntary_switches for part in parts if part.involuntary_switches is not None]
        seconds = sum(part.seconds for part in parts)
        source = memory_source(windows, self._on_gpu)
        sampled = [samples_of(window, source) for window in windows] if source else []
        examined, accounting = self._account(last=number == self._runner.rounds) if examine else (Examined(), 0.0)
        cpu_seconds = sum(part.cpu_seconds for part in parts)
        before, since, helpers = self._used, self._since, self._helpers
        self._mark()
        untimed = None if before is None or self._used is None else self._used - before - cpu_seconds
        check_cpu_seconds(self._runner.name, number, cpu_seconds, untimed, self._since - since - seconds)
        done = Round(
            number=number,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            involuntary_switches=sum(switches) if len(switches) == len(parts) else None,
            lag_seconds=parts[-1].lag_seconds,
            driver_lag_seconds=parts[-1].driver_lag_seconds,
            metrics={**mean_metrics(parts), **examined.metrics},
            evidence=examined.evidence if examine else None,
            parts=tuple(Part(each.first, each.stop, each.timed.metrics) for each in done_parts),
            audited=audited,
            call_seconds=called,
            untimed_seconds=called - seconds + accounting,
            untimed_cpu_seconds=untimed,
            helpers_cpu_seconds=None if untimed is None else helpers,
            memory_peak_bytes=highest(peak for peak, _ in sampled),
            memory_average_bytes=mean(average for _, average in sampled),
            memory_source=source,
        )
        if self._on_gpu:
            counted = None not in [window.gpu_energy_joules for window in windows]
            done = replace(
                done,
                gpu_clock_mhz=mean(window.clock_mhz[1] for window in windows),
                gpu_throttle_reasons=throttle_reasons(windows),
                gpu_energy_joules=used_joules(windows, self._sampler.idle_watts, seconds),
                gpu_energy_window_seconds=sum(window.seconds for window in windows) if counted else None,
            )
        self.rounds.append(done)
        return done

    def _account(self, last: bool) -> tuple[Examined, float]:
        """Return what the subject accounts for, and how long that took."""
        examined = self._worker.examine(last)
        return self._runner.received(examined, self._worker.folder), self._worker.span.seconds

    def _cpu_seconds(self) -> float | None:
        return None if self._worker.pid == os.getpid() else cpu_seconds_of(self._worker.pid)

    def drop_parts(self) -> None:
        """Leave the parts since the last round out of the record: they were warm-up."""
        self._parts = []
        self._mark()

    def _mark(self) -> None:
        """Count from here on what the next round uses."""
        self._used, self._since, self._helpers = self._cpu_seconds(), now_seconds(), 0.0

    def sustain(self) -> None:
        """Have the last round done over and over on a GPU, for its energy, and for others' share of the cores; of a
        round of 40 ms, the counter's step and the kernel's tick would be much. To be called after all rounds."""
        if not self._on_gpu:
            return
        found = self._sampler.energy_of(lambda: self._over_and_over(SUSTAINED_SECONDS))
        left = WATCHED_SECONDS - sum(each.seconds for each in self.rounds[1:])
        if self._sustained is None and left > 0:
            self._over_and_over(left)
        if found and self._sustained and self._sustained >= SAME_WORK * min(each.seconds for each in self.rounds):
            self._energy = found[1] / found[0].rounds, found[2] / found[0].rounds

    def _over_and_over(self, seconds: float) -> Sustained:
        others = ForeignLoad(self._worker.pid, self._cores)
        done = self._worker.sustain(seconds)
        if done.rounds:
            self._loads.append(others.stop())
            self._spans.append(self._worker.span)  # this process's clock stands over it, too
            self._sustained = done.seconds / done.rounds
        return done

    def trial(self) -> Trial:
        """Return what has been done so far; of a subject that has no rounds, its start is what was timed.

        :raises SubjectError: where the worker's clock does not explain the time that it took.
        """
        # Of the first round's compilation, seconds of quiet would hide a neighbour of short steady ones.
        loads, windows = self._loads[1:] or self._loads or [self._opening], self._windows[1:] or self._windows
        found = disturbance(loads, windows, self._sampler.foreign_gpu_processes, self._runner.max_foreign_cores)
        check_clock(self._runner.name, self._spans, disturbed=bool(found.reasons))
        steady = [each for each in self.rounds[1:] if not each.audited]
        audited = [each.audited for each in self.rounds]
        windows = [one for of_round, cut in zip(self._rounds_windows, audited) if not cut for one in of_round]
        timed = [each.seconds for each in steady or self.rounds] or [self.opened.build_seconds]
        done = Trial(
            seconds=median(timed),
            first_seconds=self.rounds[0].seconds if self.rounds else self.opened.build_seconds,
            import_seconds=self.opened.import_seconds,
            build_seconds=self.opened.build_seconds,
            rounds=tuple(self.rounds),
            memory=ledger(self._readings, windows, self._on_gpu),
            disturbance=found,
            clocks_replaced=self._worker.span.replaced,
            secluded=self._secluded,
        )
        if not self._on_gpu:
            return done
        joules, error = self._energy or (self._steady_joules() if self.rounds else self._joules_of_the_start(), None)
        seen = any(window.nvml_process[0] is not None for window in self._windows)
        return replace(
            done,
            nvml_process_hidden=None if seen or not self._windows else self._windows[-1].hidden,
            gpu_idle_watts=self._sampler.idle_watts,
            sustained_seconds=self._sustained,
            gpu_energy_joules=joules,
            gpu_energy_error_joules=error,
        )

    def _joules_of_the_start(self) -> float | None:
        """Return what the GPU took while the subject was made ready, where that is what is timed."""
        return used_joules([self._start], self._sampler.idle_watts, self.opened.build_seconds) if self._start else None

    def _steady_joules(self) -> float | None:
        """Return the mean of the steady rounds: the counter's step, which one may be lost in, weighs less in all."""
        windows = [window for of_round in self._rounds_windows[1:] for window in of_round]
        joules = used_joules(windows, self._sampler.idle_watts, sum(each.seconds for each in self.rounds[1:]))
        return None if joules is None else joules / len(self._rounds_windows[1:])
