"""Reading what others wrote, or somebody cut: a report uses what it can, names what it cannot, and never crashes."""

import json
import warnings
from copy import deepcopy

import pytest
import report_extra  # noqa: F401
from made_runs import FOLDER, benchmark, run, write
from support import ROOT

from benchmarks.report import hooks
from pytest_duet.errors import DuetError
from pytest_duet.plugin import extensions
from pytest_duet.record.history import History
from pytest_duet.report import content as content_module
from pytest_duet.report import page
from pytest_duet.report.content import content
from pytest_duet.report.gather import gather
from pytest_duet.report.outputs import as_markdown

SUITE = extensions.manager(hooks).hook
REAL = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
GATED = ROOT / "results" / "gate" / "hog-0-1.json"
# What another node of the JSON is replaced by: each type, and figures that are none.
OTHERS = (None, "text", [], [None], {}, {"x": None}, -1.5, 0, True, float("nan"), float("inf"))
# A project of somebody else's, as plain pytest-benchmark writes it.
FOREIGN_STATS = {"min": 0.001, "max": 0.004, "mean": 0.002, "stddev": 0.0005, "rounds": 5, "median": 0.0021}
FOREIGN_STATS |= {"iqr": 0.0002, "q1": 0.0019, "q3": 0.0022, "iqr_outliers": 0, "stddev_outliers": 1, "ops": 500.0}
FOREIGN_STATS |= {"outliers": "1;0", "ld15iqr": 0.001, "hd15iqr": 0.004, "total": 0.01, "iterations": 1}


def foreign(**stats):
    """Return the JSON of a run of another project."""
    names = ("tests/test_a.py::test_sort[10]", "tests/test_a.py::test_sort[1000]")
    return {
        "machine_info": {"node": "x", "machine": "arm64", "system": "Darwin", "cpu": {"brand_raw": "Apple M1"}},
        "commit_info": {
            "id": "unknown",
            "time": None,
            "dirty": True,
            "error": "not a repository",
            "branch": "(unknown)",
        },
        "benchmarks": [
            {
                "group": None,
                "name": name.partition("::")[2],
                "fullname": name,
                "params": {"n": 10},
                "param": "10",
                "extra_info": {},
                "options": {"timer": "perf_counter", "warmup": False},
                "stats": {**FOREIGN_STATS, **stats},
            }
            for name in names
        ],
        "datetime": "2026-01-02T03:04:05.678901",
        "version": "3.2.3",
    }


def save(path, data):
    """Write JSON as pytest-benchmark does, NaN included."""
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=4))
    return path


def shown(*files, storage=None):
    """Gather files, write all that a report writes, and return what was gathered and the page."""
    gathered = gather(files, storage)
    found = content(gathered, SUITE)
    as_markdown(gathered, found).encode()
    return gathered, page.render(found)


