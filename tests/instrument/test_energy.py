"""Energy: a GPU's counter less its idle power, exactly; and None wherever nobody can tell."""

import math
import os
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml

from benchmarks.summary import with_figures
from benchmarks.training_row import TrainingRow
from pytest_duet.sensors.energy import idle_watts
from pytest_duet.sensors.foreign_load import Load
from pytest_duet.sensors.gpu import Gpu
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials import recorder
from pytest_duet.workers.hosted import Span
from pytest_duet.workers.protocol import Examined, Opened, Reading, SubjectError, Sustained, Timed

IDLE = 50.0
BUSY = 300.0
WORKER = 2**22 + 1  # Linux gives no process such a number
LIST = "nvmlDeviceGetComputeRunningProcesses"
COUNTER, POWER = "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"


class Card:
    """A GPU whose counter follows its power exactly, in steps of ``step`` seconds, by a clock that tests move."""

    def __init__(self, step=0.0, watts=IDLE, begin=0.0, **state):
        self.time, self.joules, self.watts, self.step = begin, 0.0, watts, step
        self.shown = 0.0
        self.nvml = FakeNvml(
            millijoules=lambda: 1000 * self.shown, milliwatts=lambda: 1000 * self.power(self.time), **state
        )
        self.gpu = Gpu(self.nvml, "handle")

    def power(self, time):
        return self.watts(time) if callable(self.watts) else self.watts

    def now(self):
        return self.time

    def sleep(self, seconds, grain=0.001):
        for _ in range(max(1, round(seconds / grain))):
            before = self.time
            self.joules += self.power(self.time) * grain
            self.time += grain
            if not self.step or math.floor(before / self.step) != math.floor(self.time / self.step):
                self.shown = self.joules

    def sampler(self, idle=IDLE):
        return MemorySampler(self.gpu, interval_seconds=1000, idle_watts=idle, now=self.now, sleep=self.sleep)


class Worker:
    """Answers as a worker does, whose epochs take these seconds of the card's clock."""

    pid, folder, span, secluded = WORKER, "", None, None

    def __init__(self, card, *seconds, device="gpu:Fake", aside=0.0, hurries=1.0):
        self.aside = aside  # seconds of each call that are no training
        self.hurries = hurries  # what an epoch takes where it is done over and over, of the last one's time
        self.card, self.seconds, self.device = card, list(seconds), device
        self.meanwhile = lambda: None

    def open(self):
        return Opened(self.device, {}, "3", None, {}, 1, 1, Reading(1))

    def examine(self, last):
        self.card.sleep(3)  # between the epochs, and nobody's
        return Examined({"own_accuracy": 0.5})

    def round(self, number, first, stop):
        self.card.watts = BUSY
        self.card.sleep(self.seconds[number - 1])
        self.card.watts = IDLE
        if self.aside:
            self.card.sleep(self.aside)
        self.meanwhile()
        self.span = Span(self.seconds[number - 1], self.seconds[number - 1])
        return Timed(number, self.seconds[number - 1], 1, 0, 0, Reading(1), {"loss": 1.0}, work=10)

    def sustain(self, seconds):
        self.seconds.append(self.seconds[-1] * self.hurries)
        epochs = math.ceil(seconds / self.seconds[-1])
        for number in range(len(self.seconds), len(self.seconds) + epochs):
            self.seconds.append(self.seconds[-1])
            self.round(number, 0, None)
        return Sustained(epochs, epochs * self.seconds[-1])


def train(
    card,
    *seconds,
    idle=IDLE,
    device="gpu:Fake",
    meanwhile=lambda: None,
    aside=0.0,
    sustain=False,
    hurries=1.0,
    worker=None,
):
    """Return the trial of some epochs on a card.

    :param sustain: whether the last one is done over and over in the end, as a runner has it.
    :param worker: makes another one than that.
    """
    worker = worker(card) if worker else Worker(card, *seconds, device=device, aside=aside, hurries=hurries)
    worker.meanwhile = meanwhile
    runner = SimpleNamespace(
        name="any",
        open_arguments=dict,
        max_foreign_cores=0.1,
        slot=None,
        rounds=len(seconds),
        received=lambda said, folder: said,
    )
    with card.sampler(idle).watch(WORKER) as sampler:
        recording = recorder.Recorder(runner, worker, sampler)
        for number in range(1, len(seconds) + 1):
            recording.round(number)
        if sustain:
            recording.sustain()
    return recording.trial()


