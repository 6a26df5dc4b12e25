"""Starts a session of pytest from a process that has imported what all of them import: 57 tests took 59 s for 83.

The session has a process, an environment, a folder and an output of its own, as with ``python -m pytest``. Tests of how
a session starts, of what it imports and of what a signal does to it run that command instead.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# Nothing of this project, and no plugin: pytest rewrites their assertions while it imports them.
PRELOADED = """
pytest _pytest.assertion.rewrite _pytest.junitxml _pytest.legacypath cpuinfo execnet.gateway filelock
autograd numpy numpy.random rich.console rich.table scipy.special email.message hashlib importlib.metadata
xml.etree.ElementTree
"""
# Plugins of packages that are here for something else. To import them took a session 0.4 s of its 1.45.
UNUSED = [word for name in ("anyio", "hypothesispytest", "jaxtyping") for word in ("-p", f"no:{name}")]


def run_pytest(arguments, folder, environment, timeout, together=False, fresh=False):
    """Run pytest in a folder, and return the CompletedProcess, which has ended.

    :param timeout: in seconds, after which it is killed and a TimeoutExpired raised.
    :param together: whether its standard error goes where its standard output does.
    :param fresh: whether the command itself is run.
    """
    arguments = [*UNUSED, *arguments]
    if fresh or "COVERAGE_PROCESS_CONFIG" in environment:  # which counts from the start of a Python
        outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT if together else subprocess.PIPE}
        line = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(line, cwd=folder, env=environment, timeout=timeout, text=True, **outputs)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED.split())
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [Path(scratch, "out"), Path(scratch, "out" if together else "err")]
        session = context.Process(target=_session, args=(arguments, folder, environment, outputs, cores))
        session.start()
        session.join(timeout)
        if session.exitcode is None:
            session.kill()
            session.join()
            raise subprocess.TimeoutExpired(arguments, timeout, outputs[0].read_text(), outputs[1].read_text())
        return subprocess.CompletedProcess(arguments, session.exitcode, *(each.read_text() for each in outputs))


def _session(arguments, folder, environment, outputs, cores):
    if cores:
        os.sched_setaffinity(0, cores)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, output in enumerate(outputs, start=1):
        with open(output, "ab", buffering=0) as file:
            os.dup2(file.fileno(), descriptor)
    sys.path[:0] = [str(folder), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["pytest", *arguments]
    try:
        runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    finally:
        with suppress(Exception):
            atexit._run_exitfuncs()  # which a process of multiprocessing leaves out
