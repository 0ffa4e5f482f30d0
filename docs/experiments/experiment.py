"""What the experiments share: a small library, extension modules that use it, and fresh processes.

The library counts. Two extension modules that print `1 2` have one counter, and with `1 1` each has
its own. For Linux with glibc; needs a C compiler and Python's headers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

_KEPT = tempfile.TemporaryDirectory(prefix="experiment-")
FOLDER = Path(_KEPT.name)
LIBRARY = """
static int counter;
int next_number(void) { return ++counter; }
int release(void) { return RELEASE; }
"""
MODULE = """
#include <Python.h>
int next_number(void);
int release(void);
static PyObject *next(PyObject *self, PyObject *none) { return PyLong_FromLong(next_number()); }
static PyObject *of(PyObject *self, PyObject *none) { return PyLong_FromLong(release()); }
static PyMethodDef methods[] = {
    {"next", next, METH_NOARGS, 0}, {"release", of, METH_NOARGS, 0}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", 0, -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&definition); }
"""
COUNT = "import one, two; print(one.next(), two.next())"
RELEASES = "import one, two; print(one.release(), two.release())"


def compile_c(source: str, file: str, *options: str | Path) -> Path:
    """Compile C source to a shared file below the experiment's folder."""
    return program(source, file, "-shared", "-fPIC", *options)


def program(source: str, file: str, *options: str | Path) -> Path:
    """Compile C source to a program below the experiment's folder."""
    made = FOLDER / file
    made.parent.mkdir(parents=True, exist_ok=True)
    text = made.with_name(f"{made.name}.c")
    text.write_text(source, encoding="utf-8")
    subprocess.run(["cc", "-o", made, text, *options], check=True)
    return made


def library(
    file: str, *options: str | Path, soname: str = "libcounter.so.1", release: int = 1
) -> Path:
    """Compile the library; no name is written into it if `soname` is empty."""
    name = [f"-Wl,-soname,{soname}"] if soname else []
    return compile_c(LIBRARY, file, f"-DRELEASE={release}", *name, *options)


def module(folder: str, name: str, *link: str | Path) -> Path:
    """Compile an extension module into a folder, linked to these files and with these options."""
    include = sysconfig.get_path("include")
    source = MODULE.replace("NAME", name)
    return compile_c(source, f"{folder}/{name}.so", f"-I{include}", *link)


def version(node: str) -> str:
    """Return the option that puts all symbols of a library under a version."""
    script = FOLDER / f"{node}.map"
    script.write_text(f"{node} {{ global: *; }};", encoding="utf-8")
    return f"-Wl,--version-script={script}"


def python(code: str, *folders: str, **variables: str) -> str:
    """Run code with folders on sys.path, in a fresh process; return the last line that it prints."""
    path = [str(FOLDER / folder) for folder in folders]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path}\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, **variables},
        check=False,
    )
    return done.stdout.strip().rpartition("\n")[2].replace(str(FOLDER), "…")


def show(what: str, result: str) -> None:
    """Print one line."""
    print(f"{what + ':':<44} {result}")
