"""What history has to say about one session: the windows to judge by, and what is missing between then and now."""

from __future__ import annotations

from pytest_duet.record.shape import NUMBER

MEMORY_SHARE = 0.01  # a kernel's update moves the memory that it reports by less


class Lookback:
    """What history has to say about a session.

    ``windows``: the earlier rows of each benchmark, newest first; ``runs``: the names of the runs that these are from;
    ``otherwise``: for benchmarks with rows that were measured under other conditions, the newest such run and what
    differs; ``elsewhere``: the same for whole runs, whose machine was another; ``known``: the benchmarks of the newest
    accepted runs, with a row of each; ``seen``: how many runs those are; ``acknowledged``: whether somebody accepted
    one of them, and with it what older ones had and it has not; ``damaged``: what could not be read, in words.
    """

    def __init__(self, rows):
        self.rows = rows
        self.windows = {name: [] for name in rows}
        self.runs = {name: [] for name in rows}
        self.otherwise, self.elsewhere, self.known, self.damaged = {}, None, {}, []
        self.seen, self.acknowledged = 0, False
        self._ends = {}  # how much of a window counts, by benchmark and metric, where a change was acknowledged

    def take(self, run, rows, size):
        """Take a run's rows into the windows that are not full yet."""
        if self.seen < size:
            self.seen += 1
            if not self.acknowledged:
                self.known.update(rows)
        for name, row in rows.items():
            if name not in self.rows or len(self.windows[name]) == size:
                continue
            differs = differences(conditions(row), conditions(self.rows[name]))
            if differs:
                self.otherwise.setdefault(name, (run, differs))
            else:
                self.windows[name].append(row)
                self.runs[name].append(run)

    def end_window(self, name, metric):
        """Let the window of one metric of one benchmark end with the rows taken so far."""
        self._ends.setdefault((name, metric), len(self.windows.get(name, ())))

    def full(self, size):
        """Tell whether older runs can add nothing."""
        return self.seen >= size and all(len(window) == size for window in self.windows.values())

    def window(self, name, metric):
        """Return the earlier rows that one metric of one benchmark is to be judged by, newest first."""
        return self.windows[name][: self._ends.get((name, metric))]

    def findings(self, was_asked, chosen):
        """Return, a sentence each, what is missing between then and now.

        :param was_asked: tells of a framework whether this session was asked for it; if not, it has not vanished.
        :param chosen: the names of this session's benchmarks, those that failed or were skipped included.
        """
        found = [f"Left out: {why}" for why in self.damaged]
        for name, row in self.known.items():
            alike = [today for today, other in self.rows.items() if other["workload"] == row["workload"]]
            if name in chosen or not alike or not was_asked(row["framework"]):
                continue
            new = [today for today in alike if today not in self.known and self._framework(today) == row["framework"]]
            text = f"Vanished: {name} was in the last {self.seen} accepted runs and is not in this one. "
            if new:
                text += f"Renamed? Then put into pytest.ini, under gate_aliases: {name} -> {new[0]}"
            else:
                text += "Removed on purpose? Then accept this run: python -m benchmarks history accept latest"
            found.append(text)
        if self.elsewhere and not self.seen:
            run, differs = self.elsewhere
            found.append(f"Another fingerprint: no accepted run is from this machine. Since {run}: {_spell(differs)}.")
        for name, (run, differs) in self.otherwise.items():
            if not self.windows[name]:
                found.append(f"Other conditions: {name}, since {run}: {_spell(differs)}.")
        return found

    def _framework(self, name):
        return self.rows[name]["framework"]


def conditions(row):
    """Return what must be equal, beside the machine and the name, before two rows may be compared."""
    return {
        "device": row["device"],
        "contract": row["contract"],
        "threads": (row.get("threads") or {}).get("asked"),
        "scheduling": row.get("scheduling"),
        "digest of the data": row["dataset"]["digest"],
        "workload": row["workload"],
    }


def differences(then, now, prefix=""):
    """Return ``[(field, then, now), ...]`` where two fingerprints differ, nested fields by dotted names."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return [] if then == now or _same_memory(prefix, then, now) else [(prefix or "all", then, now)]
    names = [*then, *(name for name in now if name not in then)]
    return [
        found
        for name in names
        for found in differences(then.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)
    ]


def _same_memory(name, then, now):
    if name != "memory_bytes" or not (isinstance(then, NUMBER) and isinstance(now, NUMBER)):
        return False
    return abs(then - now) <= MEMORY_SHARE * max(then, now)


def _spell(differs):
    return ", ".join(f"{name} from {then!r} to {now!r}" for name, then, now in differs)
