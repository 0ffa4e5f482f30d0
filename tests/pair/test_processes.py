"""Threads, forks, new processes and reloads: the library is loaded once, and nobody waits for ever."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, forks")

DEBUG = {"NATIVE_LIB_DEBUG": "1"}
LOADED = "native-lib: libfoo: foo is "  # the debug line of one load


@pytest.fixture(scope="session")
def env(
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
    pair: building.Pair,
) -> building.Environment:
    """An environment with the default pair, which these tests use and do not change."""
    return once(
        "processes",
        lambda folder: building.new_environment(folder / "env", pair.provider, pair.consumer),
    )


def library(env: building.Environment) -> str:
    return f"{env.site_packages}/libfoo/lib/libfoo__foo.so.1"


def test_debug_lines_go_nowhere_without_stderr(env: building.Environment) -> None:
    """A service may close it; what is meant for it must not end up in stdout, which is data."""
    command = f"{env.python} -c 'import foo_ext; print(foo_ext.square(3))' 2>&-"
    assert building.run("sh", "-c", command, env=DEBUG) == "9.0\n"


# Threads ------------------------------------------------------------------------------------------

AT_ONCE = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor

sys.setswitchinterval(1e-6)  # as many switches between threads as can be had
barrier = threading.Barrier(32)

def at_once(work):
    def wait_and_work(_):
        barrier.wait()
        return work()
    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(wait_and_work, range(32)))
"""
IMPORT = """
def work():
    import foo_ext
    return foo_ext.square(3)

assert at_once(work) == [9.0] * 32
"""
LOAD = """
import libfoo

(loaded,) = set(at_once(libfoo.loader.load))  # the same objects for everybody
"""


@pytest.mark.parametrize("code", [IMPORT, LOAD], ids=["import", "load"])
def test_threads_at_once(env: building.Environment, code: str) -> None:
    said = env.run(f"{AT_ONCE}{code}{building.MAPPED}\nprint(mapped('foo.so'))", env=DEBUG)
    assert said.count(LOADED) == 1
    assert said.splitlines()[-1] == str([library(env)])


# Other processes ----------------------------------------------------------------------------------

PROGRAM = f"""
import multiprocessing, sys
import foo_ext
{building.MAPPED}
def work(number):
    return foo_ext.square(number), mapped("foo.so")

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.apply_async(work, (3,)).get(timeout=60))
"""


