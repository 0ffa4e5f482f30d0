"""Interpreters: every CPython from 3.9 on, isolated subinterpreters, PyPy."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path
from typing import Callable

import building
import cpythons
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, makes ELF files")


@pytest.fixture(scope="session")
def unpacked(once: Callable[[str, Callable[[Path], Path]], Path], pair: building.Pair) -> Path:
    """A folder with both wheels in it, for interpreters that are no virtual environment."""

    def make(folder: Path) -> Path:
        for wheel in (pair.provider, pair.consumer):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        return folder

    return once("unpacked", make)


# Every CPython ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", cpythons.VERSIONS)
def test_provider_loads(unpacked: Path, version: str) -> None:
    code = f"import libfoo; print(libfoo.loader.load()[0].origin)\n{building.MAPPED}print(mapped('.so.1'))"
    said = building.run(cpythons.need(version), "-c", code, env={"PYTHONPATH": str(unpacked)})
    assert said.startswith("wheel\n")
    assert f"'{unpacked}/libfoo/lib/libfoo__foo.so.1'" in said


# -S and `import site`: as a bare interpreter, less what .pth files of this machine import.
MODULES = "import site, sys; sys.path.insert(0, {path!r}); {code}; print(*sorted(sys.modules))"
LIBFOO = {"libfoo", "libfoo._native_libs", "libfoo._shared_lib_manager"}
LOADED = {*LIBFOO, "_ctypes"}
FOO_EXT = {f"foo_ext{module}" for module in ("", "._native_requires", "._shared_lib_consumer")}
CONSUMERS = "shared_lib_consumer"
PLAIN = f"import sys; sys.path.append({str(building.ROOT / 'loader' / 'src' / 'native_lib' / 'support')!r}); import {CONSUMERS}; "
PLAIN += f"{CONSUMERS}.load_library_module"


def modules(python: Path, folder: Path, code: str, **env: str) -> set[str]:
    """What code imports that a bare interpreter has not loaded already."""
    there, bare = (
        building.run(python, "-I", "-S", "-c", MODULES.format(path=str(folder), code=line), env=env)
        for line in (code, "pass")
    )
    return set(there.split()) - set(bare.split())


@pytest.mark.parametrize("version", cpythons.VERSIONS)
@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("import libfoo", LIBFOO),
        ("import libfoo; libfoo.loader.load()", LOADED),
        ("import libfoo; libfoo.loader.load(prefer_system=True)", LOADED),
        ("import foo_ext", {*LOADED, *FOO_EXT, "foo_ext._ext"}),
        (f"{PLAIN}('libfoo')", {*LOADED, CONSUMERS}),
        # What looks for metadata imports zlib, and the system's libz has its name from then on.
        (f"{PLAIN}('absent', prefer_system=True)", {CONSUMERS}),
        (f"{PLAIN}('libfoo.lib', prefer_system=True)", {*LIBFOO, "libfoo.lib", CONSUMERS}),
    ],
    ids=["import", "load", "system", "consumer", "plain form", "absent", "mere folder"],
)
def test_modules_that_are_imported(unpacked: Path, version: str, code: str, more: set[str]) -> None:
    assert modules(cpythons.need(version), unpacked, code) == more


def test_modules_that_an_override_imports(unpacked: Path, tmp_path: Path) -> None:
    copy = tmp_path / "libfoo__foo.so.1"
    shutil.copy(unpacked / "libfoo" / "lib" / copy.name, copy)
    code = "import libfoo; assert libfoo.loader.load()[0].origin == 'override'"
    python = Path(sys.executable)
    assert modules(python, unpacked, code, NATIVE_LIB_FOO_PATH=str(copy)) == LOADED


@pytest.mark.parametrize("origin", ["wheel", "already-loaded", "system"])
def test_modules_that_a_plain_name_imports(
    plain_pair: building.Pair, tmp_path: Path, origin: str
) -> None:
    """To tell where another copy lies takes ctypes, which the third file asks."""
    with zipfile.ZipFile(plain_pair.provider) as archive:
        archive.extractall(tmp_path)
    copy = tmp_path / "system" / "libfoo.so.1"
    copy.parent.mkdir()
    shutil.copy(tmp_path / "libfoo" / "lib" / copy.name, copy)
    first = f"import _ctypes; _ctypes.dlopen({str(copy)!r}, 2); " * (origin == "already-loaded")
    env = {"LD_LIBRARY_PATH": str(copy.parent), "PREFER_FOO_SYSTEM_LIBRARY": "1"}
    code = f"{first}import libfoo; assert libfoo.loader.load()[0].origin == {origin!r}"
    python = Path(sys.executable)
    found = modules(python, tmp_path, code, **(env if origin == "system" else {}))
    another = {"libfoo._shared_lib_explain", *modules(python, tmp_path, "import ctypes")}
    more = {"_ctypes"} if origin == "wheel" else another
    assert found == {*LIBFOO, *more}


# Isolated subinterpreters -------------------------------------------------------------------------

ISOLATED = """
import sys
if sys.version_info >= (3, 14):
    from concurrent import interpreters
    interpreters.create().exec({code!r})