@pytest.mark.parametrize("begin", [0.0, 0.03, 0.099])
def test_idle_power_is_exact_though_the_counter_is_coarse(begin):
    """It is taken between two steps of the counter: between any two moments it would miss by up to a tenth here."""
    card = Card(step=0.1, begin=begin)
    assert idle_watts(card.gpu, card.now, card.sleep) == pytest.approx(IDLE, rel=0.005)


def test_a_card_that_was_just_busy_is_waited_for():
    card = Card(step=0.1, watts=lambda time: IDLE + 250 * math.exp(-time / 1.5))
    found = idle_watts(card.gpu, card.now, card.sleep)
    assert found == pytest.approx(IDLE, rel=0.06)
    assert card.time > 5


def test_a_card_that_never_settles_is_given_up_on():
    card = Card(watts=lambda time: 1000 - 30 * time)
    assert 600 < idle_watts(card.gpu, card.now, card.sleep) < 800
    assert card.time < 12


@pytest.mark.parametrize("counter", [{"refuses": (COUNTER,)}, {"step": 1e9}])
def test_idle_power_without_a_counter_that_moves_is_the_mean_of_readings(counter):
    card = Card(watts=lambda time: IDLE + math.cos(2 * math.pi * time), **counter)
    assert idle_watts(card.gpu, card.now, card.sleep) == pytest.approx(IDLE, rel=0.005)


@pytest.mark.parametrize(
    "state",
    [
        {"refuses": (COUNTER, POWER)},
        {"cut": True},
        {"processes": {4242: 1}},
        {"processes": {4242: None}},
        {"refuses": (LIST,)},
        {"percent": 3},  # and nobody is listed: whoever it is, is in another container
    ],
)
def test_idle_power_that_nobody_can_tell_is_none(state):
    card = Card(**state)
    assert idle_watts(card.gpu, card.now, card.sleep) is None


def test_own_process_may_hold_an_idle_gpu_and_no_gpu_has_no_idle_power():
    card = Card(processes={os.getpid(): 1}, percent=3)
    assert idle_watts(card.gpu, card.now, card.sleep) == pytest.approx(IDLE, rel=1e-3)
    assert idle_watts(None) is None


def test_energy_of_an_epoch_is_the_counter_s_less_the_idle_power():
    trial = train(Card(), 2.0, 1.0, 3.0)
    assert [epoch.gpu_energy_joules for epoch in trial.rounds] == pytest.approx([500, 250, 750])
    assert [epoch.gpu_energy_window_seconds for epoch in trial.rounds] == pytest.approx([2, 1, 3])
    assert trial.gpu_energy_joules == pytest.approx(500), "the steady epochs' mean, without what was between them"
    assert trial.gpu_idle_watts == IDLE


def test_energy_is_told_where_at_least_half_of_the_time_is_training():
    trial = train(Card(), 0.1, 1.0, 2.0, aside=0.9)
    energies = [epoch.gpu_energy_joules for epoch in trial.rounds]
    assert energies == [None, pytest.approx(250, rel=1e-3), pytest.approx(500, rel=1e-3)]
    assert trial.rounds[0].gpu_energy_window_seconds == pytest.approx(1.0), "why there is none"
    assert trial.gpu_energy_joules == pytest.approx(375, rel=1e-3)


def test_of_short_epochs_no_energy_is_told_of_their_sum_either():
    assert train(Card(), 9.0, 0.4, 0.4, aside=0.5).gpu_energy_joules is None


