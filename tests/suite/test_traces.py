"""``--profile DIR``: each framework's own trace of some steps, beside all clocks."""

import gzip
import json

import pytest


def test_traces_are_kept_and_told_where(suite, tmp_path):
    kept = tmp_path / "traces"
    run = suite(f"--profile={kept}", frameworks="traced,trace-fails,honest")
    assert run.exit_code == 0, run.output
    assert json.loads((kept / "traced" / "steps.json").read_text()) == {"epochs": 3}, "two to warm up, one that is told"
    assert [path.name for path in kept.iterdir()] == ["traced"], "who has no tracer, or whose tracer fails, leaves none"
    said = {name: row["trace"] for name, row in run.rows.items()}
    assert said == {"traced": str(kept / "traced"), "trace-fails": None, "honest": None}
    assert f"traces, for Perfetto or TensorBoard: {kept}" in run.output


def test_without_it_nobody_is_traced(suite, tmp_path):
    run = suite(frameworks="trace-fails")
    assert run.exit_code == 0 and run.rows["trace-fails"]["trace"] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "torch", "tensorflow", "keras-jax"])
def test_the_frameworks_own_tracers_write_files(suite, tmp_path, name):
    run = suite(f"--profile={tmp_path}/traces", frameworks=name)
    assert run.exit_code == 0, run.output
    files = [path for path in (tmp_path / "traces" / name).rglob("*") if path.is_file()]
    assert files and all(path.stat().st_size > 1000 for path in files if path.suffix != ".txt")
    for path in files:
        if path.name.endswith((".json", ".json.gz")):
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert json.loads(text)["traceEvents"]
