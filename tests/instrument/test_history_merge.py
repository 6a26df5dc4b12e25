"""``python -m benchmarks history merge``: what becomes a run, what is missing by name, and what is left alone."""

import json
import subprocess
import sys
from copy import deepcopy

import pytest
from made_runs import FINGERPRINT, FOLDER, benchmark, rows, run, typed, write
from made_up import METRICS
from support import ROOT

from benchmarks import __main__
from pytest_duet.errors import DuetError
from pytest_duet.record.history import History
from pytest_duet.record.saved_run import Run
from pytest_duet.record.shard import read_shard
from pytest_duet.report.gather import gather

FRAMEWORKS = ("equinox", "flax", "jax", "keras", "torch")
PLANNED = [benchmark(name) for name in FRAMEWORKS]


def shard(number, of=2, run_id="nightly-7", planned=PLANNED, ended=None, node=None, hour=None, **how):
    """Return a shard's JSON.

    :param ended: the frameworks that have a row; all of the shard's by default.
    """
    own = planned[number - 1 :: of]
    ended = own if ended is None else [benchmark(name) for name in ended]
    data = run([name.partition("[")[2].rstrip("]") for name in ended], number=hour or number, **how)
    data["commit_info"] = {"id": "c" * 40}
    data["shard"] = {
        "run": run_id,
        "number": number,
        "of": of,
        "node": node or f"node-{number}",
        "planned": planned,
        "benchmarks": own,
        "outcomes": dict.fromkeys(ended, "measured"),
    }
    return data


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "storage"


@pytest.fixture
def save(storage):
    """Write a shard as its session would, and return the file's path."""

    def to(data, name=""):
        own = data["shard"]
        path = storage / "shards" / own["run"] / FOLDER / f"{own['number']:04}_made{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return to


@pytest.fixture
def merge(storage, capsys):
    """Return a function that runs the command and gives ``(exit code, lines of stdout, lines of stderr)``."""

    def call(*arguments):
        code = __main__.main(["history", "merge", f"--storage={storage}", *map(str, arguments)])
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err.splitlines()

    return call


@pytest.fixture
def merged(storage):
    """Return a function that gives the runs in the storage, as JSON, in the order of their numbers."""
    return lambda: [History(storage).read(name).data for name in History(storage).names()]


def names(data):
    return [bench["fullname"] for bench in data["benchmarks"]]


def test_two_shards_make_the_whole_run(save, merge, merged, storage):
    save(shard(1, hour=5))
    save(shard(2, hour=4))
    first = f"nightly-7: merged to {FOLDER}/0001_nightly-7.json: 5 benchmarks of 2 of 2 shards, from node-1, node-2"
    assert merge() == (0, [first], [])
    (data,) = merged()
    assert names(data) == PLANNED
    assert data["datetime"] == shard(2, hour=4)["datetime"], "the earliest"
    assert "shard" not in data and data["merged"] == {
        "run": "nightly-7",
        "of": 2,
        "shards": ["0002_made.json", "0001_made.json"],
        "missing": [],
        "nodes": ["node-1", "node-2"],
    }
    assert sorted(one["benchmark"] for one in data["gate"]["comparisons"]) == PLANNED
    assert History(storage).state(History(storage).read(History(storage).names()[0])) == ("accepted", "")


def test_merging_twice_changes_nothing(save, merge, merged):
    save(shard(1))
    save(shard(2, ended=("flax",)))
    assert merge()[0] == 1
    before = merged()
    code, lines, _ = merge()
    assert (code, len(before)) == (1, 1), "what is missing is missing still"
    assert lines[0].startswith(f"nightly-7: is there already, {FOLDER}/0001_nightly-7.json: 4 benchmarks")
    assert merged() == before


