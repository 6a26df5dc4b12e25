"""Sessions that really ran, in a plain format: results/gate-of-gates/recorded.jsonl, a benchmark of a session a line.

A line says which ``session`` and ``benchmark`` it is, of which ``kind`` and how much ``slower`` the new code was, what
this gate ``said`` then and after how many ``minutes`` of the whole session; ``new`` and ``old`` hold the seconds of the
steady rounds of each trial, or of its turns. ``python -m tests.gate_of_gates.recorded FOLDER...`` adds what
``tests.campaign`` left in these; with ``--of NAME`` in front, sessions of somebody else's unchanged benchmarks.
"""

import json
import re
import sys
from pathlib import Path
from statistics import median

from pytest_duet.record.saved_run import read_run
from tests.gate_of_gates import rules
from tests.sessions import ROOT

KEPT = ROOT / "results" / "gate-of-gates" / "recorded.jsonl"
# Names of the first sessions, who is slower by how many per cent.
EARLY = re.compile(r"(?:(t|j)(5|10)(t|j)(5|10)|(torch|jax)(5|10))-")
FRAMEWORKS = {"t": "torch", "j": "jax"}


def planted(path, plain):
    """Return the kind of a session, and by which share its subjects are slower."""
    kind = plain.get("campaign", {}).get("kind") or path.stem
    if kind.startswith("hog"):
        return "neighbour", {}
    if found := re.match(r"planted:(\w+):([\d.]+)", kind):
        return "unchanged", {found[1]: float(found[2])}
    if found := EARLY.match(kind):
        words = [each for each in found.groups() if each]
        pairs = zip(words[::2], words[1::2])
        return "unchanged", {FRAMEWORKS.get(name, name): int(share) / 100 for name, share in pairs}
    return "unchanged", {}


def lines(folders, of=""):
    """Yield the lines of all sessions in these folders whose sides took turns.

    :param of: whose benchmarks these are, which are unchanged; ``""`` for this suite's.
    """
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.json")):
        plain = json.loads(path.read_text())
        if plain.get("gate", {}).get("mode") != "against":
            continue
        kind, slower = planted(path, plain)
        run = read_run(path.parent, path.name)
        for benchmark, row in run.rows.items():
            (timed,) = [name for name, metric in run.gate.metrics.items() if metric.turns]
            said = [one for one in run.comparisons if (one.benchmark, one.metric) == (benchmark, timed)]
            if not (said and row.against and len(row.trials) >= 3):
                continue
            yield {
                "session": "/".join(path.parts[-2:]),
                "benchmark": benchmark if of else row.subject,
                "kind": of or kind,
                "slower": slower.get(row.subject, 0.0),
                "margin": said[0].margin,
                "minutes": round(plain.get("campaign", {}).get("wall_seconds", 0) / 60, 2) or None,
                "said": said[0].verdict,
                "new": _seconds(row, "new_leading", "new_trailing", row.against.blocks),
                "old": _seconds(row.against.row, "old_leading", "old_trailing", row.against.blocks),
            }


def _seconds(row, leading, trailing, blocks):
    """Return those of each trial's steady rounds; of plain tests, whose rounds are not kept, those of the turns."""
    found = [[each.seconds for each in trial.steady] for trial in row.trials]
    if not any(found):
        found = [[getattr(each, turn) for each in trial for turn in (leading, trailing)] for trial in blocks]
    return [[float(f"{seconds:.6g}") for seconds in trial] for trial in found]


def fails(line):
    """Return, by gate, whether it fails what a line has; of the interleaved rounds of both sides, all gates profit."""
    before, now = line["old"], line["new"]
    flat = [[value for values in trials for value in values] for trials in (before, now)]
    medians = [list(map(median, trials)) for trials in (before, now)]
    return {
        "against": line["said"] == "regressed",
        "compare-fail": rules.compare_fail(*flat),
        **{f"threshold {share:.0%}": rules.threshold(*flat, share) for share in rules.THRESHOLDS[:1]},
        "u-test": rules.u_test(*flat),
        "pyperf": rules.pyperf_compare(before, now),
        "benchmatrix": rules.benchmatrix_paired(*medians, 100 * (line["margin"] - 1)),
    }


def read():
    return [json.loads(line) for line in KEPT.read_text().splitlines()]


if __name__ == "__main__":
    of, folders = (sys.argv[2], sys.argv[3:]) if sys.argv[1] == "--of" else ("", sys.argv[1:])
    known = {(line["session"], line["benchmark"]): line for line in (read() if KEPT.exists() else [])}
    known |= {(line["session"], line["benchmark"]): line for line in lines(folders, of)}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text("".join(json.dumps(line) + "\n" for line in known.values()))
