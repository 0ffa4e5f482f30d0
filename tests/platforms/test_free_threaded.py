"""A Python without the GIL: many threads import the pair at once, and it stays without."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Callable

import building
import cpythons
import pytest

if TYPE_CHECKING:
    from pathlib import Path

Once = Callable[[str, Callable[["Path"], building.Environment]], building.Environment]

# Every binding that the template offers; each says in its own way that it does without the GIL.
BINDINGS = {
    "c-api": {},
    "cython": {"binding": "cython"},
    "pybind11": {"binding": "pybind11", "stable_abi": "no"},
    "nanobind": {"binding": "nanobind"},
}
PROCESSES = 100  # for each binding
IMPORT_AT_ONCE = f"""
import sys, threading
go, said, failed = threading.Barrier(64), [], []

def work(number):
    try:
        go.wait()
        if number % 2:  # without the import lock between them
            import libfoo
            libfoo.loader.load()
        import foo_ext
        said.append(foo_ext.square(number))
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
for thread in threads: thread.start()
for thread in threads: thread.join()
{building.MAPPED}
print(sorted(said) == [n * n for n in range(64)], failed, sys._is_gil_enabled(), mapped("foo.so"))
"""


@pytest.fixture(scope="session")
def python() -> Path:
    return cpythons.need("3.13", gil=False)


@pytest.fixture(scope="session", params=BINDINGS)
def free_threaded(
    request: pytest.FixtureRequest, python: Path, pair: building.Pair, once: Once
) -> building.Environment:
    """An environment of a free-threaded Python with the provider, and a consumer built for it."""
    binding: str = request.param

    def make(folder: Path) -> building.Environment:
        generated = building.generate(folder, **BINDINGS[binding])
        wheels = generated / "dist"
        wheels.mkdir()
        shutil.copy(pair.provider, wheels)  # there is no Python in it, so it serves this one, too
        consumer = building.build(generated / "foo-ext", wheels, python=python)
        return building.new_environment(folder / "env", pair.provider, consumer, python=python)

    return once(f"free_threaded-{binding}", make)


def test_64_threads_at_once_in_fresh_processes(free_threaded: building.Environment) -> None:
    library = free_threaded.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    for _ in range(PROCESSES):
        said = free_threaded.run(IMPORT_AT_ONCE, env={"NATIVE_LIB_DEBUG": "1"}).splitlines()
        # All that was printed: it was loaded once, and nobody warned of anything.
        assert sorted(said) == [
            f"True [] False ['{library}']",
            "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
            f"native-lib: libfoo: foo is {library} (wheel)",
        ]


def test_module_was_built_without_the_gil(free_threaded: building.Environment) -> None:
    code = "import sys, foo_ext; print(sys._is_gil_enabled(), foo_ext._ext.__file__)"
    said = free_threaded.run(code)
    assert said.startswith("False ")
    assert "cpython-313t" in said


def test_a_module_that_says_nothing_turns_the_gil_on(python: Path, tmp_path: Path) -> None:
    """So the tests above can fail: this is what they would see."""
    include = building.run(python, "-c", "import sysconfig; print(sysconfig.get_path('include'))")
    source = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "mute", NULL, 0, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_mute(void) { return PyModuleDef_Init(&module); }
"""
    building.compile_library(source, tmp_path / "mute.so", f"-I{include.strip()}")
    code = "import sys, mute; print(sys._is_gil_enabled())"
    said = building.run(python, "-c", code, env={"PYTHONPATH": str(tmp_path)})
    assert "RuntimeWarning: The global interpreter lock (GIL) has been enabled" in said
    assert said.endswith("True\n")