def test_the_rows_of_a_shard_that_died_are_named_and_the_others_are_there(save, merge, merged, storage):
    save(shard(1, of=3))
    save(shard(3, of=3))
    code, lines, _ = merge()
    lost = PLANNED[1::3]
    assert (code, len(lost)) == (1, 2)
    assert lines[1:] == [f"  missing: {name}, of shard 2/3" for name in lost]
    (data,) = merged()
    assert names(data) == [name for name in PLANNED if name not in lost]
    assert data["merged"]["missing"] == lost
    assert data["gate"]["interrupted"] and data["gate"]["findings"] == [
        f"Missing: {name}; shard 2/3 did not measure it." for name in lost
    ]
    history = History(storage)
    assert history.state(history.read(history.names()[0])) == ("pending", "2 of its benchmarks are missing")


def test_what_an_interrupted_shard_did_not_reach_is_named(save, merge):
    save(shard(1, ended=("equinox",), interrupted=True))
    save(shard(2))
    code, lines, _ = merge()
    assert code == 1
    assert lines[1:] == [f"  missing: {benchmark(name)}, of shard 1/2" for name in ("jax", "torch")]


def test_what_failed_or_was_skipped_is_not_missing(save, merge, merged, storage):
    data = shard(1, ended=("equinox",), failed=1)
    data["shard"]["outcomes"] |= {benchmark("jax"): "skipped: no jax here", benchmark("torch"): "failed: parity"}
    save(data)
    save(shard(2, failed=2))
    assert merge()[0] == 0
    (data,) = merged()
    assert (data["merged"]["missing"], data["gate"]["failed_tests"]) == ([], 3)
    history = History(storage)
    assert history.state(history.read(history.names()[0])) == ("pending", "3 tests failed")


def test_a_shard_with_nothing_to_do_is_not_one_that_died(save, merge):
    save(shard(1, of=2, planned=PLANNED[:1]))
    assert merge()[0] == 0, "the second had nothing to do, and nobody misses it"
    save(shard(1, of=2, planned=PLANNED[:1], run_id="other", ended=()))
    save(shard(2, of=2, planned=PLANNED[:1], run_id="other"))
    code, lines, _ = merge("--run-id=other")
    assert (code, lines[1]) == (1, f"  missing: {PLANNED[0]}, of shard 1/2")


def test_a_late_shard_makes_a_more_complete_run_and_then_it_is_complete(save, merge, merged, storage):
    save(shard(1))
    merge()
    save(shard(2))
    code, lines, _ = merge()
    assert code == 0 and lines[0].startswith(f"nightly-7: merged to {FOLDER}/0002_nightly-7.json: 5 benchmarks")
    assert lines[1:] == [f"  {FOLDER}/0001_nightly-7.json has less of this run; reject it if somebody accepted it."]
    history = History(storage)
    assert [history.state(history.read(name))[0] for name in history.names()] == ["pending", "accepted"]
    save(shard(2, hour=9), "-again")
    code, lines, _ = merge()
    assert code == 0 and len(merged()) == 2, "or it would count twice"
    assert lines[0].startswith(f"nightly-7: is there already, {FOLDER}/0002_nightly-7.json")
    assert (
        "  0002_made-again.json came when the run was complete, and is left out; a new run has a new run id." in lines
    )


def test_of_a_shard_that_was_started_again_the_newer_rows_count(save, merge, merged):
    old = shard(1, hour=1, ended=("equinox", "jax"), verdicts={"equinox": "regressed"}, failed=5)
    save(old, "-old")
    unreached = {"jax": "void"}
    save(shard(1, hour=2, ended=("equinox",), accuracy=0.5, interrupted=True, verdicts=unreached), "-new")
    save(shard(2, hour=3))
    code, lines, _ = merge()
    assert code == 1 and f"  missing: {benchmark('torch')}, of shard 1/2" in lines
    assert (
        f"  {benchmark('equinox')} is in 0001_made-old.json and, later, in 0001_made-new.json: that one counts."
        in lines
    )
    (data,) = merged()
    by_name = {name: row.typical("accuracy") for name, row in Run.from_json("", data).rows.items()}
    assert by_name[benchmark("equinox")] == 0.5
    assert by_name[benchmark("jax")] == 0.88, "which only the first attempt measured"
    said = {one["benchmark"]: one["verdict"] for one in data["gate"]["comparisons"]}
    assert (said[benchmark("equinox")], said[benchmark("jax")]) == ("clean", "clean"), "what is said of the rows there"


