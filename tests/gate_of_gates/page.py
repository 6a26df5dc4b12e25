"""The page that the simulated sessions make: docs/gate-of-gates.md, with one table a question, and its picture."""

from tests.gate_of_gates.machine import KINDS
from tests.sessions import ROOT

DOCS = ROOT / "docs"
PICTURE = "pictures/gate-of-gates.svg"
NAMES = {
    "against, calibrated": (
        "this gate, against, calibrated",
        "`pytest --against=git:main`, after `calibrate --against`",
    ),
    "against": ("this gate, against", "`pytest --against=git:main`"),
    "history": ("this gate, history", "`pytest --gate`, 20 accepted runs of 3 trials, its second stage calibrated"),
    "compare-fail": (
        "pytest-benchmark",
        "`pytest --benchmark-compare --benchmark-compare-fail=mean:5%`, a run of another day",
    ),
    "threshold 7%": ("threshold 7 %", "the mean against the last run's, as TorchBench did"),
    "threshold 15%": ("threshold 15 %", "likewise"),
    "threshold 30%": ("threshold 30 %", "likewise, as OpenXLA's presubmit"),
    "threshold 150%": ("threshold 150 %", "likewise, as jaxsim's"),
    "u-test": ("google/benchmark's U test", "`compare.py benchmarks OLD NEW --benchmark_repetitions=9`, alpha 0.05"),
    "pyperf": ("pyperf", "20 processes of 3 values of either side, one after the other, `pyperf compare_to`"),
    "benchmatrix": (
        "benchmatrix, paired",
        "`collect-paired`, `compare --paired --precision-target 2%`, a fresh collection as planned, threshold 2 %",
    ),
    "otava": ("Otava", "`otava analyze` after each day's run, 30 days before the change and up to 10 behind it"),
}
OURS = ("against, calibrated", "against", "history")
TEXT = """# The gate of gates

How far can a gate be trusted? Here it is asked of this one, and of others that projects use: how often does each fail a
change that is none, how often one that is, and how many minutes of a machine does that take?

All run on the same [simulated machine](../tests/gate_of_gates/machine.py), {sessions} times in each field of the tables: a
benchmark of a second, on a machine whose noise is that of two shared cores. Its pieces of a tenth of a second scatter by
2 %, its processes differ by 0.5 %, its moods last from seconds to an hour. The same seed gives the same machine to all of
them. `tox run -e peers` makes everything on this page again, in ten minutes, with {versions}.

## False alarms

Of {sessions} sessions with unchanged code, the share that failed. On a machine of the kind:

{alarms}

{kinds}

## Power

Of {sessions} sessions whose code was slower by so much, the share that failed, on a machine with nothing but its noise. A
margin is a promise, too: this gate's 2 % (5 % against history) and benchmatrix's 2 % say that 1 % is to pass, and at the
margin itself one in twenty may fail.

{power}

## A change of 5 %, when the machine is not quiet

{disturbed}

![Power at 5 % and false alarms, against minutes](pictures/gate-of-gates.svg)

## What it shows

{findings}

## Sessions that really ran

{count} benchmarks of sessions on two shared cores, [in a plain format](../results/gate-of-gates/recorded.jsonl): this
suite's JAX, PyTorch, Keras and NumPy, turn by turn with themselves, or with code that took more steps; and other people's
benchmarks as they are published, cattrs' `bench` and some of zarr's, turn by turn with themselves. This gate's verdict is the
one that it gave then, at a margin of 2 %, of 1 % where 2 % were planted, and of 3 % for other people's, which benchmatrix is
given, too; the others are given the same rounds, a process for each trial. Both sides had each moment of the machine alike,
which no other of these gates sees to: so this flatters them.

{recorded}

## How each was run

{commands}

Times are those of today's session: a baseline that was saved on another day costs nothing here, and Otava's is the time of
all runs until it told. Where a gate has code that can be called, it is that code: pytest-benchmark's `parse_compare_fail`,
benchmatrix's paired plan and its interval (by 2,000 resamples, where its default is 50,000), pyperf's `is_significant`,
Otava's `compute_change_points` with its defaults. google/benchmark's `compare.py` calls SciPy's `mannwhitneyu`, and so does
this.

"""  # noqa: E501  the lines of a page of docs/


def write(kept):
    """Write the page and its picture from what the sessions said."""
    (DOCS / "gate-of-gates.md").write_text(text(kept))
    cells = by_place(kept["cells"])
    draw(_gates(cells), cells)


def by_place(cells):
    return {(row["gate"], row["kind"], row["slower"]): row for row in cells}


def _gates(cells):
    return [name for name in NAMES if (name, "unchanged", 0.0) in cells]


def text(kept):
    """Return the page."""
    cells = by_place(kept["cells"])
    gates, shares = _gates(cells), sorted({row["slower"] for row in kept["cells"]} - {0.0})
    real = by_place(kept["recorded"])
    places = sorted({place[1:] for place in real}, key=lambda place: (place[1], place[0] != "unchanged", place[0]))
    return TEXT.format(
        sessions=kept["cells"][0]["sessions"],
        versions=", ".join(f"{name} {its}" for name, its in kept["versions"].items()),
        alarms=table(gates, cells, [(kind, 0.0) for kind in KINDS], list(KINDS)),
        kinds="\n".join(f"- **{name}**: {what}." for name, what in KINDS.items()),
        power=table(gates, cells, [("unchanged", share) for share in shares], [f"{each:.0%}" for each in shares]),
        disturbed=table(gates, cells, [(kind, 0.05) for kind in KINDS], list(KINDS)),
        findings=findings(gates, cells),
        count=sum(row["sessions"] for row in kept["recorded"] if row["gate"] == "against"),
        recorded=real_table(real, places),
        commands="\n".join(f"- **{NAMES[name][0]}**: {NAMES[name][1]}." for name in gates),
    )


