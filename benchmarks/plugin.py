"""What the suite tells pytest and pytest-duet: its options, the tests that its entries make, what a failure says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.doctor.hooks import pytest_duet_doctor_folders  # noqa: F401 - pytest calls them
from benchmarks.exports import EXPORTS
from benchmarks.frameworks import REGISTRY, attached_to
from benchmarks.options import Options, read_options
from benchmarks.pipelines import PIPELINES, pipelines_of
from benchmarks.questions import QUESTIONS, asked, question_of
from benchmarks.ranks import ENGINES
from benchmarks.report.hooks import (  # noqa: F401
    pytest_duet_report_columns,
    pytest_duet_report_csv,
    pytest_duet_report_sections,
    pytest_duet_report_words,
)
from benchmarks.workload.networks import BITS
from benchmarks.workload.recipe import workloads_of
from pytest_duet.errors import DuetError
from pytest_duet.plugin.hookspecs import Needs
from pytest_duet.plugin.marker import is_benchmark, subject_of
from pytest_duet.plugin.session import SLOT
from pytest_duet.workers.protocol import NotInstalled

OPTIONS = pytest.StashKey[Options]()
BENCHMARKS = Path(__file__).parent
TAKES_TURNS = "test_against.py"
NODE_ID = re.compile(r"(?:.*/)?benchmarks/test_\w+\.py::\w+\[(.*)\]")


def pytest_addoption(parser):
    from benchmarks.command_line import add_options

    add_options(parser)


@pytest.hookimpl(trylast=True)  # when pytest-duet has taken this worker's share of the machine
def pytest_configure(config):
    try:
        config.stash[OPTIONS] = read_options(config, config.stash.get(SLOT, None))
    except DuetError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc):
    if "framework" in metafunc.fixturenames:
        options = metafunc.config.stash[OPTIONS]
        id_of = options.convergence_id if "convergence" in metafunc.fixturenames else options.benchmark_id
        parameters = [
            pytest.param(name, id=id_of(name), marks=pytest.mark.duet(subject=name))
            for name in measured(metafunc, options)
        ]
        metafunc.parametrize("framework", parameters)
    if "devices" in metafunc.fixturenames:
        options = metafunc.config.stash[OPTIONS]
        where = f",hosts={len(options.hosts)}" if options.hosts else ""
        metafunc.parametrize("devices", options.devices, ids=[f"devices={count}{where}" for count in options.devices])


def measured(metafunc, options):
    """Return the names of what a test measures: all entries, unless it asks for more or for fewer of them.

    What belongs to entries, exports, pipelines and ranks, is of the workload that everybody trains. Of other precisions
    than fp32, training alone is asked.
    """
    entries = options.entries
    if "rounds" not in metafunc.fixturenames:
        entries = {name: entry for name, entry in entries.items() if entry.precision == "fp32"}
    attached = entries if options.workload.is_everybodys() else ()
    if "compiled_before" in metafunc.fixturenames:
        return [name for name, entry in entries.items() if entry.keeps_programs]
    if "feeding" in metafunc.fixturenames:
        return pipelines_of(attached)
    if "fleet" in metafunc.fixturenames:
        return attached_to(attached, ENGINES)
    return [*entries, *(attached_to(attached, EXPORTS) if "served" in metafunc.fixturenames else ())]


def pytest_ignore_collect(collection_path, config):
    """With ``--against``, both sides take turns in test_against.py; every other benchmark has the machine to itself."""
    name = collection_path.name
    if collection_path.parent == BENCHMARKS and name.startswith("test_") and question_of(name) not in QUESTIONS:
        return True if (name == TAKES_TURNS) != bool(config.getoption("duet_against")) else None


@pytest.hookimpl(wrapper=True, trylast=True)  # inside of pytest-duet's own, which words what is left
def pytest_runtest_setup(item):
    return (yield from _in_one_paragraph(item))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem):
    return (yield from _in_one_paragraph(pyfuncitem))


def _in_one_paragraph(item):
    """Tell a benchmark's failure in one paragraph: its traceback would show this suite's code, not the cause."""
    if not is_benchmark(item):
        return (yield)
    options = item.config.stash[OPTIONS]
    try:
        return (yield)
    except NotInstalled as error:
        text = f"{error}; {how}" if (how := how_to_install(error, options, subject_of(item))) else str(error)
        if options.require_frameworks:
            raise pytest.fail.Exception(f"{text} (--require-frameworks)", pytrace=False) from None
        raise pytest.skip.Exception(text) from None
    except AssertionError as error:
        if options.isolation == "none":
            raise  # it may be the trainer's own, and somebody is looking into it
        message, _, _ = str(error).partition("\nassert ")  # pytest's own explanation shows the suite's variables
        raise pytest.fail.Exception(message, pytrace=False) from None


def how_to_install(error, options, framework):
    """Return the one command that installs what a framework misses; ``""`` where nobody knows."""
    fed = {name: pipeline.entry for name, pipeline in PIPELINES.items()}
    entry = {**EXPORTS, **ENGINES, **fed, **options.entries}[framework]
    if error.cause == "program":
        return f"`apt-get install {' '.join(entry.missing_programs())}`, or your system's like, installs it"
    environments = entry.environments(options.on_gpu())
    return f"`tox run --notest -e {environments[0]}` installs it" if environments else ""


@pytest.hookimpl(wrapper=True, tryfirst=True)  # below everything else
def pytest_terminal_summary(terminalreporter, config):
    yield
    if config.getoption("quick"):
        terminalreporter.write_line("A quick look (--quick): nothing to quote.", yellow=True)


# pytest-duet's hooks


def pytest_duet_wanted(config):
    paths = [(config.invocation_params.dir / str(argument).split("::")[0]).resolve() for argument in config.args]
    return any(path == BENCHMARKS or path in BENCHMARKS.parents or BENCHMARKS in path.parents for path in paths)


def pytest_duet_needs(config):
    get = config.getoption
    return Needs(get("device"), get("threads"), modules=("autograd", "pooch"), file_options=("--framework-path",))


def pytest_duet_metrics():
    from benchmarks.metrics import LOSS, METRICS

    return (*METRICS, LOSS)


def pytest_duet_prepare(config, say):
    """Fetch the data set and train the oracle, if need be."""
    from benchmarks.workload import data
    from benchmarks.workload.oracle import trajectory
    from benchmarks.workload.trained import pruned, trained

    options = config.stash[OPTIONS]
    loaded = data.load(options.find_data(say), options.workload)
    wanted = [options.workload] if options.epoch_budget is None else []  # else the epochs may be cut
    if "convergence" in asked(config):
        wanted += workloads_of(options.workload, options.seeds)
    if "scaling" in asked(config):
        wanted += [replace(options.workload, batch_size=each * options.workload.batch_size) for each in options.devices]
    for workload in wanted:
        trajectory(workload, loaded, say)
    if "inference" in asked(config):
        trained(options.workload, loaded, say)
        exported = attached_to(options.entries, EXPORTS) if options.workload.is_everybodys() else ()
        for share in {EXPORTS[name].pruned for name in exported} - {0.0}:
            pruned(options.workload, loaded, share, say)


def pytest_duet_subject(config, nodeid):
    return framework_of(nodeid, [*config.stash[OPTIONS].entries, *EXPORTS, *PIPELINES, *ENGINES])


def pytest_duet_asked(config, subject, name):
    question, entries = question_of(name), config.stash[OPTIONS].entries
    if question in QUESTIONS:
        return question in asked(config) and (subject in entries or subject not in REGISTRY)
    exact = {subject, *(subject.removesuffix(f"-{precision}") for precision in BITS)}
    return subject in entries or not exact & REGISTRY.keys()


def pytest_duet_tables(config, terminalreporter, rows, machine):
    from benchmarks.report import (
        convergence_table,
        csv_files,
        framework_table,
        gpu_table,
        inference_table,
        pipeline_table,
        scaling_table,
        start_table,
        tensorboard_files,
    )
    from benchmarks.training_row import TrainingRow

    trained = [(row, TrainingRow.trusted(extra_info)) for row, extra_info in rows if "workload" in extra_info]
    if machine:
        terminalreporter.section(machine)
    start_table.show(terminalreporter, rows)
    inference_table.show(terminalreporter, rows)
    pipeline_table.show(terminalreporter, rows)
    convergence_table.show(terminalreporter, rows)
    scaling_table.show(terminalreporter, rows)
    if not trained:
        return
    framework_table.show(terminalreporter, trained, config.getoption("duet_wide"))
    gpu_table.show(terminalreporter, trained)
    if any(training.trace for _, training in trained):
        terminalreporter.write_line(f"traces, for Perfetto or TensorBoard: {config.stash[OPTIONS].traces}")
    directory = config.stash[OPTIONS].results_csv
    for path in csv_files.write(trained, Path(directory) / machine) if directory else ():
        terminalreporter.write_line(f"wrote {path}")
    if folder := config.stash[OPTIONS].tensorboard:
        terminalreporter.write_line(f"wrote {tensorboard_files.write(trained, Path(folder) / machine)}")


def framework_of(nodeid, frameworks):
    """Return which framework a benchmark's node id names, ``path::test[FRAMEWORK-conditions]``; None for other ones."""
    found = NODE_ID.fullmatch(nodeid)
    named = found[1] if found else ""
    return max((name for name in frameworks if named == name or named.startswith(f"{name}-")), key=len, default=None)