def test_an_attempt_that_nothing_is_left_of_does_not_hold_the_run(save, merge, merged):
    save(shard(1, hour=1, ended=(), failed=3, interrupted=True), "-old")
    save(shard(1, hour=2), "-new")
    save(shard(2))
    assert merge()[0] == 0
    (data,) = merged()
    assert (data["gate"]["failed_tests"], data["gate"]["interrupted"]) == (0, False)
    assert "0001_made-old.json" not in data["merged"]["shards"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data["machine_info"]["fingerprint"].update(cpu="Another"), "another machine (cpu)"),
        (
            lambda data: data["machine_info"]["fingerprint"].update(memory_bytes=2**33 * 2),
            "another machine (memory_bytes)",
        ),
        (lambda data: data["commit_info"].update(id="d" * 40), "another commit"),
        (lambda data: data["gate"].update(mode=None), "judged otherwise"),
    ],
)
def test_hosts_that_are_unlike_make_a_run_each(save, merge, merged, change, text):
    save(shard(1))
    other = shard(2)
    other["machine_info"] = deepcopy(other["machine_info"])
    change(other)
    save(other)
    code, lines, _ = merge()
    assert code == 1, "neither is whole"
    assert [line.split(": ")[2] for line in lines if line.startswith("nightly-7")] == [
        "3 benchmarks of 1 of 2 shards, from node-1",
        "2 benchmarks of 1 of 2 shards, from node-2",
    ]
    assert f"  node-2 is not like node-1: {text}; so each kind of host has a run of its own." in lines
    assert [names(data) for data in merged()] == [PLANNED[::2], PLANNED[1::2]]
    assert [data["merged"]["missing"] for data in merged()] == [PLANNED[1::2], PLANNED[::2]]
    assert all(data["gate"]["interrupted"] for data in merged()), "so neither is accepted"
    assert merge()[0] == 1 and len(merged()) == 2


def test_a_later_attempt_that_was_ended_at_once_takes_nothing_away(save, merge, merged):
    save(shard(1))
    save(shard(2, hour=1), "-whole")
    save(shard(2, hour=2, ended=(), interrupted=True), "-again")
    assert merge()[0] == 0
    (data,) = merged()
    assert not data["gate"]["interrupted"] and names(data) == PLANNED


def test_a_run_id_is_of_one_run(save, merge):
    save(shard(1))
    save(shard(3, of=3), "-other")
    save(shard(1, of=1, run_id="run-2"))
    code, lines, _ = merge()
    assert code == 1 and lines[0].startswith("nightly-7: there are shards of 2 and of 3 with this run id.")
    assert lines[1].startswith("run-2: merged to "), "the rest is merged"


def test_a_run_id_that_is_not_there_is_told_from_those_that_are(save, merge):
    save(shard(1))
    code, _, errors = merge("--run-id=other")
    assert code == 2 and errors[0].endswith("Run ids there: nightly-7.")


@pytest.mark.parametrize("old", [(1,), (2,), (1, 2)], ids=str)
def test_shards_of_before_make_a_run_of_today(save, merge, merged, old):
    """Also with one of today: a host may have been updated meanwhile."""
    for number in (1, 2):
        save(shard(number, old=number in old, failed=1))
    assert merge()[0] == 0
    (data,) = merged()
    found = Run.from_json("", data)
    assert sorted(found.rows) == PLANNED and not found.damaged
    assert sorted(one.benchmark for one in found.comparisons) == PLANNED
    assert (data["gate"]["schema"], set(data["gate"]["metrics"])) == (2, set(METRICS))
    assert found.why_pending == "2 tests failed"


