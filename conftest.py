"""The fixtures of the suite's benchmarks; what it tells pytest besides stands in ``benchmarks/plugin.py``."""

import sys
from functools import lru_cache, partial

import pytest

pytest_plugins = ["pytest_duet.plugin", "benchmarks.questions", "benchmarks.plugin"]


@pytest.fixture(scope="session")
def options(pytestconfig):
    """The suite's own command-line options, :class:`benchmarks.options.Options`."""
    from benchmarks.plugin import OPTIONS  # not above: pytest is to import its plugins itself

    return pytestconfig.stash[OPTIONS]


@pytest.fixture(scope="session")
def data_directory(options, duet_progress):
    """Where the data are, fetched if need be, as :func:`benchmarks.workload.data.load` knows them."""
    return options.find_data(duet_progress.say)


@pytest.fixture(scope="session")
def mnist(data_directory, options):
    """The data set, :class:`benchmarks.workload.dataset.Dataset`: MNIST, or what is asked for instead."""
    from benchmarks.workload import data

    return data.load(data_directory, options.workload)


@pytest.fixture(scope="session")
def oracle(mnist, duet_progress):
    """Gives, for a workload, how its training must go, :class:`benchmarks.workload.oracle.Trajectory`."""
    from benchmarks.workload.oracle import trajectory

    return lru_cache(maxsize=None)(lambda workload: trajectory(workload, mnist, duet_progress.say))


@pytest.fixture(scope="session")
def measured_peak(options, duet_progress):
    """Gives, for a row's device, its measured peak, :class:`benchmarks.peak.measured_peak.MeasuredPeaks`."""
    from benchmarks.frameworks import PEAK_SETTERS, REGISTRY
    from benchmarks.peak.measured_peak import MeasuredPeaks

    setters = PEAK_SETTERS if options.measure_limit else ()
    return MeasuredPeaks([options.runner(REGISTRY[name]) for name in setters], duet_progress, options.limit_again)


@pytest.fixture
def runner(framework, options, data_directory, duet_progress):
    """Runs trials of the framework under test, :class:`benchmarks.trainer_runner.TrainerRunner`."""
    entry = options.entries[framework]
    return options.runner(entry, data_directory, lambda text: duet_progress(f"{framework}: {text}"))


@pytest.fixture
def start(framework, options, mnist, data_directory, benchmark, tmp_path, monkeypatch):
    """The start of the framework under test, which finds nothing compiled: :class:`benchmarks.cold_start.ColdStart`."""
    from benchmarks.cold_start import ColdStart
    from benchmarks.frameworks.loading import kept_in

    if benchmark.disabled:
        pytest.skip("--benchmark-disable: a start takes a process of its own")
    for name, value in kept_in(tmp_path).items():
        monkeypatch.setenv(name, value)
    entry = options.entries[framework]
    if python := options.interpreter(entry):
        from benchmarks.start_elsewhere import StartElsewhere

        (folder := tmp_path / "told").mkdir()
        return StartElsewhere(entry, options.workload, mnist, options.device, python, data_directory, folder)
    return ColdStart(options.installed(entry), options.workload, mnist, options.device)


@pytest.fixture
def convergence(framework, options, mnist):
    """The framework under test, to be trained until it is good: :class:`benchmarks.convergence.Convergence`."""
    from benchmarks.convergence import Convergence
    from benchmarks.workload.recipe import workloads_of

    entry = options.installed(options.entries[framework])
    workloads = workloads_of(options.workload, options.seeds)
    return Convergence(entry, workloads, mnist, options.target_accuracy, options.device)


@pytest.fixture
def compiled_before(framework, options, data_directory, tmp_path):
    """Has another process compile everything that the framework under test will look for."""
    from benchmarks.cold_start import fill

    entry = options.entries[framework]
    fill(
        tmp_path, entry, options.workload, options.device, data_directory, options.interpreter(entry) or sys.executable
    )