elif sys.version_info >= (3, 13):
    import _interpreters
    failed = _interpreters.exec(_interpreters.create("isolated"), {code!r})
    assert failed is None, failed
else:
    import _xxsubinterpreters
    _xxsubinterpreters.run_string(_xxsubinterpreters.create(isolated=True), {code!r})
"""
TRY = """
try:
    {code}
except ImportError as error:
    print(type(error).__name__, error)
"""


def in_isolation(python: Path, folder: Path, code: str) -> str:
    full = ISOLATED.format(code=TRY.format(code=code))
    return building.run(
        python, "-c", full, env={"PYTHONPATH": str(folder), "NATIVE_LIB_DEBUG": "1"}
    )


LOAD = "import libfoo; libfoo.loader.load()"


@pytest.mark.parametrize("version", ["3.13", "3.14", "3.15"])
def test_loader_in_a_subinterpreter(unpacked: Path, version: str) -> None:
    said = in_isolation(cpythons.need(version), unpacked, LOAD)
    file = unpacked / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert said == f"native-lib: libfoo: foo is {file} (wheel)\n"


def test_loader_in_a_subinterpreter_that_has_no_ctypes(unpacked: Path) -> None:
    said = in_isolation(cpythons.need("3.12"), unpacked, LOAD)
    file = unpacked / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert said == (
        f"NativeLibraryError libfoo cannot open {file}: module _ctypes does not support loading in "
        "subinterpreters. Opening a library requires Python's ctypes. Either this Python was built "
        "without it (without libffi), or this is an isolated subinterpreter, which has it from "
        "Python 3.13 on: use that, or import libfoo in the main interpreter only.\n"
    )


ANSWERS = {
    "c-api": {"stable_abi": "no"},
    "c-api-abi3-3.12": {"python_min": "3.12"},
    "c-api-abi3-3.11": {"python_min": "3.11"},
    "cython": {"binding": "cython"},
    "nanobind": {"binding": "nanobind"},
    "pybind11": {"binding": "pybind11", "stable_abi": "no"},
}


# Each binding on the newest two, and the stable ABI's two kinds on the first Python that isolates them.
BUILT = [
    *((version, name) for version in ("3.14", "3.15") for name in ANSWERS),
    *(("3.13", name) for name in ("c-api-abi3-3.12", "c-api-abi3-3.11")),
]


Once = Callable[[str, Callable[[Path], Path]], Path]


def built_by(once: Once, pair: building.Pair, version: str, name: str) -> Path:
    """Return a folder with the pair, its consumer built by one Python from one set of answers."""
    python = cpythons.need(version)

    def make(folder: Path) -> Path:
        generated = building.generate(folder, **ANSWERS[name])
        wheels = generated / "dist"
        wheels.mkdir()
        shutil.copy(pair.provider, wheels)
        building.build(generated / "foo-ext", wheels, python=python)
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder / "unpacked")
        return folder / "unpacked"

    return once(f"built-{version}-{name}", make)


@pytest.mark.parametrize(("version", "name"), BUILT)
def test_binding_is_built_and_imported_without_a_warning(
    once: Once, pair: building.Pair, version: str, name: str
) -> None:
    env = {"PYTHONPATH": str(built_by(once, pair, version, name))}
    said = building.run(cpythons.need(version), "-W", "error", "-c", building.SQUARE, env=env)
    assert said == "9.0\n"


@pytest.mark.parametrize(("version", "name"), BUILT)
def test_extension_in_a_subinterpreter(
    once: Once, pair: building.Pair, version: str, name: str
) -> None:
    folder = built_by(once, pair, version, name)
    code = "import foo_ext; print(foo_ext.square(3))"
    said = in_isolation(cpythons.need(version), folder, code).splitlines()
    refused = "ImportError module foo_ext._ext does not support loading in subinterpreters"
    # The loader has done its work in every case.
    assert said[1].endswith("/libfoo/lib/libfoo__foo.so.1 (wheel)")
    assert said[2:] == ["9.0" if name in ("c-api", "c-api-abi3-3.12") else refused]


POOL = """
from concurrent.futures import InterpreterPoolExecutor
from workers import load, square

# Each interpreter loads when it starts, also one that starts so late that no work is left.
with InterpreterPoolExecutor(max_workers=8, initializer=load) as pool:
    print(sorted(pool.map(square, range(64))) == [n * n for n in range(64)])
