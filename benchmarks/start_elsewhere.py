"""A cold start under another interpreter, whose environment holds no pytest.

A process of that interpreter has the data and NumPy ready and waits; the call tells it to start and ends when it has
started, so the clock that counts is this process's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.cold_start import ColdStart, asked_for, asking_for
from benchmarks.frameworks.loading import installed_versions, versions_of
from benchmarks.proof.parity import check_data
from pytest_duet.errors import DuetError

READY, START, STARTED, GO_ON, DONE = "ready", "start", "started", "go on", "done"
TOLD, ARRAYS, LOG = "told.json", "parameters.npz", "log"
FIELDS = ("seconds", "losses", "started_after", "reading_seconds")  # of a ColdStart, which JSON can hold


class StartElsewhere(ColdStart):
    """The same of an entry that another interpreter has.

    :param python: its path.
    :param data_directory: where the data are, as :func:`benchmarks.workload.data.load` knows them.
    :param folder: for what it tells; an empty one of its own.
    """

    def __init__(self, entry, workload, dataset, device, python, data_directory, folder):
        super().__init__(entry, workload, dataset, device)
        self._folder = Path(folder)
        line = [python, "-m", __name__, asking_for(entry, workload, device, data_directory), str(folder)]
        with open(self._folder / LOG, "wb") as log:
            self._process = subprocess.Popen(
                line, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self._hear(READY)

    def __call__(self):
        self._say(START)
        self._hear(STARTED)

    def go_on(self):
        self._say(GO_ON)
        self._hear(DONE)
        self._process.communicate()
        told = json.loads((self._folder / TOLD).read_text())
        for name in FIELDS:
            setattr(self, name, told[name])
        self.epochs = [[np.array(batch) for batch in batches] for batches in told["epochs"]]
        with np.load(self._folder / ARRAYS) as arrays:
            for name in ("started", "ended"):
                layers = range(sum(key.startswith(name) for key in arrays) // 2)
                setattr(self, name, [(arrays[f"{name}_{n}_0"], arrays[f"{name}_{n}_1"]) for n in layers])
        check_data(self.entry.name, SimpleNamespace(checksums=lambda: told["checksums"]), self.checksums)
        self.elsewhere = {"python": told["python"], "versions": told["versions"]}

    def _say(self, word):
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()

    def _hear(self, word):
        """Wait for a word; what the framework itself prints is no word."""
        for line in self._process.stdout:
            if line.decode(errors="replace").strip() == word:
                return
        self._process.communicate()
        log = (self._folder / LOG).read_text(errors="replace").strip().splitlines()
        raise DuetError(f"{self.entry.name}: its start in an interpreter of its own failed:\n" + "\n".join(log[-8:]))


def main():
    start, folder = asked_for(sys.argv[1]), Path(sys.argv[2])
    words = os.fdopen(os.dup(1), "w")
    installed = installed_versions(start.entry.requires)

    def wait_for(word, before):
        print(before, file=words, flush=True)
        assert sys.stdin.readline().strip() == word

    wait_for(START, before=READY)
    start()
    wait_for(GO_ON, before=STARTED)
    start.go_on()
    arrays = {
        f"{name}_{n}_{k}": array
        for name in ("started", "ended")
        for n, layer in enumerate(getattr(start, name))
        for k, array in enumerate(layer)
    }
    np.savez(folder / ARRAYS, **arrays)
    told = {
        **{name: getattr(start, name) for name in FIELDS},
        "epochs": [[batch.tolist() for batch in batches] for batches in start.epochs],
        "checksums": start.dataset.checksums(),
        "python": sys.version.split()[0],
        "versions": versions_of(start.entry.requires, installed),
    }
    (folder / TOLD).write_text(json.dumps(told))
    print(DONE, file=words, flush=True)


if __name__ == "__main__":
    main()
