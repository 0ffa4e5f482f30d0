"""A provider whose library opens others of its wheel, in each way that docs/how-to/plugins.md shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building
import docs_pages

if TYPE_CHECKING:
    from pathlib import Path

PAGE = docs_pages.HOW_TO / "plugins.md"
CORE = """
#define _GNU_SOURCE
#include <foo/foo.h>
#include "beside.h"

#ifdef _WIN32
#define find(opened, name) ((function)(void *)GetProcAddress(opened, name))
#define open_by_name(name) LoadLibraryA(name)
#define WIDE_(text) L##text
#define WIDE(text) WIDE_(text)
#else
#define find(opened, name) ((function)dlsym(opened, name))
#define open_by_name(name) dlopen(name, RTLD_NOW)
#define WIDE(text) text
#endif
typedef double (*function)(double);

static double call(library opened, double value)
{
    function twice = opened ? find(opened, "plugin_twice") : 0;
    return twice ? twice(value) : -1;
}

const char *foo_version(void) { return FOO_VERSION; }
/* Anybody's code, unchanged. */
double foo_square(double value) { return call(open_by_name(OPS), value); }
FOO_EXPORT double foo_beside(double value) { return call(open_beside(WIDE(MORE)), value); }
FOO_EXPORT double foo_by_name(double value) { return call(open_by_name(MORE), value); }
"""
PLUGIN = """
#ifdef _WIN32
__declspec(dllexport)
#endif
double plugin_twice(double value) { return 2 * value; }
"""
# What becomes of each way; a consumer asks for the core alone.
CALL = """
import ctypes, libfoo
(loaded,) = libfoo.loader.load("foo")
core = ctypes.CDLL(loaded.path)
for name in ("foo_by_name", "foo_beside", "foo_square"):
    function = getattr(core, name)
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    print(name, function(3))
"""


def documented(language: str, containing: str) -> str:
    """Return the page's example that has a text in it: what is shown is what is tested."""
    return docs_pages.block(PAGE.read_text("utf-8"), language, containing)


def generate(folder: Path, *, runpath: bool = False) -> Path:
    """Generate a pair whose provider has two plugins; return its folder."""
    generated = building.generate(folder)
    provider = generated / "libfoo"
    sources = {"foo.c": CORE, "plugin.c": PLUGIN, "beside.h": documented("c", "open_beside")}
    for name, text in sources.items():
        (provider / "src" / name).write_text(text, encoding="utf-8")
    lists = provider / "CMakeLists.txt"
    text = lists.read_text("utf-8")
    before, call, _ = text.partition("# Names the files")
    assert call
    text = before + documented("cmake", "MODULE")
    if runpath:
        text += documented("cmake", "$ORIGIN").partition("native_library_provider(")[0]
    text += documented("cmake", "add_library(ops")
    lists.write_text(text, encoding="utf-8")
    return generated