"""
WORKERS = """
def load():
    import foo_ext

def square(value):
    import foo_ext
    return foo_ext.square(value)
"""


@pytest.mark.parametrize("version", ["3.14", "3.15"])
def test_pool_of_eight_interpreters(
    once: Once, pair: building.Pair, tmp_path: Path, version: str
) -> None:
    folder = built_by(once, pair, version, "c-api-abi3-3.12")
    (tmp_path / "workers.py").write_text(WORKERS, encoding="utf-8")
    env = {"PYTHONPATH": f"{folder}:{tmp_path}", "NATIVE_LIB_DEBUG": "1"}
    python = cpythons.need(version)
    said = building.run(
        python, "-c", f"{POOL}{building.MAPPED}print(mapped('foo.so'))", env=env
    ).splitlines()
    library = f"{folder}/libfoo/lib/libfoo__foo.so.1"
    assert said[-2:] == ["True", f"['{library}']"]
    # Each interpreter has the loader of its own, and each line is whole.
    assert said[:-2].count(f"native-lib: libfoo: foo is {library} (wheel)") == 8
    assert {line.partition(":")[0] for line in said[:-2]} == {"native-lib"}


# Lazy imports -------------------------------------------------------------------------------------

IS_OPEN = f"{building.MAPPED}\ndef is_open(): return bool(mapped('libfoo__foo.so.1'))\n"


@pytest.mark.parametrize(
    ("options", "statement", "use"),
    [
        ((), "lazy import foo_ext", "foo_ext.square(3)"),
        ((), "lazy from foo_ext import square", "square(3)"),
        (("-X", "lazy_imports=all"), "import foo_ext", "foo_ext.square(3)"),
        (("-X", "lazy_imports=all"), "from foo_ext import square", "square(3)"),
    ],
    ids=["lazy import", "lazy from", "all, import", "all, from"],
)
def test_lazy_import_loads_at_first_use(
    unpacked: Path, options: tuple[str, ...], statement: str, use: str
) -> None:
    code = f"{IS_OPEN}{statement}\nprint(is_open())\nprint({use})\nprint(is_open())"
    env = {"PYTHONPATH": str(unpacked)}
    said = building.run(cpythons.need("3.15"), *options, "-W", "error", "-c", code, env=env)
    assert said.split() == ["False", "9.0", "True"]


def test_lazy_import_of_a_broken_pair_tells_the_same_at_first_use(
    unpacked: Path, tmp_path: Path
) -> None:
    shutil.copytree(unpacked / "foo_ext", tmp_path / "foo_ext")
    code = "lazy import foo_ext\ntry:\n    foo_ext.square\nexcept ImportError as error:\n"
    code += "    print(type(error).__name__, error)"
    said = building.run(cpythons.need("3.15"), "-c", code, env={"PYTHONPATH": str(tmp_path)})
    assert said.startswith("LibraryNotFoundError foo_ext needs the native library 'foo'")


def test_explicit_load_is_not_deferred(unpacked: Path) -> None:
    code = f"{IS_OPEN}import libfoo\nprint(is_open())\nlibfoo.loader.load()\nprint(is_open())"
    options = ("-X", "lazy_imports=all")
    said = building.run(
        cpythons.need("3.15"), *options, "-c", code, env={"PYTHONPATH": str(unpacked)}
    )
    assert said.split() == ["False", "True"]


# PyPy ---------------------------------------------------------------------------------------------

# What differs there: _ctypes.dlopen returns objects that are equal to nothing, there is no dlsym, a
# library is closed when its CDLL is collected, and CDLL does not look symbols up by a handle.
STAND_IN = """
import _ctypes, ctypes, sys, types

class Library:
    def __init__(self, name, mode):
        pass
    def __eq__(self, other):
        return False

class CDLL(ctypes.CDLL):
    def __init__(self, name, mode=0):
        super().__init__(name, mode)
    def __del__(self):
        close(self._handle)

close, ctypes.CDLL = _ctypes.dlclose, CDLL
sys.modules["_ctypes"] = types.SimpleNamespace(dlopen=Library)
sys.implementation.name = "pypy"
"""


@pytest.fixture(params=["pypy", "stand-in"])
def pypy(request: pytest.FixtureRequest, unpacked: Path) -> Callable[[str], str]:
    """Run code with PyPy, or with a CPython in which ctypes is made to behave as PyPy's does."""
    python: str | None = sys.executable
    before = STAND_IN
    if request.param == "pypy":
        python, before = shutil.which("pypy3"), ""
    if python is None:
        pytest.skip("pypy3 is not installed")
    env = {"PYTHONPATH": str(unpacked), "NATIVE_LIB_DEBUG": "1"}

    def run(code: str) -> str:
        check = "import sys; assert sys.implementation.name == 'pypy'"
        return building.run(python, "-c", f"{before}{check}{building.MAPPED}{code}", env=env)

    return run