def test_a_damaged_row_of_a_shard_costs_its_own_benchmark(save, merge, merged):
    save(shard(1))
    damaged = shard(2)
    del damaged["benchmarks"][0]["extra_info"]["duet"]["device"]
    save(damaged)
    merge()
    found = Run.from_json("", merged()[0])
    assert sorted(found.rows) == [name for name in PLANNED if name != benchmark("flax")]
    assert list(found.damaged) == [benchmark("flax")]


def test_a_kernel_update_makes_no_other_machine(save, merge, merged):
    save(shard(1))
    save(shard(2, fingerprint=dict(FINGERPRINT, memory_bytes=FINGERPRINT["memory_bytes"] - 2**20)))
    assert merge()[0] == 0 and len(merged()) == 1


def test_hosts_that_planned_otherwise_leave_nothing_unsaid(save, merge):
    """As where one host has other cores than the rest, so that its benchmarks have other names."""
    save(shard(1))
    save(shard(2, planned=[f"{name}-threads=4" for name in PLANNED], ended=()))
    code, lines, _ = merge()
    assert code == 1
    assert f"  missing: {benchmark('flax')}, of shard 2/2" in lines
    assert f"  missing: {benchmark('jax')}-threads=4, of shard 1/2" in lines


def test_a_half_cut_shard_is_named_and_the_rest_is_merged(save, merge, merged):
    save(shard(1))
    half = save(shard(2))
    half.write_text(half.read_text()[:-100])
    code, lines, _ = merge()
    assert code == 1
    assert lines[0].startswith(f"{half} is damaged: ")
    assert [line for line in lines if "missing" in line] == [
        f"  missing: {benchmark(name)}, of shard 2/2" for name in ("flax", "keras")
    ]
    assert names(merged()[0]) == PLANNED[::2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "../../else"},
        {"number": 3},
        {"number": 0},
        {"of": 0},
        {"outcomes": None},
        {"planned": "all"},
        {"run": ""},
        {"number": "1"},
        {"node": 5},
    ],
)
def test_a_shard_that_makes_no_sense_is_damaged(save, merge, merged, storage, wrong):
    save(shard(1))
    path = save(shard(2))
    data = json.loads(path.read_text())
    data["shard"] |= wrong
    path.write_text(json.dumps(data))
    code, lines, _ = merge()
    assert code == 1 and lines[0].startswith(f"{path} is damaged: ")
    assert len(merged()) == 1
    assert [path.name for path in storage.parent.iterdir()] == ["storage"], "nothing was written elsewhere"


def test_two_merges_at_once_make_one_run(save, merged, storage):
    for number in range(1, 5):
        save(shard(number, of=4))
    line = [sys.executable, "-m", "benchmarks", "history", "merge", "--storage", str(storage)]
    both = [subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].split(":")[1].split()[0] for process in both)
    assert ([process.returncode for process in both], said) == ([0, 0], ["is", "merged"])
    assert len(merged()) == 1


def test_whole_runs_are_copied_under_the_next_number_once(merge, tmp_path, storage):
    elsewhere = tmp_path / "elsewhere"
    write(storage, 6)
    for number, hour in ((1, 9), (2, 8)):
        write(elsewhere, number, hour=hour)
    code, lines, _ = merge(elsewhere)
    assert (code, lines) == (
        0,
        [f"0002_made.json: copied to {FOLDER}/0007_made.json", f"0001_made.json: copied to {FOLDER}/0008_made.json"],
    )
    original = (elsewhere / FOLDER / "0001_made.json").read_bytes()
    assert (storage / FOLDER / "0008_made.json").read_bytes() == original
    code, lines, _ = merge(elsewhere, storage)
    assert code == 0 and all(": is there already, " in line for line in lines) and len(lines) == 3
    assert len(History(storage).names()) == 3


