"""The table of GPU memory and energy shows what the JSON holds, and each figure's source."""

import re
from dataclasses import replace

import pytest
from support import Terminal

from benchmarks.report import framework_table as terminal
from benchmarks.report import gpu_table
from benchmarks.training_row import Parity, TrainingRow
from pytest_duet.record.row import Row, memory_source
from pytest_duet.trials.trial import Memory, Trial

MIB = 2**20
MEMORY = {
    "host_peak_rss_bytes": 2000 * MIB,
    "allocator_peak_bytes": 31 * MIB,
    "allocator_reserved_bytes": 64 * MIB,
    "nvml_process_peak_bytes": 612 * MIB,
    "nvml_device_delta_peak_bytes": 640 * MIB,
}
HIDDEN = "NVML lists no process, as in a container that hides them"


def row(framework="torch", device="gpu:Fake", memory=(), **changed):
    """Return a row and its training."""
    labels = {"execution": "eager", "data": "host-fed", "precision": "fp32"}
    made = Row(framework, device, {}, (Trial(Memory(**{**MEMORY, **dict(memory)})),), labels)
    training = TrainingRow(
        {},
        epoch_seconds=1.0,
        images_per_second=1.0,
        accuracy=0.5,
        parity=Parity(0.0),
        context_overhead_bytes=430 * MIB,
        context_overhead_source="nvml_process",
        gpu_energy_joules=123.45,
        gpu_idle_watts=71.6,
        device_busy_share=0.432,
    )
    return made, replace(training, **changed)


def shown(*rows):
    """Return what is written, and the table's cells by framework and heading."""
    reporter = Terminal()
    gpu_table.show(reporter, rows)
    lines = [line for line in reporter.text.splitlines() if line]
    cells = [re.split("  +", line.strip()) for line in lines[3 : 3 + len(rows)]]
    return reporter.text, {line[0]: line for line in cells if len(line) == len(gpu_table.HEADINGS)}


def test_every_figure_stands_in_its_column():
    text, cells = shown(row())
    assert "- GPU memory and energy -" in text
    assert cells == {"torch": ["torch", "430 MiB", "31 MiB", "64 MiB", "612 MiB", "640 MiB", "123.5 J", "72 W", "43%"]}
    assert "missing" not in text
    assert shown(row(gpu_energy_error_joules=1.26))[1]["torch"][6] == "123.5 J ± 1.3"


def test_unknown_is_a_dash_never_0():
    of_training = ("context_overhead_bytes", "gpu_energy_joules", "gpu_idle_watts", "device_busy_share")
    _, cells = shown(row(memory=dict.fromkeys(MEMORY), **dict.fromkeys(of_training)))
    assert cells["torch"] == ["torch"] + ["-"] * 8


def test_a_profiler_that_failed_is_told_of():
    text, _ = shown(row(), row("jax", device_busy_share=None, device_time_missing="RuntimeError: no CUPTI"))
    assert "jax: the time that the device was busy is missing: RuntimeError: no CUPTI." in " ".join(text.split())
    assert "torch: the time" not in text


def test_whose_epochs_take_longer_once_the_card_has_worked_for_seconds_is_told():
    (made, training), (cool, _) = row("jax-scan"), row("jax")
    trial = replace(made.trials[0], seconds=0.04, sustained_seconds=0.05)
    text, _ = shown((replace(made, trials=(trial,)), training), (cool, training))
    told = "jax-scan: trained over and over for seconds, its last epoch took 25% more time than a steady one."
    assert told in " ".join(text.split())
    assert "jax: trained" not in text
    steady = replace(trial, sustained_seconds=0.041)
    assert "over and over" not in shown((replace(made, trials=(steady,)), training))[0]


def test_the_device_s_increase_is_labelled_and_explained():
    other = {"context_overhead_source": "nvml_device_delta", "nvml_process_hidden": HIDDEN}
    text, cells = shown(row(), row("jax", memory={"nvml_process_peak_bytes": None}, **other))
    assert cells["jax"][1] == "430 MiB, device delta"
    assert cells["jax"][4] == "-"
    assert f"jax: NVML's figure for the process is missing: {HIDDEN}." in " ".join(text.split())
    assert "torch: NVML's" not in text


def test_preallocating_is_said():
    _, cells = shown(row(preallocate=True))
    assert list(cells) == ["torch (preallocating)"]


def test_rows_of_the_cpu_are_not_shown_and_without_others_there_is_no_table():
    _, cells = shown(row(), row("numpy", device="cpu"))
    assert list(cells) == ["torch"]
    assert shown(row(device="cpu")) == ("", {})


@pytest.mark.parametrize(
    ("missing", "cell"),
    [
        ((), "31 MiB gpu, live arrays"),
        (("allocator_peak_bytes",), "612 MiB gpu"),
        (("allocator_peak_bytes", "nvml_process_peak_bytes"), "64 MiB gpu, reserved pool"),
        ([name for name in MEMORY if not name.startswith(("host", "nvml_device"))], "640 MiB gpu, device delta"),
        ([name for name in MEMORY if not name.startswith("host")], "2,000 MiB host"),
    ],
)
def test_the_main_table_says_which_source_a_figure_is_from(missing, cell):
    known = dict.fromkeys(missing)
    made, training = row(memory=known)
    assert memory_source(made) in ("", *terminal.SOURCES), "it is the gate's figure"
    assert dict(zip(terminal.HEADINGS, terminal.cells(made, training)))["memory"] == cell
