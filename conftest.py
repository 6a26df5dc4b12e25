"""The suite as pytest sees it: its options, its fixtures, and how it reports. Everything else is in ``benchmarks/``."""

import shlex
from functools import lru_cache, partial
from pathlib import Path

import pytest

from benchmarks.doctor import hooks as doctor_hooks
from benchmarks.options import Options, add_options, read_options
from benchmarks.report import hooks as report_hooks
from pytest_duet.distributed.plan import add_options as distributed_options
from pytest_duet.distributed.plan import auto_workers, is_distributed, own_slot
from pytest_duet.distributed.worker_side import WorkerSide, leave_to_the_controller
from pytest_duet.errors import DuetError
from pytest_duet.plugin import checkup as session_checkup
from pytest_duet.plugin import gate_options, hookspecs, session_report
from pytest_duet.plugin import shard_session as shards
from pytest_duet.plugin.gate import Gate

OPTIONS = pytest.StashKey[Options]()
ROWS = pytest.StashKey[list]()
GATE = pytest.StashKey[Gate]()
BENCHMARKS = Path(__file__).with_name("benchmarks")


def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(hookspecs)
    pluginmanager.register(doctor_hooks, "suite-doctor")
    pluginmanager.register(report_hooks, "suite-report")


def pytest_addoption(parser):
    add_options(parser)
    distributed_options(parser)
    gate_options.add_options(parser)
    session_report.add_options(parser)
    shards.add_options(parser)


def pytest_configure(config):
    config.stash[ROWS] = []
    try:
        is_worker, slot = own_slot(config)
        if is_worker:
            leave_to_the_controller(config)
        if slot:
            slot.take()
        options = config.stash[OPTIONS] = read_options(config, slot)
        judging = gate_options.read_options(config)
        gate = config.stash[GATE] = Gate(judging, config, list(options.entries))
        plugin = WorkerSide(config, gate) if is_worker else gate
        if is_distributed(config) and _asks_for_benchmarks(config):
            from pytest_duet.distributed.controller import Controller

            plugin = Controller(config, options, judging)
        elif config.getoption("report"):
            report = session_report.SessionReport(config, config.getoption("report"))
            config.pluginmanager.register(report, "session-report")
        shards.register(config)  # before the gate, which judges what the cut leaves
    except DuetError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(plugin, "gate")
    if _asks_for_benchmarks(config):
        session_checkup.register(config, options.device)
    config.addinivalue_line(
        "markers", "gate(METRIC=MARGIN, ...): this benchmark's margins: gate(epoch_seconds='3%,1ms')"
    )


def pytest_xdist_auto_num_workers(config):
    return auto_workers(config) if _asks_for_benchmarks(config) else None  # None: as xdist itself has it


def pytest_generate_tests(metafunc):
    if "framework" in metafunc.fixturenames:
        options = metafunc.config.stash[OPTIONS]
        names = list(options.entries)
        metafunc.parametrize("framework", names, ids=map(options.benchmark_id, names))


def pytest_ignore_collect(collection_path, config):
    """With ``--against``, both sides take turns in test_against.py; every other benchmark has the machine to itself."""
    if collection_path.parent == BENCHMARKS and collection_path.name.startswith("test_"):
        takes_turns = collection_path.name == "test_against.py"
        return True if takes_turns != bool(config.stash[GATE].options.against) else None


@pytest.fixture(scope="session")
def options(pytestconfig):
    """The suite's own command-line options, :class:`benchmarks.options.Options`."""
    return pytestconfig.stash[OPTIONS]


@pytest.fixture(scope="session")
def progress(pytestconfig):
    """Call it with a line of text to show what is going on; silent where nobody watches."""
    from pytest_duet.plugin.progress import Progress

    line = Progress(pytestconfig)
    yield line
    line.clear()


@pytest.fixture(scope="session")
def data_directory(options, progress):
    """Where the four verified MNIST files are, fetched if need be; None for the synthetic data set."""
    return options.find_data(progress.say)


@pytest.fixture(scope="session")
def mnist(data_directory):
    """The data set, :class:`benchmarks.workload.dataset.Dataset`: MNIST, or what ``--dataset`` asks for instead."""
    from benchmarks.workload import dataset, mnist

    return mnist.load(data_directory) if data_directory else dataset.synthetic()


@pytest.fixture(scope="session")
def oracle(mnist, progress):
    """Gives, for a workload, how its training must go, :class:`benchmarks.workload.oracle.Trajectory`."""
    from benchmarks.workload.oracle import trajectory

    return lru_cache(maxsize=None)(lambda workload: trajectory(workload, mnist, progress.say))


@pytest.fixture(scope="session")
def machine_limit(options, progress):
    """Gives, for a row's device, its measured limit, :class:`benchmarks.peak.measured_peak.MachineLimits`."""
    from benchmarks.frameworks import LIMIT_SETTERS, REGISTRY
    from benchmarks.peak.measured_peak import MachineLimits

    setters = LIMIT_SETTERS if options.measure_limit else ()
    return MachineLimits([options.runner(REGISTRY[name]) for name in setters], progress, options.limit_again)


@pytest.fixture
def trainer(framework, options, data_directory, progress):
    """Runs trials of the framework under test, :class:`pytest_duet.trials.runner.Runner`."""
    yield options.runner(options.entries[framework], data_directory, progress)
    progress.clear()


