"""Examines a framework in a process of its own, part by part, so that whatever it does costs its own row alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from benchmarks.proof import parity
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.gpu_holders import Holders
from pytest_duet.workers.protocol import FromWorker, GpuUnseen, NotInstalled, WrongHardware

# Two steps of a small network: enough to see that it trains, and that a step does what the oracle's does.
WORKLOAD = Workload(dataset="synthetic", layer_sizes=(784, 32, 10), epochs=2, steps=2)
DOING = {
    "import": "while it was imported",
    "about": "while it was asked for its build and its devices",
    "train": "while it trained two steps",
    "product": "while it multiplied two matrices",
}
KINDS = {NotInstalled: "missing", WrongHardware: "hardware"}


@dataclass(frozen=True)
class Failure:
    """What ended an examination before its time.

    :param kind: ``"missing"`` (not installed), ``"hardware"`` (never runs on this machine) or ``"failed"``.
    :param part: one of the keys of ``DOING``; None where no worker started.
    :param text: what happened, in one line; ``detail`` is the end of the worker's log.
    :param cause: of what failed, as in :class:`pytest_duet.workers.protocol.FromWorker`, or ``"no GPU"``.
    """

    kind: str
    part: str | None
    text: str
    detail: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Findings:
    """All that an examination found; what it did not come to is None or empty.

    :param environment: of the interpreter ``executable``, its worker's; None for this one.
    :param imported: ``import_seconds``, ``versions``, ``python``.
    :param about: what :meth:`benchmarks.frameworks.trainer.Trainer.about` said, and ``cpu_only``.
    :param device: what it trained on, as in ``Trainer.device_name``.
    :param parity: how its two steps differ from the oracle's, in words; None where they do not.
    :param product: ``{"relative_error": ...}``.
    :param libraries: ``name``, ``version``, ``path`` of each that its process had mapped in the end.
    :param held: what NVML told of it while it held a GPU, :class:`pytest_duet.sensors.gpu_holders.Held`; None on a CPU.
    :param home: the tox environment that is made for it; None where there is none.
    """

    name: str
    environment: str | None
    requires: tuple = ()
    imported: dict | None = None
    about: dict = field(default_factory=dict)
    device: str | None = None
    parity: str | None = None
    product: dict | None = None
    libraries: tuple = ()
    held: object | None = None
    failure: Failure | None = None
    home: str | None = None
    executable: str = sys.executable


def examine(runner, gpu=None):
    """Return the findings of one framework.

    :param runner: :class:`benchmarks.trainer_runner.TrainerRunner`; its workload is to be ``WORKLOAD``.
    :param gpu: the :class:`pytest_duet.sensors.gpu.Gpu` that it would train on, or None.
    """
    entry, found, part = runner.entry, {}, None
    holders = Holders(gpu) if gpu else None
    try:
        with runner.worker() as worker:
            try:
                for part, look in PARTS.items():
                    runner.progress(DOING[part])
                    found.update(look(worker, runner, holders, found))
            except DuetError as error:
                found["failure"] = _failure(part, error)
            found.update(_libraries(worker))
    except DuetError as error:
        found["failure"] = _failure(None, error)
    home = next(iter(entry.environments(on_gpu=gpu is not None)), None)
    executable = runner.python or sys.executable
    return Findings(entry.name, runner.environment, tuple(entry.requires), home=home, executable=executable, **found)


def _import(worker, runner, holders, found):
    arguments = {name: runner.open_arguments()[name] for name in ("requires", "variables")}
    return {"imported": worker.call("probe", part="import_framework", **arguments)}


def _about(worker, runner, holders, found):
    return {"about": worker.call("probe", part="about", location=runner.entry.location), **_libraries(worker)}


def _train(worker, runner, holders, found):
    from benchmarks.workload.dataset import synthetic

    dataset = synthetic()
    opened = worker.open(**runner.open_arguments())
    batches = parity.parity_batches(runner.workload, len(dataset.train_labels))
    steps = runner.steps_of(worker, batches)
    differs = None
    try:
        parity.check_steps(runner.entry.name, {**opened.declared, **steps}, runner.workload, dataset)
    except parity.ParityError as error:
        differs = str(error)
    held = holders.look(worker.pid) if holders and opened.device != "cpu" else None
    return {"device": opened.device, "parity": differs, "held": held}


def _product(worker, runner, holders, found):
    device = "cpu" if found["device"] == "cpu" else "gpu"
    return {"product": worker.call("probe", part="product", location=runner.entry.location, device=device)}


def _libraries(worker):
    """Return the libraries that the worker has mapped by now; nothing where it is gone."""
    try:
        return {"libraries": tuple(worker.call("probe", part="libraries"))}
    except DuetError:
        return {}


PARTS = {"import": _import, "about": _about, "train": _train, "product": _product}


def _failure(part, error):
    """Return the failure that an error tells of, with what the worker was doing in the doctor's words."""
    if not isinstance(error, FromWorker):
        return Failure("failed", part, str(error).rstrip("."))
    what, more = error.happened
    doing = f" {DOING[part]}" if part and error.cause else ""
    text, _, detail = f"{what}{doing}{more}".partition("\n")
    cause = "no GPU" if isinstance(error, GpuUnseen) else error.cause
    detail = "\n".join(filter(None, [detail, error.log_tail]))
    return Failure(KINDS.get(type(error), "failed"), part, text.rstrip("."), detail, cause)