def test_shards_that_were_collected_in_files_belong_to_the_python_they_name(merge, merged, storage, tmp_path):
    for number in (1, 2):
        data = shard(number)
        data["machine_info"] |= {
            "system": "Linux",
            "python_implementation": "CPython",
            "python_version": "3.12.4",
            "machine": "x86_64",
        }
        (tmp_path / f"run-{number}.json").write_text(json.dumps(data))
    assert merge(tmp_path / "run-1.json", tmp_path / "run-2.json", tmp_path / "run-1.json")[0] == 0
    assert History(storage).names() == ["Linux-CPython-3.12-64bit/0001_nightly-7.json"]
    (tmp_path / "nowhere.json").write_text(json.dumps(shard(1)))
    code, lines, _ = merge(tmp_path / "nowhere.json")
    assert (code, lines) == (1, [f"{tmp_path}/nowhere.json is damaged: it does not say which Python it ran under."])


def test_only_the_run_that_was_asked_for_is_merged(save, merge, merged):
    save(shard(1, of=1))
    broken = save(shard(1, of=1, run_id="broken"))
    broken.write_text("{")
    assert merge("--run-id=nightly-7")[0] == 0, "what is wrong with other runs is their business"
    assert [data["merged"]["run"] for data in merged()] == ["nightly-7"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "/shards: there is no such file or folder"),
        (("no-such-folder",), "no-such-folder: there is no such file or folder"),
        (("--run-id=gone",), "/shards/gone: there is no such file or folder"),
        (("--run-id=../x",), "--run-id=../x: give a letter or a digit"),
    ],
)
def test_nonsense_is_refused(merge, arguments, text):
    code, lines, (error,) = merge(*arguments)
    assert (code, lines) == (2, []) and text in error


def test_a_folder_without_a_run_is_nonsense(merge, tmp_path):
    (tmp_path / "empty").mkdir()
    assert merge(tmp_path / "empty") == (2, [], [f"There is no saved run in {tmp_path / 'empty'}."])


def test_a_shard_that_stands_among_the_runs_counts_for_nothing(storage):
    """Where somebody copied it there: it would be in the window once by itself, and once as part of its run."""
    name = write(storage, 1, shard(1))
    whole = write(storage, 2)
    history = History(storage)
    assert history.state(history.read(name)) == ("pending", "it is a shard of a run; `history merge` makes the run")
    back = history.look_back(typed(rows("jax")), FINGERPRINT, 20)
    assert back.runs == {benchmark("jax"): [whole]}


def test_a_report_shows_the_run_and_not_its_shards_beside_it(save, merge, storage):
    save(shard(1))
    merge()
    stray = write(storage, 2, shard(1))
    gathered = gather(storage=storage)
    assert [run.name for run in gathered.runs] == [f"{FOLDER}/0001_nightly-7.json"]
    assert dict(gathered.remarks) == {
        f"{FOLDER}/0001_nightly-7.json": f"no host measured {PLANNED[1]}, {PLANNED[3]}",
        stray: "left out: it is shard 1/2 of nightly-7; `history merge` makes the run",
    }
    assert gather([storage / stray]).shown.points, "one that is named is shown"


def test_show_names_what_is_missing(save, merge, storage, capsys):
    save(shard(1))
    merge()
    assert __main__.main(["history", "show", "latest", f"--storage={storage}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{FOLDER}/0001_nightly-7.json: pending, 2 of its benchmarks are missing",
        f"  {PLANNED[1]}: missing",
    ]


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", "", "1 / 2"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(DuetError, match=f"--shard={text}: give K/N"):
        read_shard(text, "nightly-7")


@pytest.mark.parametrize("run_id", ["", "a/b", "..", ".hidden", "x" * 101, "two words", "-rf"])
def test_a_run_id_that_cannot_name_a_folder_is_refused(run_id):
    with pytest.raises(DuetError, match="--run-id="):
        read_shard("1/2", run_id)


def test_a_shard_and_its_run_go_together():
    assert read_shard(None, None) is None
    with pytest.raises(DuetError, match="--shard: give --run-id, too"):
        read_shard("1/2", None)
    with pytest.raises(DuetError, match="--run-id: give --shard, too"):
        read_shard(None, "nightly-7")
