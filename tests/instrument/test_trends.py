"""Benchmarks over time: their order, what breaks them, their levels, and the window that the gate would judge by."""

import numpy as np
import pytest
import report_extra  # noqa: F401
from made_runs import FINGERPRINT, FOLDER, benchmark, row, rows, write
from made_runs import run as made_run

from pytest_duet.judge import by_history
from pytest_duet.judge.verdict import Verdict
from pytest_duet.record.history import History
from pytest_duet.record.margins import Margin
from pytest_duet.record.old_schemas import METRICS
from pytest_duet.record.row import Row
from pytest_duet.report import series as levels
from pytest_duet.report.content import content
from pytest_duet.report.gather import gather
from pytest_duet.report.glyphs import BARS, sparkline
from pytest_duet.report.saved_runs import from_data
from pytest_duet.report.sections import trends

JAX = benchmark("jax")


def series(directory):
    """Return the runs of a history and their series with windows, as a report has them."""
    gathered = gather((), directory)
    found = levels.series(gathered.runs)
    levels.add_windows(found, gathered)
    return gathered.runs, found


def jax(directory):
    """Return the series of the one benchmark of a history."""
    (found,) = series(directory)[1]
    return found


def noisy(count, seed=3, level=1.0):
    """Return seconds of so many runs."""
    return (level * np.exp(np.random.default_rng(seed).normal(0, 0.01, count))).tolist()


def saved(frameworks, number=1):
    """Return a run as the report has it."""
    return from_data(made_run(frameworks, number=number), f"run {number}")


def test_the_newest_run_s_benchmarks_come_first_in_its_order_then_older_ones(tmp_path):
    write(tmp_path, 1, frameworks=("keras", "flax", "jax"))
    write(tmp_path, 2, frameworks=("torch", "jax"))
    _, found = series(tmp_path)
    assert [its.subject for its in found] == ["torch", "jax", "keras", "flax"]
    assert [its.runs for its in found] == [[1], [0, 1], [0], [0]]


def test_runs_stand_by_date_whatever_their_numbers(tmp_path):
    for number, hour in ((1, 9), (2, 7), (3, 8)):
        write(tmp_path, number, hour=hour, seconds=float(hour))
    assert [point.seconds for point in jax(tmp_path).points] == [7.0, 8.0, 9.0]


def test_another_machine_breaks_a_series_and_the_fields_are_named(tmp_path):
    other = {**FINGERPRINT, "cpu": "Another", "gpu": {"name": "A100", "driver": "1"}}
    newer = {**other, "gpu": {"name": "A100", "driver": "2"}}
    for number, fingerprint in enumerate((FINGERPRINT, FINGERPRINT, other, other, newer), start=1):
        write(tmp_path, number, fingerprint=fingerprint)
    (first, second) = jax(tmp_path).breaks
    assert first[0] == 2 and first[1][0] == "cpu: A processor → Another"
    assert len(first[1]) == 2 and first[1][1].startswith("gpu: none → {'name': 'A100'")
    assert second == (4, ["gpu.driver: 1 → 2"])


def test_a_benchmark_that_a_run_lacks_is_compared_with_the_run_before(tmp_path):
    """The machine may have changed in a run that does not have it."""
    other = {**FINGERPRINT, "cpu": "Another"}
    write(tmp_path, 1)
    write(tmp_path, 2, frameworks=("torch",), fingerprint=other)
    write(tmp_path, 3, fingerprint=other)
    _, found = series(tmp_path)
    assert {its.subject: [place for place, _ in its.breaks] for its in found} == {"jax": [2], "torch": []}


def test_an_unknown_machine_and_a_kernel_s_share_of_the_memory_break_nothing(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2, fingerprint={**FINGERPRINT, "memory_bytes": FINGERPRINT["memory_bytes"] - 2**20})
    write(tmp_path, 3, fingerprint=None)
    write(tmp_path, 4)
    assert jax(tmp_path).breaks == []


def test_a_change_of_level_is_found_and_says_how_much(tmp_path):
    for number, seconds in enumerate([*noisy(12), *noisy(12, seed=4, level=1.2)], start=1):
        write(tmp_path, number, seconds=seconds)
    found = jax(tmp_path)
    ((place, ratio),) = found.changes
    assert place == 12 and ratio == pytest.approx(1.2, rel=0.02)
    (line,) = trends.section(content(gather((), tmp_path)).material).shown["trends"]
    assert line["change_ratio"] == ratio and line["change_text"].startswith("2026-01-01")