@pytest.mark.parametrize("begin", [0.0, 0.03, 0.099])
def test_of_epochs_back_to_back_it_is_told_with_its_error(begin):
    """Each is a fraction of the counter's step, and more goes on beside it than in it: one alone has no figure."""
    trial = train(Card(step=0.1, begin=begin), 0.05, 0.05, aside=0.2)
    assert trial.gpu_energy_joules is None
    trial = train(Card(step=0.1, begin=begin), 0.05, 0.05, sustain=True)
    assert trial.gpu_energy_joules == pytest.approx((BUSY - IDLE) * 0.05, abs=trial.gpu_energy_error_joules)
    assert 0 < trial.gpu_energy_error_joules < 0.06 * trial.gpu_energy_joules


def test_without_a_counter_nothing_is_done_over_and_over_but_where_the_epochs_are_short():
    trial = train(Card(refuses=(COUNTER,)), 0.05, 2.5, sustain=True)
    assert (trial.gpu_energy_joules, trial.gpu_energy_error_joules, trial.sustained_seconds) == (None, None, None)
    trial = train(Card(refuses=(COUNTER,)), 0.05, 0.05, sustain=True, hurries=1.2)
    assert (trial.gpu_energy_joules, trial.gpu_energy_error_joules) == (None, None)
    assert trial.sustained_seconds == pytest.approx(0.06)


def test_a_neighbour_of_short_epochs_is_seen_while_they_are_done_over_and_over(monkeypatch):
    """Of 0.05 s of them, in ticks of a hundredth: nobody would say whether somebody else was at work."""
    card, seen = Card(), []

    class Neighbour:
        """Comes when all has been timed, and takes half a core."""

        def __init__(self, pid, cores):
            self.since = card.time

        def stop(self):
            seen.append(card.time - self.since)
            return Load(seen[-1], 0.5 * seen[-1] if seen[-1] >= 2 else 0.0, 0.0, 0.0)

    monkeypatch.setattr(recorder, "ForeignLoad", Neighbour)
    assert not train(card, 3.0, 0.05, sustain=False).disturbed
    trial = train(card, 0.05, 0.05, sustain=True)
    assert 0.4 < trial.disturbance.foreign_cores <= 0.5
    assert trial.disturbed


def test_who_does_less_once_nobody_looks_has_no_energy_by_it():
    trial = train(Card(step=0.1), 0.5, 0.5, sustain=True, hurries=0.1)
    assert trial.gpu_energy_error_joules is None
    assert trial.gpu_energy_joules == pytest.approx((BUSY - IDLE) * 0.5, rel=0.2), "of the epochs that are proven"
    assert trial.sustained_seconds == pytest.approx(0.05)


def test_a_clock_that_stands_still_while_epochs_are_done_over_and_over_is_noticed():
    class Stops(Worker):
        def sustain(self, seconds):
            done = super().sustain(seconds)
            self.span = Span(seconds, 0.1 * seconds)
            return done

    with pytest.raises(SubjectError, match="its worker's clock saw"):
        train(Card(step=0.1), 0.05, 0.05, sustain=True, worker=lambda card: Stops(card, 0.05, 0.05))


def test_others_on_the_gpu_void_the_energy_of_epochs_back_to_back():
    card = Card(step=0.1, processes={WORKER: 100})
    seen = []

    def somebody_comes():
        seen.append(card.time)
        if len(seen) == 30:  # in the midst of them
            card.nvml.processes = {WORKER: 100, 4242: 1}

    trial = train(card, 0.05, 0.05, meanwhile=somebody_comes, sustain=True)
    assert trial.gpu_energy_error_joules is None


