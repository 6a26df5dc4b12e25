"""``python -m benchmarks history``: what it prints, what it exits with, and what it says to nonsense."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import FOLDER, benchmark, run, write
from support import ROOT

from benchmarks import __main__
from pytest_duet.record import storage as storage_module
from pytest_duet.record.history import History

OTHER = "Linux-CPython-3.12-64bit"
JAX = benchmark("jax")


@pytest.fixture
def history(tmp_path, capsys, monkeypatch):
    """Return a function that runs the command and gives ``(exit code, lines of stdout, lines of stderr)``."""
    monkeypatch.setattr(getpass, "getuser", lambda: "someone")

    def call(action, *arguments):
        try:
            code = __main__.main(["history", action, f"--storage={tmp_path}", *arguments])
        except SystemExit as end:  # argparse's
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return call


def state(directory, name):
    history = History(directory)
    return history.state(history.read(name))[0]


def test_list_says_of_every_run_whether_it_counts_and_why(tmp_path, history):
    names = [write(tmp_path, 1), write(tmp_path, 2, verdicts={"jax": "regressed"}), write(tmp_path, 3, failed=1)]
    names += [write(tmp_path, 4), write(tmp_path, 5, "{"), write(tmp_path, 1, hour=6, folder=OTHER)]
    assert history("accept", names[1], "--why", "a more\n careful  sum")[0] == 0
    assert history("reject", names[3])[0] == 0
    code, lines, errors = history("list")
    assert (code, errors, len(lines)) == (0, [], 8)
    assert lines[0] == str(Path(names[0]).parent) and lines[6] == OTHER
    assert lines[1] == "     1  2026-01-01 01:00  0000000000  accepted  1 clean"
    assert lines[2].startswith("     2  2026-01-01 02:00  0000000000  accepted  1 regressed; by someone 20")
    assert lines[2].endswith(" a more careful sum; starts a new window")
    assert lines[3].endswith("  pending   1 clean; 1 tests failed")
    assert "  rejected  1 clean; by someone 20" in lines[4]
    assert lines[5].startswith(f"     5  {tmp_path / names[4]} is damaged: ")
    assert lines[7].startswith("     1  2026-01-01 06:00")


def test_list_of_nothing_says_so(tmp_path, history):
    assert history("list") == (0, [f"There is no run in {tmp_path} yet."], [])


def test_show_says_what_the_gate_said(tmp_path, history):
    name = write(tmp_path, 1, frameworks=("jax", "torch"), verdicts={"jax": "regressed"})
    code, lines, _ = history("show", "1")
    assert code == 0 and lines == [
        f"{name}: pending, a benchmark regressed",
        f"  {JAX} epoch_seconds: regressed 1 → 1.5, interval 1.400 to 1.600",
        f"  {benchmark('torch')} epoch_seconds: clean 1 → 1.5, interval 1.400 to 1.600",
    ]


def test_show_leaves_out_what_is_not_known(tmp_path, history):
    data = run()
    (one,) = data["gate"]["comparisons"]
    one.update(dict.fromkeys(("old", "new", "low", "high")))
    one.update(verdict="no baseline", note="no verdict yet (0 of 8 runs).")
    write(tmp_path, 1, data)
    _, lines, _ = history("show", "latest")
    assert lines[1:] == [f"  {JAX} epoch_seconds: no baseline (no verdict yet (0 of 8 runs))"]
    del data["gate"]
    write(tmp_path, 2, data)
    _, lines, _ = history("show", "2")
    assert lines[1:] == ["  The gate was not asked about this run."]


def test_runs_of_before_are_listed_shown_and_accepted_as_those_of_today(tmp_path, history):
    for storage, old in ((tmp_path / "old", True), (tmp_path / "today", False)):
        write(storage, 1, old=old)
        write(storage, 2, old=old, frameworks=("jax", "torch"), verdicts={"jax": "regressed", "torch": "improved"})
    said = [
        [history(*line, f"--storage={tmp_path / name}")[:2] for line in (("list",), ("show", "1..2"), ("accept", "2"))]
        for name in ("old", "today")
    ]
    assert said[0] == said[1]
    assert "regressed 1 → 1.5" in said[0][1][1][3]


def test_accept_lets_a_run_count_and_starts_a_new_window(tmp_path, history):
    write(tmp_path, 1)
    name = write(tmp_path, 2, verdicts={"jax": "improved"})
    assert state(tmp_path, name) == "pending"
    assert history("accept", "latest") == (
        0,
        [f"accepted: {name}", f"a new window starts with {name} for {JAX} epoch_seconds"],
        [],
    )
    assert state(tmp_path, name) == "accepted"
    assert History(tmp_path).journal.restarts(name) == [(JAX, "epoch_seconds")]


def test_accept_says_that_tests_failed_in_the_run(tmp_path, history):
    name = write(tmp_path, 1, failed=2)
    _, lines, _ = history("accept", "latest")
    assert lines == [f"accepted: {name}", f"{name}: accepted although 2 of its tests failed; reject revokes it"]


def test_accept_of_runs_of_two_pythons_starts_at_the_oldest(tmp_path, history):
    later = write(tmp_path, 1, hour=9, verdicts={"jax": "regressed"})
    earlier = write(tmp_path, 7, hour=8, folder=OTHER, verdicts={"jax": "regressed"})
    _, lines, _ = history("accept", later, earlier)
    assert lines == [f"accepted: {earlier}, {later}", f"a new window starts with {earlier} for {JAX} epoch_seconds"]


def test_accept_of_a_damaged_run_decides_nothing(tmp_path, history):
    write(tmp_path, 1, failed=1)
    name = write(tmp_path, 2, "[]")
    code, lines, errors = history("accept", "1..2")
    assert (code, lines) == (2, []) and errors == [f"{tmp_path / name} is damaged: it holds no list of benchmarks."]
    assert History(tmp_path).journal.decisions == []


def test_reject_lets_a_run_not_count_even_a_damaged_one(tmp_path, history):
    sound, damaged = write(tmp_path, 1), write(tmp_path, 2, "")
    assert history("reject", "1..2", "--why=noise") == (0, [f"rejected: {sound}, {damaged}"], [])
    assert state(tmp_path, sound) == "rejected"


def test_prune_only_says_what_it_would_delete(tmp_path, history):
    names = [write(tmp_path, number) for number in (1, 2, 3)]
    code, lines, _ = history("prune", "--keep=1")
    assert code == 0
    assert lines == [*(f"would delete {name}" for name in names[:2]), "Nothing was deleted; --yes deletes."]
    assert History(tmp_path).names() == names


def test_prune_keeps_the_newest_of_each_folder(tmp_path, history):
    names = [write(tmp_path, number) for number in (9998, 9999, 10000, 10001)]
    others = [write(tmp_path, number, folder=OTHER) for number in (1, 2)]
    (tmp_path / FOLDER / "0001.json").write_text("somebody's own")
    assert history("prune", "--keep=2", "--yes") == (0, [f"deleted {name}" for name in names[:2]], [])
    assert History(tmp_path).names() == names[2:] + others
    assert (tmp_path / FOLDER / "0001.json").exists()
    assert history("prune", "--keep=2", "--yes") == (0, ["No folder has more than 2 runs."], [])
    assert history("prune") == (0, ["No folder has more than 200 runs."], [])


@pytest.mark.parametrize("keep", ["0", "-1"])
def test_prune_never_deletes_all(tmp_path, history, keep):
    name = write(tmp_path, 1)
    assert history("prune", f"--keep={keep}", "--yes") == (2, [], [f"--keep={keep}: give 1 or more."])
    assert History(tmp_path).names() == [name]


def test_prune_waits_for_a_session_that_is_saving(tmp_path, history, monkeypatch):
    monkeypatch.setattr(storage_module, "LOCK_SECONDS", 0.1)
    names = [write(tmp_path, number) for number in (1, 2)]
    with storage_module.lock(tmp_path / FOLDER):
        code, _, (error,) = history("prune", "--keep=1", "--yes")
    assert code == 2 and "held by another session" in error
    assert History(tmp_path).names() == names


def test_doctor_finds_nothing_in_a_sound_storage(tmp_path, history):
    write(tmp_path, 1)
    write(tmp_path, 2, failed=1)
    write(tmp_path, 3)
    history("reject", "3")
    assert history("doctor") == (0, ["3 runs: 1 accepted, 1 pending, 1 rejected, 0 damaged."], [])


def test_doctor_names_what_is_damaged(tmp_path, history):
    write(tmp_path, 1)
    name = write(tmp_path, 2, json.dumps(run())[:300])
    history("reject", "1")
    journal = tmp_path / "gate" / "decisions.jsonl"
    journal.write_text(journal.read_text() + '{"action')
    code, lines, errors = history("doctor")
    assert (code, errors, len(lines)) == (1, [], 3)
    assert lines[0].startswith(f"{tmp_path / name} is damaged: ")
    assert lines[1:] == [
        f"{journal}, line 2, is no decision: '{{\"action'.",
        "2 runs: 0 accepted, 0 pending, 1 rejected, 1 damaged.",
    ]


def test_doctor_names_a_row_that_cannot_be_used_and_counts_its_run(tmp_path, history):
    data = run(("jax", "torch"))
    del data["benchmarks"][0]["extra_info"]["duet"]["device"]
    name = write(tmp_path, 1, data)
    code, lines, _ = history("doctor")
    assert code == 1
    assert lines[0].startswith(f"{tmp_path / name} is damaged: {JAX}: ") and "`device`" in lines[0]
    assert lines[1:] == ["1 runs: 1 accepted, 0 pending, 0 rejected, 1 damaged."]


def test_doctor_hints_at_what_is_odd_but_no_damage(tmp_path, history):
    gone, foreign = write(tmp_path, 1), write(tmp_path, 2, run({}))
    twin = f"{FOLDER}/0002_twin.json"
    (tmp_path / twin).write_text(json.dumps(run()))
    half = tmp_path / FOLDER / ".0003_made.json.1-ab.tmp"
    half.touch()
    history("accept", gone)
    (tmp_path / gone).unlink()
    code, lines, _ = history("doctor")
    assert code == 0 and lines == [
        f"{half}: left by a session that was killed while saving; delete it.",
        f"{foreign}: there is another run with this number.",
        f"{twin}: there is another run with this number.",
        f"{foreign}: none of its benchmarks has a row of pytest-duet's.",
        f"{gone}: there is a decision about it, and no such run any more.",
        "2 runs: 1 accepted, 1 pending, 0 rejected, 0 damaged.",
    ]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["3"], [3]),
        (["0003"], [3]),
        (["3..5"], [3, 4, 5]),
        (["5", "3..4", "3"], [3, 4, 5]),
        (["0..99999"], [1, 2, 3, 4, 5, 6]),
        (["latest"], [6]),
        ([f"{FOLDER}/0002_made.json"], [2]),
        (["0002_made.json"], [2]),
        (["0002_made"], [2]),
    ],
)
def test_runs_are_found_by_number_range_name_or_latest(tmp_path, history, texts, found):
    names = [write(tmp_path, number) for number in range(1, 7)]
    _, (line,), _ = history("reject", *texts)
    assert line == f"rejected: {', '.join(names[number - 1] for number in found)}"


def test_a_run_is_found_by_the_path_that_a_shell_completes(tmp_path, history, monkeypatch):
    name = write(tmp_path, 1)
    monkeypatch.chdir(tmp_path / FOLDER)
    write(tmp_path, 1, folder=OTHER)
    for path in (tmp_path / name, f"../{name}", "./0001_made.json"):
        assert history("reject", str(path)) == (0, [f"rejected: {name}"], [])


def test_latest_is_the_newest_of_all_pythons_that_can_be_read(tmp_path, history):
    write(tmp_path, 12, hour=1)
    name = write(tmp_path, 3, hour=5, folder=OTHER)
    write(tmp_path, 4, "", folder=OTHER)
    assert history("reject", "latest")[1] == [f"rejected: {name}"]


@pytest.mark.parametrize("text", ["2", "1..3", "0002_made", "0002_made.json"])
def test_what_may_be_two_runs_is_refused_and_both_are_named(tmp_path, history, text):
    write(tmp_path, 1)
    names = [write(tmp_path, 2), write(tmp_path, 2, folder=OTHER)]
    text_of_both = f"{text} may be {names[0]} or {names[1]}; give the name with its folder."
    assert history("accept", text) == (2, [], [text_of_both])
    assert history("accept", names[1])[0] == 0
    assert (tmp_path / "gate" / "decisions.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "2..9",
        "9..1",
        "nonsense",
        "\u00b2",
        pytest.param("9" * 5_000, id="a number of 5000 digits"),
        "..",
        "",
        "*",
        "../../etc/passwd",
    ],
)
@pytest.mark.parametrize("action", ["show", "accept", "reject"])
def test_a_run_that_is_not_there_is_named(tmp_path, history, action, text):
    write(tmp_path, 1)
    error = f"There is no run {text} in {tmp_path}; `history list` names them."
    assert history(action, text) == (2, [], [error])
    assert not (tmp_path / "gate").exists()


def test_there_is_no_latest_of_nothing(history):
    code, lines, errors = history("show", "latest")
    assert (code, lines, len(errors)) == (2, [], 1)


@pytest.mark.parametrize("action", [["list"], ["show", "1"], ["accept", "1"], ["reject", "1"], ["prune"], ["doctor"]])
def test_a_storage_that_is_none_is_named(tmp_path, capsys, action):
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "nowhere", tmp_path / "file"):
        assert __main__.main(["history", *action, f"--storage={wrong}"]) == 2
        out, error = capsys.readouterr()
        assert out == "" and error.count("\n") == 1 and str(wrong) in error
    assert not (tmp_path / "nowhere").exists()


def test_a_storage_may_be_given_as_pytest_benchmark_takes_it(tmp_path, capsys):
    name = write(tmp_path, 1)
    assert __main__.main(["history", "list", f"--storage=file://{tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith(str(Path(name).parent))


def test_what_the_system_refuses_is_told_in_one_line(tmp_path, history):
    write(tmp_path, 1)
    (tmp_path / "gate" / "decisions.jsonl").mkdir(parents=True)
    code, lines, errors = history("list")
    assert (code, lines, len(errors)) == (2, [], 1) and "decisions.jsonl" in errors[0]


def test_a_user_without_a_name_decides_too(tmp_path, history, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    name = write(tmp_path, 1)
    assert history("reject", "1") == (0, [f"rejected: {name}"], [])
    assert "rejected  1 clean; 20" in history("list")[1][1]


@pytest.mark.parametrize("arguments", [[], ["history"], ["history", "show"], ["history", "prune", "--keep=x"], ["no"]])
def test_a_command_line_that_is_none_is_argparse_s_to_refuse(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        __main__.main(arguments)
    assert end.value.code == 2 and "usage: python -m benchmarks" in capsys.readouterr().err


def test_it_runs_as_a_module_and_imports_nothing_slow(tmp_path):
    name = write(tmp_path, 1)
    line = [sys.executable, "-X", "importtime", "-m", "benchmarks", "history", "list", f"--storage={tmp_path}"]
    done = subprocess.run(line, cwd=ROOT, text=True, timeout=60, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(str(Path(name).parent))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pytest_duet.record.history" in imported
    assert imported.isdisjoint({"numpy", "scipy", "pytest", "_pytest", "rich", "torch", "jax", "tensorflow"})


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path):
    write(tmp_path, 1)
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "benchmarks", "history", "list", f"--storage={tmp_path}"]
    done = subprocess.run(line, cwd=ROOT, text=True, timeout=60, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
