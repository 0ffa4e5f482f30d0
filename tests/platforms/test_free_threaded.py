"""A Python without the GIL: many threads import the pair at once, and it stays without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import lab
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = 100
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
{lab.MAPPED}
print(sorted(said) == [n * n for n in range(64)], failed, sys._is_gil_enabled(), mapped("foo.so"))
"""


@pytest.fixture(scope="session")
def free_threaded(
    build_python: Callable[[str], Path],
    once: Callable[[str, Callable[[Path], lab.Environment]], lab.Environment],
) -> lab.Environment:
    """An environment of a free-threaded Python with the pair, built for it."""
    python = build_python("free-threaded")

    def make(folder: Path) -> lab.Environment:
        pair = lab.build_pair(folder, python=python)
        return lab.new_environment(folder / "env", pair.provider, pair.consumer, python=python)

    return once("free_threaded", make)


def test_64_threads_at_once_in_fresh_processes(free_threaded: lab.Environment) -> None:
    library = free_threaded.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    for _ in range(PROCESSES):
        said = free_threaded.run(IMPORT_AT_ONCE, env={"NATIVE_LIB_DEBUG": "1"}).splitlines()
        loads = [line for line in said if line.startswith("native-lib: libfoo: foo is")]
        assert loads == [f"native-lib: libfoo: foo is {library} (wheel)"]
        assert said[-1] == f"True [] False ['{library}']"


def test_the_gil_is_off_because_the_module_says_so(free_threaded: lab.Environment) -> None:
    """So that the test above can fail: Python turns the GIL on for a module that does not."""
    code = "import sys, foo_ext; print(sys._is_gil_enabled(), foo_ext._ext.__file__)"
    said = free_threaded.run(code)
    assert said.startswith("False ")
    assert "cpython-313t" in said
