"""Three gates on the same recorded sessions: ``python -m tests.side_by_side --benchmatrix PYTHON SESSION.json...``.

Each session is what ``pytest benchmarks --against OTHER --benchmark-json SESSION.json`` left: the gate's own verdict is
in it, and both sides' epochs, which the other two are given. pytest-benchmark's rule is applied by its own code to the
mean over all epochs of a side, as ``--benchmark-compare-fail=mean:5%`` does. benchmatrix gets a run a trial and side,
and is asked by ``benchmatrix compare``, with its defaults and with the gate's margin of 2 %.

Printed is, session by session, what each says of every framework's epoch time.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import fmean

from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import parse_compare_fail

GATE = "this gate"
COMPARE_FAIL = "compare-fail mean:5%"
MATRIX = {"benchmatrix": [], "benchmatrix, 2 %": ["--threshold", "2"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", nargs="+", type=Path)
    parser.add_argument("--benchmatrix", metavar="PYTHON", help="interpreter of an environment that has it")
    arguments = parser.parse_args()
    names = [GATE, COMPARE_FAIL, *(MATRIX if arguments.benchmatrix else ())]
    print(f"{'session':20} {'framework':10} {'new/old':>8}  " + "  ".join(f"{name:22}" for name in names))
    for path in arguments.sessions:
        session = json.loads(path.read_text())
        verdicts = [gate_verdicts(session), compare_fail_verdicts(session)]
        if arguments.benchmatrix:
            verdicts += [matrix_verdicts(session, arguments.benchmatrix, extra) for extra in MATRIX.values()]
        for row in rows(session):
            name = row["framework"]
            ratio = fmean(seconds(row)) / fmean(seconds(row["against"]))
            said = "  ".join(f"{found.get(name, '-'):22}" for found in verdicts)
            print(f"{path.stem:20} {name:10} {ratio:8.3f}  {said}".rstrip())


def rows(session):
    return [bench["extra_info"] for bench in session["benchmarks"]]


def epochs(trial):
    """Return the seconds of the epochs that were trained in turns: all but the first, which compiles."""
    return [epoch["seconds"] for epoch in trial["epochs"][1:]]


def seconds(row):
    return [value for trial in row["trials"] for value in epochs(trial)]


def gate_verdicts(session):
    cells = session["gate"]["cells"]
    return {cell["framework"]: cell["verdict"] for cell in cells if cell["metric"] == "epoch_seconds"}


def compare_fail_verdicts(session):
    check = parse_compare_fail("mean:5%")
    return {
        row["framework"]: "fails" if check.fails(stats(seconds(row)), stats(seconds(row["against"]))) else "passes"
        for row in rows(session)
    }


def matrix_verdicts(session, python, extra):
    """Return benchmatrix's verdicts, framework by framework: it wants each in every run that it is given."""
    return {
        bench["extra_info"]["framework"]: matrix_verdict(session, bench, python, extra)
        for bench in session["benchmarks"]
    }


def matrix_verdict(session, bench, python, extra):
    row = bench["extra_info"]
    with tempfile.TemporaryDirectory() as directory:
        line = [python, "-m", "benchmatrix", "compare", f"{directory}/baseline-0", f"{directory}/candidate-0"]
        for side, trials in (("baseline", row["against"]["trials"]), ("candidate", row["trials"])):
            for number, trial in enumerate(trials):
                path = Path(directory) / f"{side}-{number}"
                path.write_text(json.dumps(matrix_run(session, bench, epochs(trial))))
                line += [f"--{side}-run", str(path)] if number else []
        line += ["--no-config", "--format=json", "--compatibility=off", *extra]
        done = subprocess.run(line, text=True, capture_output=True, check=False)
    try:
        (found,) = json.loads(done.stdout)["comparisons"]
    except ValueError:
        raise SystemExit(f"benchmatrix: {done.stdout[-500:]}{done.stderr[-500:]}") from None
    return found["regression"] or found["status"]


def matrix_run(session, bench, data):
    """Return one trial of one side as benchmatrix wants a run: pytest-benchmark's JSON with benchmatrix's labels."""
    labels = {
        "benchmatrix_producer": "benchmatrix",
        "benchmatrix_schema_version": 1,
        "metric_name": "single_call_latency",
        "implementation_name": bench["extra_info"]["framework"],
        "case_name": "epoch",
        "case_fresh_inputs": True,
    }
    return dict(session, benchmarks=[dict(bench, extra_info=labels, stats=dict(stats(data), data=data, iterations=1))])


def stats(data):
    """Return pytest-benchmark's own statistics of some durations."""
    found = Stats()
    for value in data:
        found.update(value)
    return found.as_dict()


if __name__ == "__main__":
    main()