def test_pypy_loads(pypy: Callable[[str], str], unpacked: Path) -> None:
    file = unpacked / "libfoo" / "lib" / "libfoo__foo.so.1"
    # One line: nothing was "not verified", so the handles were compared.
    assert pypy(LOAD) == f"native-lib: libfoo: foo is {file} (wheel)\n"


RELOAD = "import importlib; importlib.reload(libfoo._shared_lib_manager)"


@pytest.mark.parametrize("afterwards", ["pass", RELOAD], ids=["loaded", "reloaded"])
def test_pypy_keeps_the_library_open(
    pypy: Callable[[str], str], unpacked: Path, afterwards: str
) -> None:
    collect = "import gc; [gc.collect() for _ in range(5)]"
    said = pypy(f"{LOAD}\n{afterwards}\n{collect}\nprint(mapped('foo.so'))")
    assert f"['{unpacked}/libfoo/lib/libfoo__foo.so.1']" in said


CONFLICT = f"""
try:
    {LOAD}
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_pypy_finds_a_second_copy(
    pypy: Callable[[str], str], unpacked: Path, tmp_path: Path
) -> None:
    copy = shutil.copy(unpacked / "libfoo" / "lib" / "libfoo__foo.so.1", tmp_path)
    said = pypy(f"import ctypes; first = ctypes.CDLL({str(copy)!r})\n{CONFLICT}")
    assert said.startswith("LibraryConflictError Another file in this process already has the name")
    assert f"answers: {copy}\n" in said


def test_pypy_finds_symbols_of_another_file(pypy: Callable[[str], str], tmp_path: Path) -> None:
    source = 'const char *foo_version(void) { return "another"; }'
    other = building.compile_library(source, tmp_path / "libother.so")
    said = pypy(
        f"import ctypes; first = ctypes.CDLL({str(other)!r}, ctypes.RTLD_GLOBAL)\n{CONFLICT}"
    )
    assert "\nLibraryConflictError Another loaded file already defines foo_version" in f"\n{said}"
    assert f"answers: {other}\n" in said


# Emscripten ---------------------------------------------------------------------------------------

# It lists a library before it reads it, and leaves it in the list when it cannot use it.
EMSCRIPTEN = """
import _ctypes, ctypes, sys

listed = []

class CDLL(ctypes.CDLL):
    def __init__(self, name, mode=0, winmode=None):
        self._handle = 1
        if name not in listed:
            listed.append(name)
            raise OSError("need to see wasm magic number")

ctypes.CDLL, _ctypes.dlopen = CDLL, lambda name, mode: CDLL(name)._handle
sys.platform = "emscripten"
"""
LOAD_TWICE = """
import libfoo
for _ in range(2):
    try:
        print(libfoo.loader.load())
    except ImportError as error:
        print(type(error).__name__, error)
"""


def test_second_load_on_emscripten_fails_as_the_first(unpacked: Path) -> None:
    env = {"PYTHONPATH": str(unpacked)}
    said = building.run(sys.executable, "-c", f"{EMSCRIPTEN}{LOAD_TWICE}", env=env)
    first, second = said[: len(said) // 2], said[len(said) // 2 :]
    assert first == second
    assert first.startswith("LibraryNotFoundError libfoo cannot load its library 'foo'.\n")
    assert "  system: need to see wasm magic number\n" in first


# Node.js runs the real one.
PYODIDE = """
import { loadPyodide } from "pyodide";
const python = await loadPyodide();
const [folder, code] = process.argv.slice(2);
python.FS.mkdir("/wheels");
python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, "/wheels");
python.runPython(`import sys; sys.path.insert(0, "/wheels")`);
python.runPython(code);
"""


@pytest.fixture(scope="session")
def pyodide(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """A script that runs code in Pyodide: its folder, and what it is to run."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("no npm and node here, which run Pyodide")

    def make(folder: Path) -> Path:
        building.run("npm", "install", "--no-audit", "--no-fund", "pyodide@314.0.7", cwd=folder)
        (folder / "run.mjs").write_text(PYODIDE, encoding="utf-8")
        return folder / "run.mjs"

    try:
        return once("pyodide", make)
    except building.CommandError as error:
        pytest.skip(f"not available: npm's pyodide: {str(error).splitlines()[0]}")


def test_second_load_on_pyodide_fails_as_the_first(unpacked: Path, pyodide: Path) -> None:
    said = building.run("node", pyodide, unpacked, LOAD_TWICE)
    assert said.count("LibraryNotFoundError libfoo cannot load its library 'foo'.\n") == 2
    assert said.count("Error: need to see wasm magic number\n") == 2
    assert "LoadedLibrary" not in said
