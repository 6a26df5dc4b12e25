"""The examples, as their readers use them: somebody's repository, whose tests take turns with its last commit."""

import re
import shutil

import pytest
import sessions
from sessions import git
from support import ROOT
from test_items_against import TURNS

EXAMPLES = {
    "pure-python": ("src/wordcount/__init__.py", {"wordcount": "src/wordcount/__init__.py"}),
    "training-step": ("step.py", {"step": "step.py"}),
}
NAMES = {
    "pure-python": {
        "test_count[short]",
        "test_count[long]",
        "test_longest[short]",
        "test_longest[long]",
        "test_count_of_fresh_text",
    },
    "training-step": {"test_step"},  # of its two tests: each takes JAX's start six times
}


@pytest.mark.parametrize("name", ["pure-python", pytest.param("training-step", marks=pytest.mark.slow)])
def test_it_takes_turns_with_its_last_commit(tmp_path, name):
    if name == "training-step":
        pytest.importorskip("jax")
    changed, code = EXAMPLES[name]
    folder = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "then")
    (folder / changed).write_text((folder / changed).read_text() + "\nNEW = True\n")
    chosen = ("test_step.py::test_step",) if name == "training-step" else ()
    done = sessions.run(folder, {}, "--against=git:HEAD", *TURNS, *chosen, code=None)
    assert " failed" not in done.stdout, done.stdout
    records = sessions.records(folder)
    assert set(records) == NAMES[name]
    for record in records.values():
        row = record["extra_info"]["duet"]
        assert row["code"] == code
        assert row["against"]["row"]["code"] == {module: f"git:HEAD:{file}" for module, file in code.items()}


def test_the_workflow_is_short_and_its_actions_are_pinned():
    text = (ROOT / "examples" / "gate.yml").read_text()
    assert len(text.splitlines()) < 30
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.search(r"@[0-9a-f]{40}$", action) for action in used)
    assert "--against=git:origin/main" in text and "--gate" in text


def test_the_page_s_test_is_one_of_the_example_s_code(monkeypatch):
    """It is run here, by a `benchmark` that calls and does not measure."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "pure-python" / "src")
    (code,) = re.findall(
        r"```python\n(# benchmarks/test_wordcount.py\n.*?)```", (ROOT / "docs/your-tests.md").read_text(), re.S
    )
    names = {}
    exec(code, names)
    names["test_count"](lambda function, *args: function(*args))
