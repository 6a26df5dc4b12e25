"""Does a slow minute turn an order round? ``python -m tests.slow_minute REPOSITORY [--begin S] [--seconds S] -- ...``.

Runs ``pytest benchmarks`` in a clone (of this or of an older revision) with two trainers that are 10 % apart, this
file's own, and slows every worker down for a while: a second process stops each of them for a quarter of the time, in
slices of 20 ms. Nobody uses their cores meanwhile, so the check for others' CPU sees nothing, as with a neighbour that
fills the memory bus. Printed is the order that the saved run gives.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

TRAINERS = {"faster": ("Faster", "jax"), "slower": ("Slower", "jax")}
SLICE_SECONDS, STOPPED_SHARE = 0.02, 0.25

with suppress(ImportError):  # the workers' side alone needs these
    import jax.numpy as jnp

    from benchmarks.frameworks.jax import JaxTrainer, jitted_step

    class Faster(JaxTrainer):
        share = 0.0

        def train_epoch(self, order):
            loss = super().train_epoch(order)
            images, labels = self.dataset.train_images, self.dataset.train_labels
            batches = self.workload.batches(order)
            zero = jnp.zeros(())
            for batch in batches[: round(self.share * len(batches))]:  # which change nothing: the learning rate is 0
                self.params, zero = jitted_step(self.params, zero, images[batch], labels[batch], 0.0)
            float(zero)
            return loss

    class Slower(Faster):
        share = 0.1


def workers(session):
    """Return the process ids of the workers that a session has: its children that serve a subject."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == session and b"pytest_duet" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
    return found


def slow_down(session, begin, seconds):
    """Stop the workers of a session for a share of the time, from ``begin`` seconds after now on."""
    time.sleep(begin)
    until = time.monotonic() + seconds
    while time.monotonic() < until and session.poll() is None:
        its = workers(session.pid)
        for number, pause in ((signal.SIGSTOP, STOPPED_SHARE), (signal.SIGCONT, 1 - STOPPED_SHARE)):
            for pid in its:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(SLICE_SECONDS * pause)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--begin", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    chosen, for_pytest = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "run.json"
        line = [sys.executable, "-m", "pytest", "benchmarks", "-q", f"--framework-path={Path(__file__).absolute()}"]
        line += ["--frameworks=faster,slower", "--no-limit", f"--benchmark-json={saved}", *for_pytest]
        began = time.monotonic()
        session = subprocess.Popen(line, cwd=chosen.repository, stdout=subprocess.DEVNULL)
        threading.Thread(target=slow_down, args=(session, chosen.begin, chosen.seconds), daemon=True).start()
        session.wait()
        run = json.loads(saved.read_text())
    rows = [bench["extra_info"]["duet"] for bench in run["benchmarks"]]
    times = {row["subject"]: [round(trial["seconds"], 4) for trial in row["trials"]] for row in rows}
    ratio = median(times["slower"]) / median(times["faster"])
    disturbed = sum(row["disturbed_trials"] + row["repeated_attempts"] for row in rows)
    print(f"slower/faster {ratio:.3f}, seen as disturbed {disturbed}, {time.monotonic() - began:.0f} s: {times}")
    for answer in run.get("answers", ()):
        print(answer["sentences"][0])


if __name__ == "__main__":
    main()
