"""A row says the same after it was saved and read, and what it cannot be read as is said in words."""

import json
from dataclasses import replace

import made_runs
import pytest
from made_up import METRICS, row
from support import ROOT

from pytest_duet.record.metrics import MEMORY, Measured, Metric
from pytest_duet.record.row import Row, memory_source, worst
from pytest_duet.record.saved_run import read_run
from pytest_duet.trials.blocks import Block
from pytest_duet.trials.trial import Disturbance, Memory, Round, Trial

RESULTS = ROOT / "results"
MEMORY_OF_A_GPU = Memory(2**30, 2.0**29, None, None, 3 * 2**30, 2.5 * 2**30, 2**31, 2.0**31)
FULL = Trial(
    MEMORY_OF_A_GPU,
    seconds=1.5,
    first_seconds=4.0,
    import_seconds=2.0,
    build_seconds=0.5,
    rounds=(
        Round(1, 4.0, metrics={"loss": 0.5}, evidence={"losses": [0.5]}),
        Round(
            2,
            1.5,
            cpu_seconds=2.9,
            involuntary_switches=3,
            lag_seconds=0.0,
            memory_peak_bytes=2.0**30,
            memory_average_bytes=2.0**29,
            memory_source="nvml_process",
            gpu_clock_mhz=1980.0,
            gpu_throttle_reasons=("sw_power_cap",),
            gpu_energy_joules=55.5,
            gpu_energy_window_seconds=1.6,
        ),
    ),
    disturbance=Disturbance(0.3, 0.1, ("sw_power_cap",), (4711,), ("others used 0.3 cores",)),
    attempt=2,
    nvml_process_hidden="another namespace",
    gpu_idle_watts=70.0,
    gpu_energy_joules=55.5,
)


def whole():
    """Return a row in which every field is another than by default."""
    values = {"epoch_seconds": [1.5], MEMORY: [2**30], "first_epoch_seconds": [4.0]}
    made = row(
        "torch",
        values,
        values,
        device="gpu:A GPU",
        labels={"data": "host-fed"},
        work="784-10; batch 128",
        conditions={"threads": 2, "workload": {"layers": [784, 10]}},
        workload={"layers": [784, 10]},
        versions={"torch": "2.9"},
        python="3.11.7",
        disturbed_trials=1,
        repeated_attempts=1,
    )
    against = replace(
        made.against, row=replace(made.against.row, trials=(FULL,)), blocks=((Block(1.0, 1.1, 1.2, 1.3),),)
    )
    return replace(made, trials=(FULL,), against=against)


def through_json(made):
    return json.loads(json.dumps({"duet": made.as_json(), "of the suite": 1}, allow_nan=False))


def without_evidence(made):
    """Return the row without what only the check reads, and no file keeps."""
    trials = tuple(
        replace(trial, rounds=tuple(replace(one, evidence=None) for one in trial.rounds)) for trial in made.trials
    )
    against = made.against and replace(made.against, row=without_evidence(made.against.row))
    return replace(made, trials=trials, against=against)


# Written and read


def test_a_row_is_the_same_after_it_was_saved_and_read():
    assert Row.from_json(through_json(whole())) == without_evidence(whole())


def test_what_only_the_check_reads_is_not_saved():
    assert whole().trials[0].rounds[0].evidence
    assert "evidence" not in json.dumps(through_json(whole()))


def test_a_row_that_says_no_more_than_it_must_is_the_same_too():
    least = Row("a", "cpu", {}, ())
    assert Row.from_json(through_json(least)) == least
    assert Row.from_json({"duet": {"schema": 3, "subject": "a", "device": "cpu", "metrics": {}, "trials": []}}) == least


def test_a_metric_that_somebody_adds_needs_no_field_of_its_own():
    rate = Metric("images_per_joule", "images a joule", "1/J", "higher")
    made = Row("a", "cpu", {rate.name: Measured.of(rate, [10.0, None, 12.5])}, ())
    found = Row.from_json(through_json(made))
    assert found == made
    assert found.metrics == {"images_per_joule": Measured("images a joule", "1/J", "higher", (10.0, None, 12.5))}
    assert found.values("images_per_joule") is None and found.typical("images_per_joule") is None
    assert found.values("nobody's") is None and found.typical("nobody's") is None


def test_what_a_later_version_adds_is_passed_over():
    plain = through_json(whole())
    for part in (
        plain["duet"],
        plain["duet"]["metrics"]["epoch_seconds"],
        plain["duet"]["trials"][0],
        plain["duet"]["trials"][0]["memory"],
        plain["duet"]["trials"][0]["rounds"][0],
        plain["duet"]["trials"][0]["disturbance"],
        plain["duet"]["against"],
    ):
        part["of a later version"] = {"deep": [1, 2]}
    assert Row.from_json(plain) == without_evidence(whole())


@pytest.mark.parametrize("extra_info", [{}, {"size": 1}, {"schema": 2}, {"trials": [1]}, {"duet": None}])
def test_what_is_no_row_is_none(extra_info):
    assert Row.from_json(extra_info) is None