def real_table(real, places):
    titles = [("unchanged" if not share else f"slower by {share:.0%}") for _, share in places]
    where = {"unchanged": "", "neighbour": ", beside a busy loop"}  # else whose benchmarks these were
    titles = [title + where.get(kind, f", {kind}") for title, (kind, _) in zip(titles, places)]
    lines = [f"| fails | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for gate in (gate for gate in NAMES if (gate, *places[0]) in real):
        said = [f"{row['fails']} of {row['sessions']}" for row in (real[gate, *place] for place in places)]
        lines.append(f"| {NAMES[gate][0]} | {' | '.join(said)} |")
    return "\n".join(lines)


def table(gates, cells, columns, titles):
    lines = [f"| gate | {' | '.join(titles)} | minutes |", f"|---|{'---|' * (len(titles) + 1)}"]
    for gate in gates:
        found = [cells[gate, *column] for column in columns]
        said = [_share(row) for row in found]
        lines.append(f"| {NAMES[gate][0]} | {' | '.join(said)} | {_minutes(found)} |")
    return "\n".join(lines)


def _share(row):
    undecided = f" ({row['open'] / row['sessions']:.0%} open)" if row["open"] else ""
    return f"{row['fails'] / row['sessions']:.0%}{undecided}"


def _minutes(rows):
    least, most = min(row["minutes"] for row in rows), max(row["minutes"] for row in rows)
    return f"{least:.1f}" if most - least < 0.1 else f"{least:.1f} to {most:.1f}"


def findings(gates, cells):
    """Return, a line each, who errs too often, who sees 5 % and how soon, and where others are ahead of this gate."""

    def rate(gate, kind, share):
        row = cells[gate, kind, share]
        return row["fails"] / row["sessions"]

    def minutes(gate, kind="unchanged", share=0.05):
        return cells[gate, kind, share]["minutes"]

    alarms = {gate: max(rate(gate, kind, 0.0) for kind in KINDS) for gate in gates}
    alarmed = [gate for gate in gates if alarms[gate] > 0.1]
    able = [gate for gate in gates if gate not in alarmed and rate(gate, "unchanged", 0.05) >= 0.9]
    ours = min((gate for gate in gates if gate in OURS), key=minutes)
    sooner = [gate for gate in gates if rate(gate, "unchanged", 0.05) >= 0.9 and minutes(gate) < minutes(ours)]
    more = [
        f"{NAMES[gate][0]} at {share:.0%} on {kind} ({rate(gate, kind, share):.0%} and {rate(ours, kind, share):.0%})"
        for gate in gates
        if gate not in (*OURS, *alarmed)
        for kind in KINDS
        for share in (0.05, 0.1)
        if rate(gate, kind, share) > rate(ours, kind, share)
    ]
    lines = [
        f"- More than one false alarm in ten, on one kind of machine or another: {_named(alarmed)}.",
        f"- Of the others, these see 5 % in nine sessions of ten: {_named(able)}. Against history the margin is 5 %, "
        "so this gate leaves that open there.",
    ]
    for gate in sooner:
        lines.append(
            f"- Another gate is ahead: {NAMES[gate][0]} sees 5 % after {minutes(gate):.1f} minutes, {NAMES[ours][0]} "
            f"after {minutes(ours):.1f}. It fails unchanged code in up to {alarms[gate]:.0%} of sessions; where that "
            "costs little, it is the better one."
        )
    lines.append(f"- Of the careful ones, these see more than {NAMES[ours][0]}: {', '.join(more) or 'none was found'}.")
    return "\n".join(lines)


def _named(gates):
    return ", ".join(NAMES[gate][0] for gate in gates) or "none"


def draw(gates, cells):
    import altair as alt

    rows = []
    for gate in gates:
        for what, share in (("power at 5 %", 0.05), ("false alarms", 0.0)):
            for kind in KINDS:
                row = cells[gate, kind, share]
                told = {"minutes": max(row["minutes"], 0.01), "share": row["fails"] / row["sessions"]}
                rows.append({"gate": NAMES[gate][0], "what": what, "machine": kind, **told})
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=70, opacity=0.8)
        .encode(
            x=alt.X("minutes:Q", scale=alt.Scale(type="log"), title="minutes of today's session"),
            y=alt.Y("share:Q", axis=alt.Axis(format="%"), title="sessions that failed"),
            color=alt.Color("gate:N", sort=[NAMES[gate][0] for gate in gates], scale=alt.Scale(scheme="tableau20")),
            shape=alt.Shape("machine:N", sort=list(KINDS)),
            column=alt.Column("what:N", sort=["power at 5 %", "false alarms"], title=None),
        )
        .properties(width=330, height=280)
    )
    chart.save(DOCS / PICTURE)