def test_where_the_start_is_what_is_timed_its_energy_is_told():
    """As of a test that makes one call: most of what the worker did until it was open is that call, or nobody knows."""

    class Starts(Worker):
        def __init__(self, card, call, before):
            super().__init__(card)
            self.call, self.before = call, before

        def open(self):
            self.card.sleep(self.before)
            self.card.watts = BUSY
            self.card.sleep(self.call)
            self.card.watts = IDLE
            self.span = Span(self.before + self.call, self.before + self.call)
            return Opened(self.device, {}, "3", None, {}, 1, self.call, Reading(1))

    assert train(Card(), worker=lambda card: Starts(card, 2.0, 1.0)).gpu_energy_joules == pytest.approx(500, rel=1e-3)
    assert train(Card(), worker=lambda card: Starts(card, 1.0, 1.5)).gpu_energy_joules is None
    assert train(Card(refuses=(COUNTER,)), worker=lambda card: Starts(card, 2.0, 1.0)).gpu_energy_joules is None


def test_a_counter_that_does_not_move_within_an_epoch_may_within_all():
    """Nine short epochs and one step of the counter among them: its whole energy is theirs."""
    card = Card(step=1e9)
    passed = []

    def meanwhile():
        passed.append(card.time)
        card.shown += 120 if len(passed) == 6 else 0

    trial = train(card, *[0.04] * 10, meanwhile=meanwhile)
    energies = [epoch.gpu_energy_joules for epoch in trial.rounds]
    assert energies[:5] + energies[6:] == [None] * 9, "never 0"
    assert energies[5] == pytest.approx(120 - IDLE * 0.04)
    assert trial.gpu_energy_joules == pytest.approx((120 - IDLE * 9 * 0.04) / 9)
    assert all(epoch.gpu_energy_window_seconds == pytest.approx(0.04) for epoch in trial.rounds)


@pytest.mark.parametrize(
    ("state", "how"),
    [
        ({"refuses": (COUNTER,)}, {}),
        ({"step": 1e9}, {}),
        ({"cut": True}, {}),
        ({}, {"idle": None}),
        ({"processes": {4242: 1}}, {}),
        ({"refuses": (LIST,)}, {}),
        ({}, {"aside": 1.1}),
        ({}, {"device": "cpu"}),
    ],
)
def test_energy_that_nobody_can_tell_is_none(state, how):
    trial = train(Card(**state), 1.0, 1.0, **how)
    assert [epoch.gpu_energy_joules for epoch in trial.rounds] == [None, None]
    assert trial.gpu_energy_joules is None


def test_a_process_that_comes_to_the_gpu_while_an_epoch_is_trained_voids_its_energy():
    card = Card()
    epochs = []

    def meanwhile():
        epochs.append(len(epochs) + 1)
        visitor = {4242: 1} if epochs[-1] == 3 else {}
        card.nvml.processes = {WORKER: 100, **visitor}

    trial = train(card, 1.0, 1.0, 1.0, 1.0, meanwhile=meanwhile)
    found = [epoch.gpu_energy_joules for epoch in trial.rounds]
    assert found == [pytest.approx(250), pytest.approx(250), None, pytest.approx(250)]
    assert trial.gpu_energy_joules is None


def test_a_counter_that_starts_anew_tells_nothing():
    card = Card()
    trial = train(card, 1.0, 1.0, meanwhile=lambda: setattr(card, "shown", card.shown - 1000))
    assert trial.rounds[0].gpu_energy_joules is None


def test_no_samples_read_no_counter():
    card = Card()
    sampler = MemorySampler(card.gpu, 0, IDLE, card.now)
    with sampler.watch(WORKER):
        card.sleep(1)
        assert sampler.look().gpu_energy_joules is None


def test_a_row_holds_the_median_of_its_trials():
    trials = [train(Card(), 1.0, seconds) for seconds in (1.0, 2.0, 9.0)] + [train(Card(cut=True), 1.0, 5.0)]
    for trial in trials:
        trial.rounds[-1].metrics["accuracy"] = 0.9
    training = TrainingRow({}, steps_per_epoch=1, flops_per_epoch=1, bytes_per_epoch=1)
    row = with_figures(training, trials, images=1)
    assert row.gpu_energy_joules == pytest.approx(500, rel=1e-4), "of those that are known"
    assert row.gpu_idle_watts == IDLE
    assert with_figures(training, trials[3:], images=1).gpu_energy_joules is None