def test_levels_are_not_looked_for_across_machines(tmp_path):
    """Another machine is slower, which is no change of the code; on each of them a change is found."""
    levels = [1.0] * 8 + [1.3] * 8 + [5.0] * 8 + [6.0] * 8
    for number, (noise, level) in enumerate(zip(noisy(32), levels), start=1):
        machine = {**FINGERPRINT, "cpu": f"Processor {number > 16}"}
        write(tmp_path, number, seconds=noise * level, fingerprint=machine)
    found = jax(tmp_path)
    assert [place for place, _ in found.breaks] == [16]
    assert [place for place, _ in found.changes] == [8, 24]
    assert [ratio for _, ratio in found.changes] == pytest.approx([1.3, 1.2], rel=0.02), "not over the other machine's"


def test_rejected_runs_take_no_part_in_the_levels(tmp_path):
    values = noisy(24)
    names = [write(tmp_path, n, seconds=v * (2 if 9 <= n <= 14 else 1)) for n, v in enumerate(values, start=1)]
    assert [place for place, _ in jax(tmp_path).changes] == [8, 14]
    History(tmp_path).journal.add("reject", names[8:14])
    assert jax(tmp_path).changes == [] and len(jax(tmp_path).points) == 24, "they are shown all the same"


def test_a_rejected_run_does_not_move_a_level_s_height(tmp_path):
    values = [*noisy(12), *noisy(12, seed=4, level=1.2)]
    values[4] *= 50
    names = [write(tmp_path, number, seconds=value) for number, value in enumerate(values, start=1)]
    History(tmp_path).journal.add("reject", [names[4]])
    found = jax(tmp_path)
    ((place, ratio),) = found.changes
    assert place == 12 and ratio == pytest.approx(1.2, rel=0.02)


def judged(directory, seconds, shown, alpha=levels.WINDOW_ALPHA, **changed):
    """Return what the gate says of another run of the shown one's benchmark, whose trials all took so long."""
    back = History(directory).look_back({JAX: Row.from_json(shown)}, FINGERPRINT, levels.WINDOW)
    today, metric = Row.from_json(row(seconds=seconds, **changed)), METRICS["epoch_seconds"]
    return by_history.judge(JAX, today, metric, Margin(0.0), back.window(JAX, metric.name), 8, alpha)  # never clean


def check_band(directory):
    """Hold the band against the gate: at its edges, and nowhere else, the gate's interval touches 1."""
    its = jax(directory)
    assert its.window is not None
    high, low = (judged(directory, its.window[edge], row()) for edge in ("high", "low"))
    assert its.window["size"] == high.runs
    assert high.low == pytest.approx(1, abs=1e-9) and low.high == pytest.approx(1, abs=1e-9)
    return its


@pytest.mark.parametrize("runs", [8, 20, 30])
def test_the_window_is_what_the_gate_would_judge_by(tmp_path, runs):
    for number, seconds in enumerate(noisy(runs), start=1):
        write(tmp_path, number, seconds=seconds)
    its = check_band(tmp_path)
    assert (its.window["first"], its.window["last"]) == (max(0, runs - levels.WINDOW), runs - 1)
    assert judged(tmp_path, its.window["high"] * 1.06, row()).verdict is Verdict.REGRESSED


def test_runs_that_do_not_count_are_not_in_the_window(tmp_path):
    values = noisy(14)
    for number, seconds in enumerate(values, start=1):
        odd = number in (3, 5)
        write(tmp_path, number, seconds=seconds * (3 if odd else 1), failed=int(number == 3))
    History(tmp_path).journal.add("reject", [f"{FOLDER}/0005_made.json"])
    assert check_band(tmp_path).window["size"] == 12


def test_disturbed_runs_are_not_in_the_window_of_times(tmp_path):
    for number, seconds in enumerate(noisy(14), start=1):
        write(tmp_path, number, seconds=seconds * (3 if number == 5 else 1), disturbed_trials=int(number == 5))
    assert check_band(tmp_path).window["size"] == 13