# Damaged


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("device",), None, r"Expected `str`, got `null` - at `\$\.device`"),
        (("metrics",), [], r"Expected `object`, got `array` - at `\$\.metrics`"),
        (("metrics", "epoch_seconds", "values", 0), "1", r"got `str` - at `\$\.metrics\[\.\.\.\]\.values\[0\]`"),
        (("metrics", "epoch_seconds", "better"), "faster", r"'faster' - at `\$\.metrics\[\.\.\.\]\.better`"),
        (("trials", 0, "seconds"), "fast", r"got `str` - at `\$\.trials\[0\]\.seconds`"),
        (("trials", 0, "memory", "host_peak_rss_bytes"), [1], r"\$\.trials\[0\]\.memory\.host_peak_rss_bytes"),
        (("trials", 0, "rounds", 1, "number"), 1.5, r"\$\.trials\[0\]\.rounds\[1\]\.number"),
        (("trials", 0, "disturbance", "reasons"), "others", r"\$\.trials\[0\]\.disturbance\.reasons"),
        (("versions", "torch"), 2.9, r"\$\.versions\[\.\.\.\]"),
        (("disturbed_trials",), "one", r"\$\.disturbed_trials"),
        (("against", "ratios", 0), None, r"\$\.against\.ratios\[0\]"),
        (("against", "row", "subject"), 5, r"\$\.against\.row\.subject"),
        (("against", "blocks", 0, 0), [1.0], r"\$\.against\.blocks\[0\]\[0\]"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(path, value, named):
    plain = through_json(whole())
    part = plain["duet"]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValueError, match=named) as error:
        Row.from_json(plain)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize("name", ["subject", "device", "metrics", "trials"])
def test_a_field_that_is_missing_is_named(name):
    plain = through_json(whole())
    del plain["duet"][name]
    with pytest.raises(ValueError, match=f"missing required field `{name}`"):
        Row.from_json(plain)


@pytest.mark.parametrize("name", ["framework", "contract", "device", "accuracy", "workload"])
def test_a_field_that_is_missing_in_an_old_row_is_named(name):
    old = made_runs.row(old=True)
    del old[name]
    with pytest.raises(ValueError, match=f"'{name}'"):
        Row.from_json(old)


@pytest.mark.parametrize("schema", [4, 99, "3", None, 2])
def test_a_schema_that_is_not_known_here_is_refused_in_words(schema):
    plain = through_json(whole())
    plain["duet"]["schema"] = schema
    with pytest.raises(ValueError, match="is not known here"):
        Row.from_json(plain)


# Values


def test_the_values_of_a_metric_are_known_of_all_trials_or_not_at_all():
    found = row("a", {"epoch_seconds": [1.0, 3.0, 2.0]})
    assert found.values("epoch_seconds") == [1.0, 3.0, 2.0] and found.typical("epoch_seconds") == 2.0
    for value in (None, 0.0, -1.0, float("inf"), float("nan")):
        found = row("a", {"epoch_seconds": [1.0, value]})
        assert found.values("epoch_seconds") is None, "it has no logarithm"
    assert row("a", {"epoch_seconds": [0.0, 0.0]}).typical("epoch_seconds") == 0.0, "which may have to stay the same"
    assert row("a", {"epoch_seconds": [1.0, None]}).typical("epoch_seconds") is None


def with_memory(device, *ledgers):
    return Row("a", device, {}, tuple(Trial(Memory(**ledger)) for ledger in ledgers))


def test_the_source_of_the_memory_is_the_first_that_all_trials_of_all_rows_have():
    first = {"allocator_peak_bytes": 5, "nvml_process_peak_bytes": 7, "nvml_device_delta_peak_bytes": 9}
    second = {"nvml_process_peak_bytes": 8, "nvml_device_delta_peak_bytes": 10}
    both, other = with_memory("gpu:A", first, first), with_memory("gpu:A", first, second)
    assert memory_source(both) == "allocator_peak_bytes"
    assert memory_source(both, other) == "nvml_process_peak_bytes"
    assert both.values(MEMORY, "nvml_process_peak_bytes") == [7, 7], "so that like is compared with like"
    assert memory_source(with_memory("gpu:A", {"host_peak_rss_bytes": 1})) == "", "the host's says nothing of a GPU"
    assert memory_source(with_memory("cpu", {"host_peak_rss_bytes": 1})) == "host_peak_rss_bytes"


def test_what_a_shared_device_holds_altogether_is_no_side_s():
    delta = with_memory("gpu:A", {"nvml_device_delta_peak_bytes": 9})
    assert memory_source(delta) == "nvml_device_delta_peak_bytes"
    assert memory_source(delta, delta, shared=True) == ""


def test_the_worst_ledger_has_the_highest_of_each_figure():
    found = worst([Memory(host_peak_rss_bytes=1, allocator_peak_bytes=5), Memory(host_peak_rss_bytes=3)])
    assert found == Memory(host_peak_rss_bytes=3, allocator_peak_bytes=5)


