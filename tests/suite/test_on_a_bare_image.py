"""What a GPU's image has is pytest, NumPy and frameworks: the tests that are marked for it are found there."""

import subprocess
import sys

from support import ROOT

ABSENT = (
    "altair aspectlib axe_playwright_python hypothesis jinja2 pexpect playwright psutil ruptures uv vl_convert yaml"
)
BLOCKS = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT.split()!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
for name in list(sys.modules):
    if name.partition(".")[0] in {ABSENT.split()!r}:
        del sys.modules[name]
"""


def collect(tmp_path, *arguments):
    (tmp_path / "blocks.py").write_text(BLOCKS)
    # Of pytest's plugins, those alone that the image has: the others' entry points would import what is blocked.
    line = [sys.executable, "-m", "pytest", "-p", "blocks", "-p", "pytest_benchmark.plugin", "-p", "xdist.plugin"]
    line += ["--collect-only", "-q"]
    paths = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    paths["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run([*line, *arguments], cwd=ROOT, env=paths, text=True, capture_output=True)


def test_every_module_can_be_imported_or_is_skipped(tmp_path):
    done = collect(tmp_path, "tests", "-m", "gpu and not slow")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "tests/suite/test_gpu.py::" in done.stdout and "error" not in done.stdout.splitlines()[-1]


def test_the_stand_in_blocks(tmp_path):
    (tmp_path / "test_it.py").write_text("import hypothesis\n")
    done = collect(tmp_path, str(tmp_path / "test_it.py"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider")
    assert done.returncode and "No module named 'hypothesis'" in done.stdout