def nodes(value, path=()):
    """Yield the path of every node of JSON; of a list's items the first and the last, since the others are alike."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from nodes(value[key], (*path, key))
    elif isinstance(value, list):
        for at in sorted({0, len(value) - 1} if value else ()):
            yield from nodes(value[at], (*path, at))


def replaced(data, path, other):
    """Replace a node in place; return what puts the old one back."""
    for key in path[:-1]:
        data = data[key]
    old = data[path[-1]] if isinstance(data, list) else data.get(path[-1])
    data[path[-1]] = other
    return data, path[-1], old


def small(path):
    """Return a real run with one benchmark of two trials: no node of another kind is lost by that."""
    data = json.loads(path.read_text())
    data["machine_info"]["cpu"] = {}
    data["benchmarks"] = data["benchmarks"][:1]
    row = data["benchmarks"][0]["extra_info"]
    row["trials"] = row["trials"][:2]
    row.pop("against", None)
    return data


@pytest.fixture
def no_charts(monkeypatch):
    """Leave the charts out, whose specifications take a tenth of a second and depend on hardly any node."""
    monkeypatch.setattr(content_module, "_charts", lambda *_: {})


@pytest.mark.parametrize("real", [REAL, GATED], ids=lambda path: path.stem)
def test_a_run_cut_at_any_length_is_named_and_the_rest_is_shown(tmp_path, real):
    text = real.read_text()
    whole = save(tmp_path / "whole.json", text)
    for length in [*range(40), *range(40, len(text) - 2, len(text) // 60), len(text.rstrip()) - 1]:
        cut = save(tmp_path / "cut.json", text[:length])
        gathered = gather([cut, whole])
        assert [run.name for run in gathered.runs] == ["whole.json"], length
        ((name, why),) = gathered.remarks
        assert name == "cut.json" and why, length


@pytest.mark.parametrize("real", [REAL, GATED], ids=lambda path: path.stem)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_a_run_with_any_one_node_of_another_kind_is_reported_or_named(tmp_path, real, other, no_charts):
    """Every node in turn, by every second kind, beside a sound run. The slower page is rendered for one in 50."""
    data, sound = small(real), write(tmp_path / "history", 1)
    broken, crashes = tmp_path / "broken.json", []
    which = list(map(repr, OTHERS)).index(repr(other)) % 2  # nan is not even itself
    for number, path in enumerate(list(nodes(data))[1 + which :: 2]):
        holder, key, old = replaced(data, path, other)
        save(broken, json.dumps(data))
        try:
            gathered = gather([broken], tmp_path / "history")
            assert any(
                "broken" in item for item in [*(r.name for r in gathered.runs), *(n for n, _ in gathered.remarks)]
            )
            found = content(gathered, SUITE)
            if number % 50 == 0:
                as_markdown(gathered, found)
                page.render(found)
        except Exception as error:
            crashes.append((".".join(map(str, path)), repr(error)))
        holder[key] = old
    assert sound and crashes == []


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_a_run_of_this_history_with_any_one_node_of_another_kind_is_no_crash(tmp_path, other, no_charts):
    """The newest run of a history, whose window is looked up by what its rows say."""
    for number in (1, 2, 3):
        write(tmp_path, number)
    data, crashes = deepcopy(run(number=4)), []  # the machine is shared by all of them
    for path in list(nodes(data))[1:]:
        holder, key, old = replaced(data, path, other)
        write(tmp_path, 4, json.dumps(data))
        try:
            content(gather((), tmp_path), SUITE)
        except Exception as error:
            crashes.append((".".join(map(str, path)), repr(error)))
        holder[key] = old
    assert crashes == []


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_a_middle_run_of_a_long_history_with_any_figure_of_another_kind_is_no_crash(tmp_path, other, no_charts):
    """Long enough for changes of level to be looked for, one of which is there."""
    for number in range(1, 15):
        write(tmp_path, number, seconds=1.0 if number < 8 else 2.0)
    crashes = []
    trials = ("benchmarks", 0, "extra_info", "duet", "trials")
    for path in (("benchmarks", 0, "stats", "median"), trials, (*trials, 1, "seconds"), ("datetime",)):
        data = deepcopy(run(number=5))
        if path[2:3] == ("stats",):
            data["benchmarks"][0]["extra_info"] = {}
        replaced(data, path, other)
        write(tmp_path, 5, json.dumps(data))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy only warns of the logarithm of nothing
                content(gather((), tmp_path), SUITE)
        except Exception as error:
            crashes.append((".".join(map(str, path)), repr(error)))
    assert crashes == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("machine_info", "fingerprint"), "NEST"),
        (("machine_info", "fingerprint", "gpu"), "HALF"),
        (("machine_info", "fingerprint", "cpu"), "\ud800"),  # half a character, which JSON can hold and UTF-8 cannot
        (("commit_info", "branch"), "\ud800"),
        (("benchmarks", 0, "fullname"), "\ud800"),
        (("benchmarks", 0, "stats", "median"), 10**400),
        (("benchmarks", 0, "extra_info", "steps_per_epoch"), 10**30),
        (("benchmarks", 0, "extra_info", "epoch_seconds"), 10**400),
        (("benchmarks", 0, "extra_info", "trials", 0, "epoch_seconds"), 10**400),
        (("benchmarks", 0, "extra_info", "trials", 0, "epoch_seconds"), 1e308),
        (("benchmarks", 0, "extra_info", "trials", 0, "epoch_seconds"), float("inf")),
        (("benchmarks", 0, "extra_info", "trials", 0, "epochs"), [{"epoch": 1, "seconds": 1, "gpu_clock_mhz": 1,
                                                                   "gpu_throttle_reasons": 4}]),
        (("benchmarks", 0, "extra_info", "duet", "subject"), "\ud800"),
        (("benchmarks", 0, "extra_info", "duet", "repeated_attempts"), 10**30),
        (("benchmarks", 0, "extra_info", "duet", "conditions"), "NEST"),
        (("benchmarks", 0, "extra_info", "duet", "conditions", "threads"), "HALF"),
        (("benchmarks", 0, "extra_info", "duet", "trials", 0, "seconds"), 10**400),
        (("benchmarks", 0, "extra_info", "duet", "trials", 0, "seconds"), 1e308),
        (("benchmarks", 0, "extra_info", "duet", "trials", 0, "seconds"), float("inf")),
        (("benchmarks", 0, "extra_info", "duet", "metrics", "accuracy", "values"), 3 * [1e308]),
        (("benchmarks", 0, "extra_info", "duet", "trials", 0, "rounds"), [{"number": 1, "seconds": 1,
                                                                           "gpu_throttle_reasons": 4}]),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_figures_and_texts_that_are_none_are_no_crash(tmp_path, field, value):
    for number in (1, 2, 3):
        write(tmp_path, number)
    nested = 980 * '{"x": ' + "1" + 980 * "}"  # as text, since writing it would go as deep as reading it
    data = deepcopy(run(number=2, old="duet" not in field))
    replaced(data, field, value)
    data["unused"] = float("nan")  # else it is read by another parser, which lets less pass
    for number in (2, 4):  # beside others, and as the one that is shown
        text = json.dumps(dict(data, datetime=f"2026-01-01T0{number}:00:00"))
        write(tmp_path, number, text.replace('"NEST"', nested).replace('"HALF"', 500 * '{"x": ' + "1" + 500 * "}"))
        _, html = shown(storage=tmp_path)
        html.encode()


def test_a_benchmark_that_is_none_is_left_out_and_counted(tmp_path):
    data = run(("jax", "torch"))
    data["benchmarks"] += [None, [], "x"]
    gathered, html = shown(save(tmp_path / "odd.json", data))
    assert [point.subject for point in gathered.runs[0].points] == ["jax", "torch"]
    assert gathered.remarks == [("odd.json", "3 of its 5 benchmarks hold no time")] and gathered.remarks[0][1] in html


def test_a_run_of_another_project_has_its_medians(tmp_path):
    gathered, html = shown(save(tmp_path / "theirs.json", foreign()))
    (theirs,) = gathered.runs
    assert [(p.subject, p.seconds, p.low, p.high, p.ours) for p in theirs.points] == [
        ("test_sort[10]", 0.0021, 0.0019, 0.0022, False),
        ("test_sort[1000]", 0.0021, 0.0019, 0.0022, False),
    ]
    ((name, why),) = gathered.remarks
    assert name == "theirs.json" and "without trials" in why
    assert "This run has no benchmarks with trials" in html
    assert gathered.rows == {}


def test_nan_and_infinity_as_python_writes_them_are_unknown(tmp_path):
    path = save(tmp_path / "theirs.json", foreign(ops=float("inf"), q1=float("nan"), q3=float("-inf")))
    assert "Infinity" in path.read_text() and "NaN" in path.read_text()
    (theirs,) = shown(path)[0].runs
    assert (theirs.points[0].seconds, theirs.points[0].low, theirs.points[0].high) == (0.0021, None, None)
    path = save(tmp_path / "none.json", foreign(median=float("nan")))
    with pytest.raises(DuetError, match=r"none\.json: it holds no benchmark with a time"):
        gather([path])


def test_ours_and_theirs_stand_beside_each_other_and_ours_is_shown(tmp_path):
    ours = save(tmp_path / "ours.json", run(number=1))
    theirs = save(tmp_path / "theirs.json", foreign())  # a day later
    gathered, _ = shown(ours, theirs)
    assert [run.name for run in gathered.runs] == ["ours.json", "theirs.json"]
    assert gathered.shown.name == "ours.json"


def test_runs_without_dates_come_first_in_the_order_in_which_they_were_given(tmp_path):
    paths = [save(tmp_path / f"{name}.json", {**run(number=number)}) for number, name in enumerate("abc", start=1)]
    for path in paths[:2]:
        data = json.loads(path.read_text())
        del data["datetime"]
        save(path, data)
    gathered = gather([paths[2], paths[1], paths[0]])
    assert [run.name for run in gathered.runs] == ["b.json", "a.json", "c.json"]
    assert gathered.shown.name == "c.json" and not content(gathered).material.dated
    gathered, html = shown(paths[1])
    assert gathered.shown.when == "" and "unknown" in html


@pytest.mark.parametrize(
    "text", ["", " ", "[]", "null", "3", '"x"', "[{}]", "{}", '{"benchmarks": {}}', "\ufeff{}", "[" * 10**5]
)
def test_what_is_no_run_is_named(tmp_path, text):  # fmt: skip
    bad, good = save(tmp_path / "bad.json", text), save(tmp_path / "good.json", run())
    gathered = gather([bad, good])
    assert [run.name for run in gathered.runs] == ["good.json"]
    assert [name for name, _ in gathered.remarks] == ["bad.json"]
    assert all(why and "\n" not in why for _, why in gathered.remarks)


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00{" * 9)
    assert [name for name, _ in gather([tmp_path / "bad.json", save(tmp_path / "a.json", run())]).remarks] == [
        "bad.json"
    ]


def test_what_a_history_holds_that_cannot_be_used_is_named(tmp_path):
    write(tmp_path, 1)
    empty = write(tmp_path, 2, "")
    (tmp_path / FOLDER / "0003_folder.json").mkdir()
    (tmp_path / FOLDER / "0004_link.json").symlink_to(tmp_path / "nowhere")
    listed = write(tmp_path, 5, "[]")
    decisions = tmp_path / "gate" / "decisions.jsonl"
    decisions.parent.mkdir()
    decisions.write_text('{"action')
    gathered, html = shown(storage=tmp_path)
    assert [run.name for run in gathered.runs] == [f"{FOLDER}/0001_made.json"]
    named = [name for name, _ in gathered.remarks]
    odd = [f"{FOLDER}/0003_folder.json", f"{FOLDER}/0004_link.json"]
    assert named == [empty, *odd, listed, "gate/decisions.jsonl"]
    assert all(name in html for name in named)


def test_a_file_that_is_named_and_part_of_the_history_appears_once(tmp_path, monkeypatch):
    names = [write(tmp_path, number) for number in (1, 2, 3)]
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link.json"
    link.symlink_to(names[0])
    for named in (tmp_path / names[0], link, type(tmp_path)(names[0])):
        gathered = gather([named, named], tmp_path)
        assert [run.name for run in gathered.runs] == names
        assert gathered.shown.name == names[0], "what was named is shown"
        assert gathered.shown.state == "accepted", "it is the history's, however it was named"


def test_the_newest_of_the_named_files_is_shown_and_of_a_history_the_newest(tmp_path):
    history = tmp_path / "history"
    write(history, 9)
    files = [save(tmp_path / f"{hour}.json", run(number=hour)) for hour in (3, 5, 4)]
    assert gather(files, history).shown.name == "5.json"
    assert gather((), history).shown.name == f"{FOLDER}/0009_made.json"
    today = gather((), history, today=run(number=1))
    assert today.shown.name == "this session" and len(today.runs) == 2


def test_a_run_that_was_saved_already_is_not_there_twice_when_it_is_today_s(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2)
    gathered = gather((), tmp_path, today=run(number=2))
    assert [run.name for run in gathered.runs] == [f"{FOLDER}/0001_made.json", f"{FOLDER}/0002_made.json"]


def test_a_history_with_decisions_shows_the_states(tmp_path):
    names = [write(tmp_path, 1), write(tmp_path, 2, failed=1), write(tmp_path, 3), write(tmp_path, 4, failed=2)]
    journal = History(tmp_path).journal
    journal.add("accept", [names[1]], who="someone", why="a flaky disk")
    journal.add("reject", [names[2]])
    gathered, html = shown(storage=tmp_path)
    assert [run.state for run in gathered.runs] == ["accepted", "accepted", "rejected", "pending"]
    assert "a flaky disk" in gathered.runs[1].why
    assert "pending: 2 tests failed" in html


def test_outside_of_a_history_a_run_has_no_state(tmp_path):
    assert gather([save(tmp_path / "a.json", run(failed=1))]).runs[0].state == ""


def test_nothing_to_show_is_one_paragraph(tmp_path):
    with pytest.raises(DuetError) as none:
        gather((), tmp_path)
    assert str(none.value) == f"There is no run in {tmp_path} yet. `pytest --benchmark-autosave` saves one."
    with pytest.raises(DuetError) as damaged:
        gather([save(tmp_path / "bad.json", "{"), save(tmp_path / "empty.json", run({}))])
    assert "bad.json" in str(damaged.value) and "empty.json" in str(damaged.value)
    assert "\n\n" not in str(damaged.value)


def test_a_run_without_a_time_is_left_out_and_a_later_one_shown(tmp_path):
    without = run(number=9)
    without["benchmarks"][0].update(stats={}, extra_info={})
    gathered = gather([save(tmp_path / "a.json", without), save(tmp_path / "b.json", run(number=1))])
    assert gathered.shown.name == "b.json"
    assert gathered.remarks == [("a.json", "it holds no benchmark with a time")]


def test_a_row_of_schema_1_has_what_it_had(tmp_path):
    """The first runs of this suite are in the repository; their fields have other values and fewer names."""
    gathered, html = shown(REAL)
    assert {point.subject for point in gathered.shown.points} == {"jax", "torch", "keras"}
    assert gathered.remarks == [] and "undefined" not in html.partition("<script")[0]


def test_equal_fingerprints_are_kept_once(tmp_path):
    """Else 10,000 runs would hold 10,000 of them."""
    for number in (1, 2, 3):
        write(tmp_path, number, fingerprint={"cpu": "A processor"} if number < 3 else {"cpu": "Another"})
    first, second, third = (run.fingerprint for run in gather((), tmp_path).runs)
    assert first is second and third == {"cpu": "Another"}


def test_only_the_shown_run_s_data_are_kept(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path, number)
    for what in ("data", "rows", "gate"):
        assert [bool(getattr(run, what)) for run in gather((), tmp_path).runs] == [False, False, True], what


def test_a_damaged_row_costs_its_own_benchmark_and_is_named(tmp_path):
    data = run(("jax", "torch"))
    data["benchmarks"][1]["extra_info"]["duet"]["trials"][2]["seconds"] = "fast"
    gathered, html = shown(save(tmp_path / "a.json", data))
    assert [point.subject for point in gathered.runs[0].points] == ["jax"]
    assert list(gathered.shown.rows) == [benchmark("jax")]
    ((name, why),) = gathered.remarks
    assert name == "a.json" and why.startswith(f"{benchmark('torch')} is damaged: ") and "trials[2].seconds" in why
    assert "trials[2].seconds" in html


@pytest.mark.parametrize("part", ["gate", "shard", "merged"])
def test_a_run_is_shown_for_its_rows_where_another_part_of_it_is_damaged(tmp_path, part):
    """History, which judges, takes it for damaged as a whole."""
    write(tmp_path, 1)
    data = run(number=2)
    data[part] = {**data["gate"], "failed_tests": "many", "run": 3, "missing": 4}
    name = write(tmp_path, 2, data)
    gathered, html = shown(storage=tmp_path)
    assert gathered.shown.name == name and [point.subject for point in gathered.shown.points] == ["jax"]
    ((named, why),) = gathered.remarks
    assert named == name and why.startswith(f"damaged: {part}: Expected ")
    assert gathered.shown.state == "pending" and f"it cannot be judged: {part}: " in gathered.shown.why
    assert "how the run ended is damaged: this report compares, and judges nothing." in html
    with pytest.raises(DuetError, match=f"is damaged: {part}: "):
        History(tmp_path).read(name)
    assert [run.name for run in History(tmp_path).newest_first()] == [f"{FOLDER}/0001_made.json"]


def test_a_verdict_of_a_version_to_come_is_damage_of_the_gate_s_part(tmp_path):
    data = run()
    data["gate"]["comparisons"][0]["verdict"] = "something new"
    gathered, html = shown(save(tmp_path / "a.json", data))
    assert len(gathered.shown.points) == 1 and "something new" in gathered.remarks[0][1]
    assert "judges nothing" in html