@pytest.fixture
def served(framework, options, mnist, tmp_path):
    """The network of the framework or the export under test, to be asked: :class:`benchmarks.inference.Served`."""
    from benchmarks.exports import CALIBRATING, EXPORTS
    from benchmarks.frameworks.loading import load_trainer
    from benchmarks.inference import Served, answers_of
    from benchmarks.workload.trained import pruned, trained

    parameters = trained(options.workload, mnist)
    if framework in EXPORTS:
        export = EXPORTS[framework]
        options.installed(export)
        saved = pruned(options.workload, mnist, export.pruned) if export.pruned else parameters
        predict, path = load_trainer(export.location)(saved, tmp_path, mnist.train_images[:CALIBRATING])
        return Served(framework, predict, saved, mnist, export.precision, path, whole=parameters)
    entry = options.installed(options.entries[framework])
    predict = answers_of(entry, options.workload, parameters, mnist, options.device)
    return Served(framework, predict, parameters, mnist, workload=options.workload)


@pytest.fixture
def feeding(framework, options, mnist):
    """The input pipeline under test, and the model that it feeds: :class:`benchmarks.pipelines.Feeding`."""
    from benchmarks.pipelines import PIPELINES, Feeding

    options.installed(PIPELINES[framework].entry)
    return Feeding(PIPELINES[framework], options.workload, mnist, options.device)


@pytest.fixture
def fleet(framework, devices, options, mnist, data_directory):
    """Gives, for a workload, the engine under test on so many devices: :class:`benchmarks.ranks.fleet.Fleet`."""
    from benchmarks.ranks import ENGINES
    from benchmarks.ranks.fleet import Fleet
    from benchmarks.ranks.seats import as_one, seats_of
    from pytest_duet.sensors.cpu import own_cores, usable_cores
    from pytest_duet.sensors.gpu import visible_gpus

    engine = ENGINES[framework]
    options.installed(engine)
    if engine.one_process and options.hosts:
        pytest.skip(f"{framework} trains in one process, which is on one machine: not with --hosts")
    cores = own_cores() or range(usable_cores())
    gpus = [gpu.uuid() for gpu in visible_gpus()] if options.on_gpu() else None
    seats = seats_of(cores, devices, max(options.devices), options.hosts, gpus)

    def gives(workload, together=True):
        return Fleet(
            framework,
            engine.location,
            workload,
            data=data_directory,
            images=len(mnist.train_labels),
            seats=[as_one(seats)] if engine.one_process and together else seats,
            together=together,
            timeout_seconds=options.worker_timeout,
            variables=dict(engine.variables),
        )

    return gives


@pytest.fixture(scope="session")
def taking_turns(mnist, oracle, gpu_memory, measured_peak, options, idle_gpu, pytestconfig):
    """How training is proven, and takes turns with another side, :class:`benchmarks.taking_turns.TakingTurns`."""
    from benchmarks.taking_turns import TakingTurns
    from pytest_duet.plugin.session import GATE
    from pytest_duet.trials.soak import Soak

    gate = pytestconfig.stash[GATE].options
    each_step = any(metric.every_round for metric in gate.metrics.values())
    soak = Soak(None if options.quick or options.isolation == "none" else idle_gpu[0])
    return TakingTurns(mnist, oracle, gpu_memory, gate.turn_seconds, measured_peak.bound, each_step, soak)


@pytest.fixture(scope="session")
def rounds(request, options, data_directory, taking_turns, measured_peak, duet_progress):
    """The trials of all frameworks that this session trains, in rounds: :class:`pytest_duet.trials.rounds.Rounds`."""
    from benchmarks.training import rounds_of

    return rounds_of(request, options, data_directory, taking_turns, measured_peak, duet_progress)


@pytest.fixture(scope="session")
def idle_gpu(options, duet_progress):
    """The GPU that is watched, and what it draws idle, in watts, found before anything of this session runs there."""
    from pytest_duet.sensors.energy import idle_watts
    from pytest_duet.sensors.gpu import find_gpu

    gpu = None if options.device == "cpu" else find_gpu()
    if gpu is None or not options.memory_interval:
        return gpu, None
    duet_progress("measuring the GPU's idle power")
    return gpu, idle_watts(gpu)


@pytest.fixture(scope="session")
def gpu_memory(options, idle_gpu):
    """Gives, when called, a fresh :class:`pytest_duet.sensors.sampler.MemorySampler` for one trial."""
    from pytest_duet.sensors.sampler import MemorySampler

    gpu, watts = idle_gpu
    return partial(MemorySampler, gpu, options.memory_interval, watts)
