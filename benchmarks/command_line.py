"""The suite's command line, as pytest declares it. What it means is read and checked in ``options.py``."""

from __future__ import annotations

import argparse

from benchmarks.frameworks import DEFAULT
from benchmarks.workload.networks import BITS, NETWORKS
from benchmarks.workload.recipe import SEEDS, TARGET
from benchmarks.workload.spec import DRAWS, Workload
from pytest_duet.sensors.sampler import INTERVAL_SECONDS
from pytest_duet.trials.runner import MAX_FOREIGN_CORES

QUICK = {"epochs": 3, "steps": 40}
# Between runs, times scatter by more than within one, and what history leaves open is measured again: a third trial of
# whole epochs took up to 38 s there, and decided nothing.
TRIALS, SETTLED_TRIALS = 3, 2
# Of an epoch with --against; a paired trial has some eighty turns a side then. Of 1.25 s, the four trials that are the
# least take longer than most answers need (89 and 96 s for PyTorch with 5 % more steps, two cores); of half a second,
# they scatter by 1.4 % instead of 1.0 to 1.25 %, and a third of each goes into starting it.
AGAINST_EPOCH_SECONDS = 0.9


def add_options(parser):
    """Declare the options to pytest: who trains and how it is measured, and what is trained."""
    add = parser.getgroup("frameworks", "deep-learning frameworks").addoption
    add(
        "--frameworks",
        action="append",
        metavar="NAMES",
        help=f"names or globs, comma-separated; or 'all' (default: {','.join(DEFAULT)})",
    )
    add("--framework-path", action="append", default=[], metavar="FILE", help="also run the trainers of this file")
    add(
        "--quick",
        action="store_true",
        help="a first look in a minute, nothing to quote: "
        + " ".join(f"--{name} {value}" for name, value in QUICK.items())
        + " --no-limit, where you say nothing else",
    )
    add("--require-frameworks", action="store_true", help="fail, not skip, where a framework is not installed")
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where to train (default: a GPU if any)")
    add(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the interpreter of a framework, or of an environment of its own",
    )
    add(
        "--envs",
        metavar="DIR",
        help="where the frameworks that this interpreter lacks have theirs (default: .tox beside conftest.py)",
    )
    add("--threads", type=int, metavar="N", help="threads and cores of every trainer, on the CPU (default: all cores)")
    add(
        "--epoch-budget",
        type=float,
        metavar="SECONDS",
        help="where an epoch would take longer, train so many steps of it as fit, and report steps a second (default "
        f"with --against: {AGAINST_EPOCH_SECONDS})",
    )
    trials = (
        f"fresh processes per framework (default: {TRIALS}; with --gate, {SETTLED_TRIALS}: what history leaves open is "
    )
    add("--trials", type=int, metavar="N", help=f"{trials}measured again)")
    add(
        "--race",
        action="store_true",
        help="all frameworks are alive at once and take an epoch each in turn, the others standing still: for who is "
        "faster where that is close",
    )
    add(
        "--isolation",
        choices=("process", "none"),
        default="process",
        help="none: train in pytest's own process, for debuggers and profilers",
    )
    add(
        "--writable",
        action="append",
        default=[],
        metavar="DIR",
        help="let trainers write there although it outlives them, such as to a compiler's cache; else they can write "
        "nowhere that does (Linux)",
    )
    _add_number(add, "--worker-timeout", float, 600, "SECONDS", "for one answer")
    beside = "CPU that others may use beside a trial before it is repeated"
    _add_number(add, "--max-foreign-cores", float, MAX_FOREIGN_CORES, "CORES", beside)
    between = "between two samples of memory; 0 takes none"
    _add_number(add, "--memory-interval", float, INTERVAL_SECONDS, "SECONDS", between)
    add(
        "--preallocate",
        action="store_true",
        help="let JAX and TensorFlow take most of the GPU's memory at once, as they do by default (default: off)",
    )
    add("--no-limit", action="store_true", help="do without the machine's limits: neither measure nor read them")
    add("--limit-again", action="store_true", help="measure the machine's limits anew, not trusting the kept ones")
    traces = (
        "keep each framework's own trace of some steps, beside all clocks, in DIR/NAME: for Perfetto or TensorBoard"
    )
    add("--profile", metavar="DIR", help=traces)
    add(
        "--devices",
        type=_numbers,
        metavar="N,N,...",
        help="how many train together, each number a benchmark; on the CPU, each is an equal share of the cores "
        "(default: 1 and as many as there are)",
    )
    add(
        "--hosts",
        type=_names,
        default=(),
        metavar="HOST,HOST",
        help="machines whose devices train together with -m scaling, as ssh knows them; each has this folder and this "
        "interpreter in the same places (default: this one)",
    )
    _add_number(add, "--seeds", int, SEEDS, "N", "that a time to accuracy is told of")
    _add_number(add, "--target-accuracy", float, TARGET, "SHARE", "of the test images, which training is to reach")
    add("--results-csv", metavar="DIR", help="write results.csv (every epoch) and summary.csv there")
    add(
        "--tensorboard",
        metavar="DIR",
        help="write losses, accuracies, times and memory there, as TensorBoard reads them",
    )
    _add_workload(parser)


def _add_workload(parser):
    default = Workload()
    add = parser.getgroup("workload", "what is trained").addoption
    other = f"one of {', '.join(NETWORKS)}, or a TOML file that says what is trained (docs/own-workload.md)"
    add("--workload", metavar="NAME|FILE", help=f"{other}; the options below count more than it does")
    precisions = (
        f"of the matrix products, comma-separated, of {', '.join(BITS)}; each an entry of its own (default: fp32)"
    )
    add("--precision", default="fp32", metavar="NAMES", help=precisions)
    small = "mnist, synthetic (small, no download), or an .npz file (default: mnist)"
    add("--dataset", metavar="NAME|FILE", help=small)
    add("--mnist-dir", metavar="DIR", help="where the four MNIST files are; else $MNIST_DIR, caches, the network")
    _add_workload_number(add, "--epochs", int, "N", "per trial; the first is warm-up")
    add("--steps", type=int, metavar="N", help="of an epoch, its first ones (default: all)")
    _add_workload_number(add, "--batch-size", int, "N", "images a step")
    sizes = f"784, ..., 10 (default: {','.join(map(str, default.layer_sizes))})"
    add("--layer-sizes", type=_numbers, metavar="N,N,...", help=sizes)
    _add_workload_number(add, "--learning-rate", float, "RATE", "of SGD")
    _add_workload_number(add, "--init-scale", float, "SCALE", "deviation of the initial values")
    _add_workload_number(add, "--seed", int, "N", "of the initial values and the batch orders")
    drawn = f"which of the {DRAWS} orders of a seed is trained (default: drawn by the session)"
    add("--draw", type=int, metavar="N", help=drawn)


def _add_workload_number(add, option, kind, unit, what):
    default = getattr(Workload(), option[2:].replace("-", "_"))
    add(option, type=kind, metavar=unit, help=f"{what} (default: {default}, unless --workload says another)")


def _add_number(add, option, kind, default, unit, what):
    add(option, type=kind, default=default, metavar=unit, help=f"{what} (default: {default})")


def trials_of(given):
    """Return how many trials the options of a session ask for."""
    if given.trials is not None:
        return given.trials
    return SETTLED_TRIALS if given.duet_gate and not given.duet_history_alone else TRIALS


def _names(text):
    return tuple(filter(None, map(str.strip, text.split(","))))


def _numbers(text):
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers, comma-separated, as 784,512,10") from None
