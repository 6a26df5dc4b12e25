"""What the command line means: what is trained, by whom, and how it is measured."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.command_line import AGAINST_EPOCH_SECONDS, QUICK, trials_of
from benchmarks.frameworks import DEFAULT, REGISTRY, entries_of_file, in_precisions, select
from benchmarks.frameworks.interpreters import find_interpreter, named_python
from benchmarks.frameworks.loading import missing
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.networks import NETWORKS
from benchmarks.workload.own import KEYS, workload_of
from benchmarks.workload.recipe import SEEDS, TARGET, workloads_of
from benchmarks.workload.spec import DRAWS, LATER, Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.cpu import usable_cores
from pytest_duet.sensors.gpu import find_gpu, visible_gpus
from pytest_duet.trials.turns import WARM_ROUNDS
from pytest_duet.workers.protocol import NotInstalled
from pytest_duet.workers.slots import Slot

# Options that the session takes from the command line as they are, and those that must not be less than a number.
AS_GIVEN = ("device", "isolation", "preallocate", "mnist_dir", "require_frameworks", "limit_again", "quick", "race")
LEAST = {
    "epoch_budget": 0.001,
    "trials": 1,
    "seeds": 1,
    "target_accuracy": 0,
    "worker_timeout": 0.001,
    "max_foreign_cores": 0,
    "memory_interval": 0,
}


@dataclass(frozen=True)
class Options:
    """The suite's own options, read and checked.

    :param entries: the chosen frameworks, :class:`benchmarks.frameworks.Entry` by name.
    :param data_file: one's own data, an absolute path; None for a public data set.
    :param slot: this pytest's share of the machine, where other workers of the session have the rest.
    """

    entries: dict
    workload: Workload
    data_file: str | None
    trials: int
    devices: tuple[int, ...]
    hosts: tuple[str, ...]
    seeds: int
    target_accuracy: float
    epoch_budget: float | None
    pythons: dict
    environments: str | None
    threads: int
    device: str
    isolation: str
    worker_timeout: float
    max_foreign_cores: float
    memory_interval: float
    preallocate: bool
    mnist_dir: str | None
    writable: tuple[str, ...]
    require_frameworks: bool
    measure_limit: bool
    limit_again: bool
    quick: bool
    race: bool
    results_csv: str | None
    tensorboard: str | None
    traces: str | None
    slot: Slot | None = None

    def check_turns(self):
        """Raise a DuetError where two sides cannot take turns."""
        if self.isolation == "none":
            raise DuetError("taking turns needs two processes, so --isolation=none cannot be.")
        if self.workload.epochs <= WARM_ROUNDS:
            least = WARM_ROUNDS + 1
            raise DuetError(f"--epochs={self.workload.epochs}: {WARM_ROUNDS} are warm-up; give {least} or more.")

    def find_data(self, echo):
        """Return where the data are, fetched if need be, as :func:`benchmarks.workload.data.load` knows them.

        :param echo: called with a line of text for what takes its time.
        """
        from benchmarks.workload import mnist

        if self.data_file or self.workload.dataset == "synthetic":
            return self.data_file
        return str(mnist.find(self.mnist_dir, echo=echo).resolve())

    def on_gpu(self):
        """Return whether this session trains on a GPU, wherever a framework can."""
        return self.device == "gpu" or (self.device == "auto" and find_gpu() is not None)

    def installed(self, entry):
        """Return an entry that this process itself is to run.

        :raises NotInstalled: where this interpreter lacks its modules, or the machine a program that it needs.
        """
        if absent := missing(entry.requires):
            raise NotInstalled(f"{', '.join(absent)} not installed in {sys.executable}")
        self._check_programs(entry)
        return entry

    def _check_programs(self, entry):
        absent = () if self.on_gpu() else entry.missing_programs()
        if absent:
            raise NotInstalled(f"{entry.name}: no {' and no '.join(absent)} on this machine", cause="program")

    def interpreter(self, entry):
        """Return the path of another interpreter that is to run an entry; None where this one is."""
        python, _ = find_interpreter(entry, self.pythons, self.environments, self.on_gpu())
        return python

    def runner(self, entry, data_directory=None, progress=lambda text: None):
        """Return the :class:`TrainerRunner` of one framework's trials.

        :raises NotInstalled: where the machine lacks a program that it needs.
        """
        self._check_programs(entry)
        python, environment = find_interpreter(entry, self.pythons, self.environments, self.on_gpu())
        return TrainerRunner(
            entry=entry,
            python=python,
            environment=environment,
            threads=self.threads,
            workload=replace(self.workload, precision=entry.precision),
            data_directory=data_directory,
            device=self.device,
            isolation=self.isolation,
            timeout_seconds=self.worker_timeout,
            max_foreign_cores=self.max_foreign_cores,
            preallocate=self.preallocate,
            writable=self.writable,
            traces=self.traces,
            progress=progress,
            slot=self.slot,
        )

    def label(self, workload=None):
        """Return what sets these runs apart from default ones, for the benchmark's name; ``""`` if nothing.

        :param workload: where it is another than the one that was asked for.
        """
        # Where there is no GPU, "cpu" is what "auto" means; "gpu" is what it means where there is one.
        conditions = ["device=cpu"] if self.device == "cpu" and find_gpu() else []
        conditions += [f"isolation={self.isolation}"] if self.isolation != "process" else []
        conditions += [f"threads={self.threads}"] if self.threads != usable_cores() else []
        conditions += [f"workers={self.slot.workers}"] if self.slot and self.slot.workers > 1 else []
        conditions += ["preallocate"] if self.preallocate else []
        conditions += [name for name in ("race", "quick") if getattr(self, name)]
        return ",".join(filter(None, [(workload or self.workload).label(), *conditions]))

    def benchmark_id(self, framework, workload=None):
        """Return what stands between the brackets of a benchmark's name."""
        return "-".join(filter(None, [framework, self.label(workload)]))

    def convergence_id(self, framework):
        """Return it for a time to accuracy: with the recipe, and what it is told of where that is not the usual."""
        its = self.benchmark_id(framework, workloads_of(self.workload, 1)[0])
        usual = {"seeds": SEEDS, "target_accuracy": TARGET}
        asked = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ",".join([its, *asked])


