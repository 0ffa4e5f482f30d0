"""A CPython on musl, the unchanged loader, and the pair built for musl: what the anchor is for.

musl never reads a SONAME, so a library that was opened by its path satisfies nobody; the anchor has
musl find the library by its name (loader-rules.md, section 2).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import lab
import pytest

if TYPE_CHECKING:
    from pathlib import Path

FOO = (
    'const char *foo_version(void) { return "another"; } double foo_square(double x) { return -x; }'
)
SQUARE = "import foo_ext; print(foo_ext.square(3))"
SHOW = """
try:
    import foo_ext
    print(foo_ext.square(3))
except ImportError as error:
    print(type(error).__name__, error, sep="\\n")
"""


@dataclass(frozen=True)
class Musl:
    """A Python on musl, with provider and consumer in folders of their own."""

    python: Path
    folder: Path
    compiler: Path

    @property
    def provider(self) -> Path:
        return self.folder / "one" / "libfoo"

    @property
    def consumer(self) -> Path:
        return self.folder / "another" / "foo_ext"

    @property
    def library(self) -> Path:
        return self.provider / "lib" / "libfoo__foo.so.1"

    def run(self, code: str, *, fails: bool = False, **env: str) -> str:
        paths = f"{self.provider.parent}:{self.consumer.parent}"
        return lab.run(self.python, "-c", code, env={"PYTHONPATH": paths, **env}, fails=fails)

    def stranger(self, folder: str) -> Path:
        """Another library of the same name that has the same functions."""
        file = self.folder / folder / self.library.name
        return lab.compile_library(FOO, file, soname=file.name, compiler=str(self.compiler))


@pytest.fixture
def musl(
    build_python: Callable[[str], Path], built: Callable[[str, str], Path], tmp_path: Path
) -> Musl:
    python = build_python("musl")
    site = built("musl-x86_64", "c")
    made = Musl(python, tmp_path, site.parent / "tools" / "cc")
    shutil.copytree(site / "libfoo", made.provider)
    shutil.copytree(site / "foo_ext", made.consumer)
    return made


def without_anchor(musl: Musl) -> None:
    manifest = musl.provider / "_native_libs.py"
    text = manifest.read_text("utf-8")
    assert '"anchor": "lib/libfoo__foo-anchor.so"' in text
    manifest.write_text(text.replace('"lib/libfoo__foo-anchor.so"', '""'), "utf-8")


def test_this_python_is_on_musl(musl: Musl) -> None:
    (library,) = musl.run(f"{lab.MAPPED}\nprint(*mapped('libc.'))").split()
    assert library.endswith("-linux-musl/libc.so")


def test_with_the_anchor_the_consumer_is_served(musl: Musl) -> None:
    code = f"{SQUARE}\n{lab.MAPPED}\nprint(mapped('foo.so'))"
    assert musl.run(code) == f"9.0\n['{musl.library}']\n"


def test_without_the_anchor_it_is_not(musl: Musl) -> None:
    without_anchor(musl)
    said = musl.run(SQUARE, fails=True)
    assert "Error loading shared library libfoo__foo.so.1: No such file or directory" in said


def test_debug_tells_what_was_chosen(musl: Musl) -> None:
    said = musl.run("import foo_ext", NATIVE_LIB_DEBUG="1")
    assert said.splitlines() == [
        "native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0",
        f"native-lib: libfoo: foo is {musl.library} (wheel)",
    ]


def test_provider_not_installed(musl: Musl) -> None:
    shutil.rmtree(musl.provider)
    said = musl.run(SHOW)
    assert said.startswith("LibraryNotFoundError\nfoo_ext needs the native library 'foo'")
    assert 'mend:      python -m pip install "libfoo>=1.0.0,<2"' in said


@pytest.mark.parametrize("size", [None, 0, 100, 1000])
def test_library_file_is_damaged(musl: Musl, size: int | None) -> None:
    content = musl.library.read_bytes()
    musl.library.unlink()
    if size is not None:
        musl.library.write_bytes(content[:size])
    said = musl.run(SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert str(musl.library) in said


def test_library_of_another_architecture(musl: Musl, built: Callable[[str, str], Path]) -> None:
    """musl does not look; without the loader's own look the process dies of its first instruction."""
    other = built("linux-aarch64", "c") / "libfoo" / "lib" / "libfoo__foo.so.1"
    shutil.copy(other, musl.library)
    said = musl.run(SHOW)
    assert said.startswith("LibraryNotFoundError\nlibfoo cannot load its library 'foo'.")
    assert "for another machine" in said


def test_second_copy_loaded_first(musl: Musl) -> None:
    """Found by its name, as musl wants it; opened by its path it would have no name to take."""
    copy = musl.stranger("theirs")
    code = f"import ctypes; ctypes.CDLL('{copy.name}')\n{SHOW}"
    said = musl.run(code, LD_LIBRARY_PATH=str(copy.parent))
    assert said.startswith(
        "LibraryConflictError\nAnother file in this process already has the name"
    )
    assert f"  answers: {copy}\n  ours:    {musl.library} (libfoo 1.0.0)" in said


def test_second_copy_is_a_warning_if_asked_for(musl: Musl) -> None:
    copy = musl.stranger("theirs")
    code = f"import ctypes; ctypes.CDLL('{copy.name}')\n{SQUARE}"
    said = musl.run(code, LD_LIBRARY_PATH=str(copy.parent), NATIVE_LIB_CONFLICT="warn")
    assert "RuntimeWarning: Another file in this process already has the name" in said
    assert said.endswith("-3.0\n")  # musl did serve the first


def test_search_path_that_has_another_copy_is_no_silent_mixture(musl: Musl) -> None:
    """musl looks into LD_LIBRARY_PATH before the anchor's own folder."""
    copy = musl.stranger("theirs")
    said = musl.run(SHOW, LD_LIBRARY_PATH=str(copy.parent))
    assert said.startswith("LibraryConflictError")
    assert f"  answers: {copy}\n" in said


def test_symbols_that_are_taken(musl: Musl) -> None:
    file = musl.folder / "theirs" / "stranger.so"
    lab.compile_library(FOO, file, soname="stranger.so", compiler=str(musl.compiler))
    said = musl.run(SHOW, LD_PRELOAD=str(file))
    assert said.startswith("LibraryConflictError\nThe symbols of libfoo's library are taken")
    assert f"  answers: {file}\n" in said


def test_path_in_the_environment_is_wrong(musl: Musl) -> None:
    said = musl.run(SHOW, NATIVE_LIB_FOO_PATH="/absent/libfoo.so")
    assert said.startswith("LibraryNotFoundError")
    assert "  mend:   correct or unset NATIVE_LIB_FOO_PATH" in said


def test_threads(musl: Musl) -> None:
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


def test_fork(musl: Musl) -> None:
    code = "import libfoo, os; libfoo.loader.load(); child = os.fork()\n"
    code += "import foo_ext; assert foo_ext.square(3) == 9\n"
    code += "print(os.waitpid(child, 0)[1]) if child else os._exit(0)"
    assert musl.run(code) == "0\n"
