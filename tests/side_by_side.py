"""Three gates on the same recorded sessions: ``python -m tests.side_by_side --benchmatrix PYTHON SESSION.json...``.

Each session is what ``pytest benchmarks --against OTHER --benchmark-json SESSION.json`` left: the gate's own verdict is
in it, and both sides' rounds, which the other two are given. pytest-benchmark's rule is applied by its own code to the
mean over all rounds of a side, as ``--benchmark-compare-fail=mean:5%`` does. benchmatrix gets a run a trial and side,
and is asked by ``benchmatrix compare``, with its defaults and with the gate's margin of 2 %.

Printed is, session by session, what each says of every subject's time.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import fmean

from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import parse_compare_fail

from pytest_duet.record.saved_run import read_run

GATE = "this gate"
COMPARE_FAIL = "compare-fail mean:5%"
MATRIX = {"benchmatrix": [], "benchmatrix, 2 %": ["--threshold", "2"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", nargs="+", type=Path)
    parser.add_argument("--benchmatrix", metavar="PYTHON", help="interpreter of an environment that has it")
    arguments = parser.parse_args()
    names = [GATE, COMPARE_FAIL, *(MATRIX if arguments.benchmatrix else ())]
    print(f"{'session':20} {'subject':10} {'new/old':>8}  " + "  ".join(f"{name:22}" for name in names))
    for path in arguments.sessions:
        session = read_run(path.parent, path.name)
        verdicts = [gate_verdicts(session), compare_fail_verdicts(session)]
        if arguments.benchmatrix:
            verdicts += [matrix_verdicts(session, arguments.benchmatrix, extra) for extra in MATRIX.values()]
        for benchmark, row in session.rows.items():
            ratio = fmean(seconds(row)) / fmean(seconds(row.against.row))
            said = "  ".join(f"{found.get(benchmark, '-'):22}" for found in verdicts)
            print(f"{path.stem:20} {row.subject:10} {ratio:8.3f}  {said}".rstrip())


def rounds(trial):
    """Return the seconds of the rounds that both sides took turns for: all but the first, which warms up."""
    return [one.seconds for one in trial.steady]


def seconds(row):
    return [value for trial in row.trials for value in rounds(trial)]


def gate_verdicts(session):
    (timed,) = [name for name, metric in session.gate.metrics.items() if metric.turns]
    return {one.benchmark: one.verdict for one in session.comparisons if one.metric == timed}


def compare_fail_verdicts(session):
    check = parse_compare_fail("mean:5%")
    return {
        benchmark: "fails" if check.fails(stats(seconds(row)), stats(seconds(row.against.row))) else "passes"
        for benchmark, row in session.rows.items()
    }


def matrix_verdicts(session, python, extra):
    """Return benchmatrix's verdicts by benchmark: it wants each in every run that it is given."""
    return {
        bench["fullname"]: matrix_verdict(session, bench, python, extra)
        for bench in session.data["benchmarks"]
        if bench["fullname"] in session.rows
    }


def matrix_verdict(session, bench, python, extra):
    row = session.rows[bench["fullname"]]
    with tempfile.TemporaryDirectory() as directory:
        line = [python, "-m", "benchmatrix", "compare", f"{directory}/baseline-0", f"{directory}/candidate-0"]
        for side, trials in (("baseline", row.against.row.trials), ("candidate", row.trials)):
            for number, trial in enumerate(trials):
                path = Path(directory) / f"{side}-{number}"
                path.write_text(json.dumps(matrix_run(session, bench, rounds(trial))))
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
        "implementation_name": session.rows[bench["fullname"]].subject,
        "case_name": "epoch",
        "case_fresh_inputs": True,
    }
    benchmark = dict(bench, extra_info=labels, stats=dict(stats(data), data=data, iterations=1))
    return dict(session.data, benchmarks=[benchmark])


def stats(data):
    """Return pytest-benchmark's own statistics of some durations."""
    found = Stats()
    for value in data:
        found.update(value)
    return found.as_dict()


if __name__ == "__main__":
    main()