def test_an_acknowledged_change_starts_a_new_window(tmp_path):
    names = [
        write(tmp_path, number, seconds=seconds * (1.5 if number >= 9 else 1))
        for number, seconds in enumerate(noisy(18), start=1)
    ]
    History(tmp_path).journal.add("accept", [names[8]], restarts=[f"{JAX} epoch_seconds"])
    its = check_band(tmp_path)
    assert (its.window["first"], its.window["last"], its.window["size"]) == (8, 17, 10)


def test_another_machine_s_runs_and_other_workloads_are_not_in_the_window(tmp_path):
    for number, seconds in enumerate(noisy(20), start=1):
        machine = {**FINGERPRINT, "cpu": "Another"} if number < 6 else FINGERPRINT
        conditions = {"workload": {"batch_size": 64 if number == 8 else 128, "epochs": 6}}
        write(tmp_path, number, seconds=seconds, fingerprint=machine, conditions=conditions)
    assert check_band(tmp_path).window["size"] == 14


def test_a_single_run_has_no_window_nor_have_files(tmp_path):
    name = write(tmp_path, 1)
    assert jax(tmp_path).window is None
    gathered = gather([tmp_path / name])
    found = levels.series(gathered.runs)
    levels.add_windows(found, gathered)
    assert [its.window for its in found] == [None]


def test_a_benchmark_that_the_shown_run_lacks_has_no_window(tmp_path):
    for number in range(1, 10):
        write(tmp_path, number, frameworks=("jax", "torch"))
    write(tmp_path, 10, frameworks=("jax",))
    assert {its.subject: its.window is None for its in series(tmp_path)[1]} == {"jax": False, "torch": True}


def test_ratios_are_to_the_framework_that_most_runs_have():
    runs = [saved(("jax",), 1), saved({**rows("jax", seconds=1.0), **rows("torch", seconds=3.0)}, 2)]
    assert levels.reference(runs) == "jax"
    assert levels.ratios(runs, "jax") == [[1.0], [1.0, 3.0]]
    assert [(r["run"], r["subject"], r["ratio"]) for r in trends.ratio_rows(runs, "jax")] == [
        (0, "jax", 1.0),
        (1, "jax", 1.0),
        (1, "torch", 3.0),
    ]


def test_one_framework_has_no_ratios():
    assert levels.reference([saved(("jax",))]) is None and levels.reference([]) is None


def test_a_ratio_is_of_one_workload_alone():
    """The same two frameworks with two batch sizes, in one run; torch has a third that jax lacks."""
    name = "t.py::test[{}-batch_size={}]".format
    made = {
        name(framework, batch): row(framework, seconds=seconds)
        for framework, batch, seconds in (
            ("jax", 1, 1),
            ("torch", 1, 2),
            ("jax", 8, 10),
            ("torch", 8, 40),
            ("torch", 9, 5),
        )
    }
    assert levels.ratios([saved(made)], "jax") == [[1.0, 2.0, 1.0, 4.0, None]]


def test_points_are_embedded_column_by_column(tmp_path):
    for number in (1, 2):
        write(tmp_path, number, frameworks=("jax", "torch"), seconds=float(number))
    data = content(gather((), tmp_path)).data
    metrics = data["points"].pop("metrics")
    assert list(data["metrics"]) == ["seconds", *metrics]
    assert set(metrics) == {"accuracy", "peak_memory_bytes", "first_epoch_seconds"}
    assert len({len(column) for column in [*data["points"].values(), *metrics.values()]}) == 1
    assert metrics["first_epoch_seconds"] == [2.0, 2.0, 4.0, 4.0]
    assert data["points"]["seconds"] == [1.0, 1.0, 2.0, 2.0] and data["points"]["run"] == [0, 0, 1, 1]
    assert [data["benchmarks"][at]["subject"] for at in data["points"]["benchmark"]] == ["jax", "torch"] * 2
    assert data["runs"]["fingerprint"] == [0, 0] and data["fingerprints"] == [FINGERPRINT]


@pytest.mark.parametrize(
    ("values", "glyphs"),
    [
        ([], ""),
        ([5.0], BARS[3]),
        ([1.0, 1.0, 1.0], BARS[3] * 3),
        ([1.0, 1.009], BARS[3] * 2),
        ([1.0, 1.02], BARS[0] + BARS[-1]),
        ([1, 2, 3, 4, 5, 6, 7, 8], BARS),
        ([8, 1, 8], "█▁█"),
    ],
)
def test_a_sparkline_reaches_from_the_lowest_to_the_highest(values, glyphs):
    assert sparkline(values) == glyphs