# A fork has what its parent loaded, a new process loads for itself.
@pytest.mark.parametrize(("method", "loads"), [("fork", 1), ("spawn", 2), ("forkserver", 2)])
def test_multiprocessing(
    env: building.Environment, tmp_path: Path, method: str, loads: int
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    said = building.run(env.python, program, method, env=DEBUG)
    assert said.splitlines()[-1] == f"(9.0, {[library(env)]})"
    assert said.count(LOADED) == loads


# SIGALRM ends a child that hangs.
IN_CHILD = """
def in_child(work):
    child = os.fork()
    if child:
        print("child ended with", os.waitpid(child, 0)[1])
        return
    signal.alarm(20)
    try:
        work()
        print(mapped("foo.so"), flush=True)
        os._exit(0)
    finally:
        os._exit(1)
"""
# Writing the debug line is the one thing that load() does under its lock and a test can hold up.
FORK_UNDER_LOCK = f"""
import os, signal, sys, threading
import libfoo
{building.MAPPED}{IN_CHILD}
inside, go_on = threading.Event(), threading.Event()

class HeldUp:
    def write(self, text):
        inside.set()
        go_on.wait()

stderr, sys.stderr = sys.stderr, HeldUp()
thread = threading.Thread(target=libfoo.loader.load)
thread.start()
inside.wait()
sys.stderr = stderr
in_child(libfoo.loader.load)
go_on.set()
thread.join()
"""
# The child's thread gets the number of the thread that the fork left behind.
FORK_WHILE_REQUIRING = f"""
import os, signal, sys, threading
from libfoo import _native_libs
from libfoo._shared_lib_manager import LibraryLoader
{building.MAPPED}{IN_CHILD}
inside, go_on = threading.Event(), threading.Event()

def load_others():
    if os.getpid() == parent:
        inside.set()
        go_on.wait()

def load_in_a_thread():
    thread = threading.Thread(target=loader.load)
    thread.start()
    thread.join()

parent = os.getpid()
loader = LibraryLoader.from_manifest(_native_libs, requires=load_others)
thread = threading.Thread(target=loader.load)
thread.start()
inside.wait()
in_child(load_in_a_thread)
go_on.set()
thread.join()
"""


@pytest.mark.parametrize(
    "code", [FORK_UNDER_LOCK, FORK_WHILE_REQUIRING], ids=["under lock", "while requiring"]
)
def test_fork_while_another_thread_loads(env: building.Environment, code: str) -> None:
    said = env.run(code, env=DEBUG).splitlines()
    assert str([library(env)]) in said  # the child's
    assert "child ended with 0" in said


# The end ------------------------------------------------------------------------------------------

# Its destructor runs after those of all libraries that were opened later.
LAST = """
#include <unistd.h>
double (*square)(double);
__attribute__((destructor)) static void end(void) {
    if (square(3) == 9)
        write(1, "unloaded\\n", 9);
}
"""
AT_EXIT = """
import atexit, ctypes, gc, os, sys

last = ctypes.CDLL(sys.argv[1])
import foo_ext, libfoo

class Kept:
    square = staticmethod(foo_ext.square)
    def __del__(self, write=os.write):
        write(1, b"deleted %d\\n" % self.square(3))

library = ctypes.CDLL(libfoo.loader.load()[0].path)
ctypes.c_void_p.in_dll(last, "square").value = ctypes.cast(library.foo_square, ctypes.c_void_p).value
atexit.register(lambda square=foo_ext.square: os.write(1, b"exits %d\\n" % square(3)))
kept = sys.kept = Kept()
del foo_ext, libfoo, library
for name in [name for name in sys.modules if name.startswith(("foo_ext", "libfoo"))]:
    del sys.modules[name]
gc.collect()
"""


def test_library_serves_until_the_process_has_ended(
    env: building.Environment, tmp_path: Path
) -> None:
    """Callbacks, objects that die with the interpreter, and the destructors of other libraries."""
    last = building.compile_library(LAST, tmp_path / "liblast.so")
    (tmp_path / "program.py").write_text(AT_EXIT, encoding="utf-8")
    said = building.run(env.python, tmp_path / "program.py", last)
    assert said == "exits 9\ndeleted 9\nunloaded\n"


# Reload -------------------------------------------------------------------------------------------

RELOADS = {
    "packages": "importlib.reload(libfoo); importlib.reload(foo_ext)",
    "vendored": "importlib.reload(libfoo._shared_lib_manager); importlib.reload(libfoo)",
    "vendored alone": "importlib.reload(libfoo._shared_lib_manager)",
    "all": "[importlib.reload(module) for name, module in sorted(sys.modules.items())"
    " if name.startswith(('libfoo', 'foo_ext')) and name != 'foo_ext._ext']",
    "imported again": "[sys.modules.pop(name) for name in sorted(sys.modules)"
    " if name.startswith(('libfoo', 'foo_ext'))]; import libfoo, foo_ext",
}


@pytest.mark.parametrize("reload", RELOADS.values(), ids=RELOADS)
def test_reload(env: building.Environment, reload: str) -> None:
    code = f"""
import importlib, sys, libfoo, foo_ext
{reload}
(loaded,) = libfoo.loader.load()
assert foo_ext.square(3) == 9
{building.MAPPED}
print(loaded.origin, mapped("foo.so"))
"""
    said = env.run(code)
    assert said == f"wheel {[library(env)]}\n"