# Files of before


@pytest.mark.parametrize("name", sorted(path.name for path in RESULTS.glob("2026-11-21*.json")))
def test_every_row_of_the_results_that_are_kept_is_read(name):
    run = read_run(RESULTS, name)
    data = json.loads((RESULTS / name).read_text())
    assert not run.damaged and len(run.rows) == len(data["benchmarks"])
    for bench in data["benchmarks"]:
        found, old = run.rows[bench["fullname"]], bench["extra_info"]
        assert (found.subject, found.device, found.schema) == (old["framework"], old["device"], 3)
        assert found.labels == old["contract"] and found.versions == old["versions"]
        assert found.conditions["digest of the data"] == old["dataset"]["digest"]
        assert found.workload == found.conditions["workload"] == old["workload"]
        assert list(found.metrics) == list(METRICS)
        assert found.typical("accuracy") == old["accuracy"]
        assert found.values("epoch_seconds") == [trial["epoch_seconds"] for trial in old["trials"]]
        assert [trial.seconds for trial in found.trials] == found.values("epoch_seconds")
        assert found.values("first_epoch_seconds") == [trial["first_epoch_seconds"] for trial in old["trials"]]
        assert [trial.first_seconds for trial in found.trials] == found.values("first_epoch_seconds")
        peaks = [trial["memory"]["host_peak_rss_bytes"] for trial in old["trials"]]
        assert found.values(MEMORY) == found.values(MEMORY, memory_source(found)) == peaks
        for trial, before in zip(found.trials, old["trials"]):
            assert [one.number for one in trial.rounds] == [epoch["epoch"] for epoch in before["epochs"]]
            assert [one.seconds for one in trial.rounds] == [epoch["seconds"] for epoch in before["epochs"]]
            assert [one.metrics.get("loss") for one in trial.rounds] == [
                epoch.get("loss") for epoch in before["epochs"]
            ]
        assert Row.from_json(json.loads(json.dumps({"duet": found.as_json()}))) == found, "written as one of today"


def test_the_files_that_are_kept_are_of_both_schemas_before():
    found = {
        bench["extra_info"]["schema"]
        for path in RESULTS.glob("2026-11-21*.json")
        for bench in json.loads(path.read_text())["benchmarks"]
    }
    assert found == {1, 2}


def test_the_other_side_of_an_old_row_is_read_with_its_ratios():
    path = RESULTS / "gate" / "t10j5-1.json"
    run = read_run(path.parent, path.name)
    for bench in json.loads(path.read_text())["benchmarks"]:
        old, found = bench["extra_info"]["against"], run.rows[bench["fullname"]].against
        assert (found.name, list(found.ratios)) == (old["name"], old["epoch_ratios"])
        assert found.row.values("epoch_seconds") == [trial["epoch_seconds"] for trial in old["trials"]]
        assert found.row.typical("accuracy") == old["accuracy"]


def test_what_an_old_row_trained_is_told_in_words():
    workload = {"layer_sizes": [784, 32, 10], "batch_size": 64}
    how = {"workload": workload, "dataset": {"name": "synthetic", "digest": "5a"}, "steps_per_epoch": 40}
    assert Row.from_json(made_runs.row(old=True, **how, whole_epochs=False)).work == (
        "784-32-10; batch 64; synthetic; 40 steps"
    )
    assert Row.from_json(made_runs.row(old=True, **how)).work == "784-32-10; batch 64; synthetic"
    assert Row.from_json(made_runs.row(old=True)).work == "batch 128"


@pytest.mark.parametrize(
    ("memory", "source"),
    [
        ({"allocator_peak_bytes": 5, "nvml_process_peak_bytes": 7}, "allocator_peak_bytes"),
        ({"allocator_peak_bytes": None, "nvml_process_peak_bytes": 7}, "nvml_process_peak_bytes"),
        ({"allocator_peak_bytes": 0, "nvml_device_delta_peak_bytes": 9}, "nvml_device_delta_peak_bytes"),
        ({"host_peak_rss_bytes": 9}, ""),
        ({}, ""),
    ],
)
def test_an_old_row_of_a_gpu_has_its_memory_from_where_the_gate_took_it(memory, source):
    old = made_runs.row(old=True, device="gpu:A", trials=[{"epoch_seconds": 1.0, "memory": memory}] * 2)
    found = Row.from_json(old)
    assert found.metrics[MEMORY].source == source == memory_source(found)
    assert found.values(MEMORY) == ([memory[source]] * 2 if source else None)


def test_nothing_that_an_old_row_was_read_from_is_changed():
    for path in (RESULTS / "2026-11-21-cpu-2-cores.json", RESULTS / "gate" / "hog-0-1.json"):
        data = json.loads(path.read_text())
        for bench in data["benchmarks"]:
            Row.from_json(bench["extra_info"])
        assert data == json.loads(path.read_text())
