"""A CPython on musl, the unchanged loader, and the pair built for musl: what the anchor is for.

musl never reads a SONAME, so a library that was opened by its path satisfies nobody; the anchor has
musl find the library by its name (loader-rules.md, section 2).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Callable

import building
from platforms import cross

if TYPE_CHECKING:
    from pathlib import Path

    from platforms.elsewhere import Elsewhere

Built = Callable[[str, str], "Path"]
Once = Callable[[str, Callable[["Path"], "Path"]], "Path"]


def without_anchor(musl: Elsewhere) -> None:
    manifest = musl.provider / "_native_libs.py"
    text = manifest.read_text("utf-8")
    assert '"anchor": "lib/libfoo__foo-anchor.so"' in text
    manifest.write_text(text.replace('"lib/libfoo__foo-anchor.so"', '""'), "utf-8")


def test_this_python_is_on_musl(musl: Elsewhere) -> None:
    (library,) = musl.mapped("", "libc.")
    assert library.endswith("-linux-musl/libc.so")


def test_with_the_anchor_the_consumer_is_served(musl: Elsewhere) -> None:
    assert musl.run(building.SQUARE) == "9.0\n"
    assert musl.mapped(building.SQUARE, "foo.so") == [str(musl.library)]


def test_without_the_anchor_it_is_not(musl: Elsewhere) -> None:
    without_anchor(musl)
    said = musl.fail(building.SQUARE)
    assert "Error loading shared library libfoo__foo.so.1: No such file or directory" in said


def test_the_c_library_has_alpines_name(musl: Elsewhere) -> None:
    """As on the musllinux images; this machine has no such file, and musl asks for none."""
    said = building.run("readelf", "-d", musl.library)
    assert "Shared library: [libc.musl-x86_64.so.1]" in said
    assert "libc.so]" not in said


def test_ctypes_opens_the_file_that_is_loaded(musl: Elsewhere) -> None:
    code = "import ctypes, libfoo; foo = ctypes.CDLL(libfoo.loader.path('foo', '>=1,<2'))\n"
    code += "foo.foo_version.restype = ctypes.c_char_p; print(foo.foo_version().decode())\n"
    assert musl.run(code) == "1.0.0\n"
    assert musl.mapped(f"{code}{building.SQUARE}", "foo.so") == [str(musl.library)]


def test_folder_with_spaces_and_other_letters(musl: Elsewhere) -> None:
    odd = musl.folder / "a b ünï 日本"
    there = dataclasses.replace(musl, folder=odd)
    odd.mkdir()
    for folder in (musl.provider.parent, musl.consumer.parent):
        folder.rename(odd / folder.name)
    assert there.run(building.SQUARE) == "9.0\n"
    assert there.mapped(building.SQUARE, "foo.so") == [str(there.library)]


def test_two_providers(musl: Elsewhere, once: Once) -> None:
    target = cross.TARGETS["musl-x86_64"]
    answers = {"provider_name": "libbar", "extension_name": "bar-ext", "library_name": "bar"}
    site = once("cross-bar-musl", lambda folder: cross.build_pair(target, folder, **answers))
    musl.add(site, "libbar", "bar_ext")
    code = "import foo_ext, bar_ext; print(foo_ext.square(3), bar_ext.square(4))"
    assert musl.run(code) == "9.0 16.0\n"
    bar = musl.provider.parent / "libbar" / "lib" / "libbar__bar.so.1"
    assert musl.mapped(code, ".so.1") == [str(bar), str(musl.library)]


def test_cxx(musl: Elsewhere, built: Built) -> None:
    """Caught and cast across the boundary, with zig's libc++ in each of the two files."""
    there = dataclasses.replace(musl, folder=musl.folder / "cxx")
    there.add(built("musl-x86_64", "cxx"), "libfoo", "foo_ext")
    code = "import foo_ext\nprint(foo_ext.square(3), foo_ext.area_of_square(2))\n"
    code += "try: foo_ext.area_of_square(-1)\nexcept ValueError as error: print(error)"
    assert there.run(code) == "9.0 4.0\na side cannot be negative\n"
    assert there.mapped(code, "foo.so") == [str(there.library)]


def test_threads(musl: Elsewhere) -> None:
    code = """
import threading
go, said = threading.Barrier(16), []
def work():
    go.wait()
    import foo_ext
    said.append(foo_ext.square(3))
threads = [threading.Thread(target=work) for _ in range(16)]
[t.start() for t in threads]; [t.join() for t in threads]
print(said == [9.0] * 16)
"""
    assert musl.run(code) == "True\n"


def test_fork(musl: Elsewhere) -> None:
    code = "import libfoo, os; libfoo.loader.load(); child = os.fork()\n"
    code += "import foo_ext; assert foo_ext.square(3) == 9\n"
    code += "print(os.waitpid(child, 0)[1]) if child else os._exit(0)"
    assert musl.run(code) == "0\n"
