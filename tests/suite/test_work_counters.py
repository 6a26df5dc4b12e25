"""Real frameworks count their work: equal work equally, and a fusion, an operator or a graph more is seen at once."""

import re

import pytest
from support import ROOT

from pytest_duet.judge.work import changes
from pytest_duet.record.row import Row

WHAT = {
    "jax": r"[+-]\d+ (instructions|fusions) .*bytes accessed",
    "torch": r"\+\d+ operators a step",
    "torch-compile": r"\+\d+ graph",
    "keras": r"\+\d+ graph nodes",
    "tensorflow": r"\+\d+ graph nodes",
}
MORE = f"--framework-path={ROOT}/tests/liars/more_work.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", WHAT)
def test_a_little_more_work_is_named_and_equal_work_counts_equally(suite, name):
    found = []
    for _ in range(2):
        asked = "--layer-sizes=784,64,10", "--epochs=2", "--device=cpu", MORE
        run = suite(*asked, frameworks=f"{name},{name}-more", timeout=600)  # Inductor compiles some minutes
        assert set(run.rows) == {name, f"{name}-more"}, run.output
        read = [Row.from_json(bench["extra_info"]) for bench in run.json["benchmarks"]]
        rows = {row.subject: row for row in read}
        assert all(value == int(value) for value in rows[name].counters.values()), "none of a step's is a fraction"
        assert re.search(WHAT[name], changes(rows[f"{name}-more"], rows[name]))
        found.append({each: row.counters for each, row in rows.items()})
    assert found[0] == found[1] and found[0][name]