def _from_root(path, root):
    return path if Path(path).exists() or not (root / path).exists() else str(root / path)


def known_entries(paths):
    """Return the entries of the registry and of the files of ``--framework-path``, by name.

    :raises DuetError: where two have one name, or a file is no Python.
    """
    registry = dict(REGISTRY)
    for path in paths:
        for entry in entries_of_file(path):
            if entry.name in registry:
                raise DuetError(f"--framework-path: {path} calls a trainer {entry.name!r}, and there is one already.")
            registry[entry.name] = entry
    return registry


def read_options(config, slot=None):
    """Return the :class:`Options` of a pytest configuration; a DuetError names an option whose value makes no sense."""
    if config.getoption("quick"):
        look_quickly(config.option)
    config.option.trials = trials_of(config.option)
    get = config.getoption
    here = get("dist", "no") != "each"  # else these are the other machines' matters
    registry = known_entries(_from_root(path, config.rootpath) for path in get("framework_path"))
    own = [name for name in registry if name not in REGISTRY]
    patterns = [name.strip() for names in get("frameworks") or () for name in names.split(",")]
    entries = select(patterns or [*DEFAULT, *own], registry)
    if get("limit_again") and get("no_limit"):
        raise DuetError("--limit-again and --no-limit: choose one.")
    limits = {name: _at_least(least, name, get(name)) for name, least in LEAST.items()}
    if limits["target_accuracy"] > 1:
        raise DuetError(f"--target-accuracy={limits['target_accuracy']}: give a share of 1, such as {TARGET}.")
    if get("duet_against") and get("steps") is None and limits["epoch_budget"] is None:
        limits["epoch_budget"] = AGAINST_EPOCH_SECONDS
    asked = get("workload")
    file = asked if asked is None or asked in NETWORKS else _from_root(asked, config.rootpath)
    given = {name: get(name) for name in KEYS if name not in LATER}  # which have no option
    workload, data_file = workload_of(file, given, drawn(config))
    options = Options(
        entries={entry.name: entry.for_workload(workload) for entry in in_precisions(entries, get("precision"))},
        workload=workload,
        data_file=data_file,
        **{name: get(name) for name in AS_GIVEN},
        devices=_devices(get("devices"), get("hosts"), get("device")),
        hosts=get("hosts"),
        writable=tuple(map(os.path.abspath, get("writable"))),
        **limits,
        pythons=dict(named_python(text, here) for text in get("python")),
        environments=get("envs") or str(config.rootpath / ".tox"),
        threads=_threads(get("threads"), here),
        measure_limit=not get("no_limit"),
        results_csv=None if hasattr(config, "workerinput") else _writable("--results-csv", get("results_csv")),
        tensorboard=None if hasattr(config, "workerinput") else _writable("--tensorboard", get("tensorboard")),
        traces=get("profile") and os.path.abspath(get("profile")),
        slot=slot,
    )
    if options.tensorboard and missing(["tensorboardX"]):
        raise DuetError("--tensorboard needs tensorboardX: pip install -r requirements-suite.txt")
    if get("duet_against"):
        options.check_turns()
    if options.race and (get("duet_against") or options.isolation == "none"):
        raise DuetError("--race is for frameworks in processes of their own: not with --isolation=none, nor --against.")
    return options


def drawn(config):
    """Return which of the known orders a session trains, all its workers, machines and shards the same."""
    get = config.getoption
    if get("draw") is not None:
        return get("draw")
    if get("testrunuid", None) is None:  # xdist's name of a run, which it hands to its workers, as it would itself
        config.option.testrunuid = uuid.uuid4().hex
    session = get("duet_run_id") or config.option.testrunuid
    return int(hashlib.sha256(session.encode()).hexdigest(), 16) % DRAWS


def look_quickly(given):
    """Let what the command line leaves open be that of ``--quick``."""
    for name, value in QUICK.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    given.no_limit = given.no_limit or not given.limit_again


def _devices(asked, hosts, device):
    here = usable_cores() if device == "cpu" else len(visible_gpus()) or usable_cores()
    counts = asked or tuple(sorted({1, len(hosts) or here}))
    if min(counts) < 1:
        raise DuetError(f"--devices={','.join(map(str, counts))}: give numbers of 1 or more.")
    return counts


def _threads(asked, here=True):
    if asked is None:
        return usable_cores()
    if not 1 <= asked <= (usable_cores() if here else asked):
        raise DuetError(f"--threads={asked}: give 1 to {usable_cores()}, the cores that this process may use.")
    return asked


def _writable(option, directory):
    """Make a directory now: to learn only after the measurement that it cannot be would lose the tables."""
    if directory:
        try:
            Path(directory).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DuetError(f"{option}={directory}: cannot be made ({error}).") from error
    return directory


def _at_least(least, name, value):
    if value is not None and not value >= least:
        raise DuetError(f"--{name.replace('_', '-')}={value}: give {least} or more.")
    return value