@pytest.fixture(scope="session")
def idle_gpu(options, progress):
    """The GPU that is watched, and what it draws idle, in watts, found before anything of this session runs there."""
    from pytest_duet.sensors.energy import idle_watts
    from pytest_duet.sensors.gpu import find_gpu

    gpu = None if options.device == "cpu" else find_gpu()
    if gpu is None or not options.memory_interval:
        return gpu, None
    progress("measuring the GPU's idle power")
    return gpu, idle_watts(gpu)


@pytest.fixture
def gpu_memory(options, idle_gpu):
    """Gives, when called, a fresh :class:`pytest_duet.sensors.sampler.MemorySampler` for one trial."""
    from pytest_duet.sensors.sampler import MemorySampler

    gpu, watts = idle_gpu
    return partial(MemorySampler, gpu, options.memory_interval, watts)


@pytest.fixture
def clock(request):
    """The timer that pytest-benchmark reads; name it before ``benchmark``, which takes its timer when it is built."""
    from pytest_duet.plugin.replay_clock import ReplayClock

    replay = ReplayClock()
    request.node.add_marker(pytest.mark.benchmark(timer=replay))
    return replay


@pytest.fixture
def rename(framework, options, clock, benchmark):  # clock first: benchmark takes its timer when it is built
    """Call it with the workload that is really trained, if it turns out to be another than the one asked for.

    pytest-benchmark compares by name alone, and times of different workloads must never be compared.
    """

    def apply(workload):
        asked, found = options.benchmark_id(framework), options.benchmark_id(framework, workload)
        benchmark.param = found
        for name in ("name", "fullname"):
            setattr(benchmark, name, getattr(benchmark, name).replace(f"[{asked}]", f"[{found}]"))

    return apply


@pytest.fixture(scope="session")
def other(pytestconfig):
    """The other side of ``--against``, :class:`pytest_duet.trials.other_side.Other`."""
    from pytest_duet.trials.other_side import open_other

    with open_other(pytestconfig.stash[GATE].options.against) as other:
        yield other


@pytest.fixture
def turns(pytestconfig, mnist):
    """Gives, for a workload and the seconds that a step takes, the turns of an epoch: ``[(first step, stop), ...]``."""
    from pytest_duet.trials.pairs import cut_into_turns

    seconds, images = pytestconfig.stash[GATE].options.part_seconds, len(mnist.train_labels)
    return lambda workload, step_seconds: cut_into_turns(workload, images, seconds, step_seconds)


@pytest.fixture
def undecided(pytestconfig, request):
    """Tells, for a row of paired trials, whether one more may bring an answer that is still open."""
    return partial(pytestconfig.stash[GATE].wants_more, request.node)


@pytest.fixture
def publish(pytestconfig, request, machine_limit, clock, benchmark):  # clock first: benchmark reads its timer early
    """Call it with the benchmark's ``extra_info`` to have its row in the tables at the end, and the gate judge it."""

    def apply(row):
        machine_limit.check(row)
        pytestconfig.stash[ROWS].append(row)
        pytestconfig.stash[GATE].publish(request.node, benchmark.fullname, row)

    return apply


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    try:
        return (yield)
    except DuetError as error:
        raise _in_one_paragraph(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tell a benchmark's failure in one paragraph: its traceback would show this suite's code, not the cause."""
    from pytest_duet.workers.process import FrameworkMissing, HardwareMissing

    if "trainer" not in pyfuncitem.fixturenames:
        return (yield)
    try:
        return (yield)
    except HardwareMissing as error:
        raise pytest.skip.Exception(str(error)) from None
    except FrameworkMissing as error:
        options = pyfuncitem.config.stash[OPTIONS]
        environments = options.entries[pyfuncitem.callspec.params["framework"]].environments(options.on_gpu())
        text = f"{error}; `tox run --notest -e {environments[0]}` installs it" if environments else str(error)
        if options.require_frameworks:
            raise _in_one_paragraph(f"{text} (--require-frameworks)") from None
        raise pytest.skip.Exception(text) from None
    except DuetError as error:
        raise _in_one_paragraph(str(error)) from None
    except AssertionError as error:
        if pyfuncitem.config.stash[OPTIONS].isolation == "none":
            raise  # it may be the trainer's own, and somebody is looking into it
        message, _, _ = str(error).partition("\nassert ")  # pytest's own explanation shows the suite's variables
        raise _in_one_paragraph(message) from None


def _in_one_paragraph(text):
    return pytest.fail.Exception(text, pytrace=False)


def pytest_benchmark_update_machine_info(machine_info):
    from pytest_duet.sensors.fingerprint import fingerprint

    machine_info["fingerprint"] = fingerprint()


@pytest.hookimpl(tryfirst=True)
def pytest_benchmark_compare_machine_info(config):
    config.stash[GATE].prepare_storage()  # a warning names it, which fails for pytest-benchmark's own


def pytest_benchmark_update_json(config, output_json):
    output_json["command"] = shlex.join(["pytest", *map(str, config.invocation_params.args)])


@pytest.hookimpl(trylast=True)  # after pytest-benchmark's own table
def pytest_terminal_summary(terminalreporter, config):
    if config.stash[ROWS]:
        from benchmarks.report import session_tables

        session_tables.show(terminalreporter, config.stash[ROWS], config.stash[OPTIONS].results_csv)


def _asks_for_benchmarks(config):
    paths = [(config.invocation_params.dir / str(argument).split("::")[0]).resolve() for argument in config.args]
    return any(path == BENCHMARKS or path in BENCHMARKS.parents or BENCHMARKS in path.parents for path in paths)
