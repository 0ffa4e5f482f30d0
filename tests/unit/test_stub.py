"""native_library_stub.py: the text stub by which macOS' linkers find a library."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import building
import lief
import macho_and_pe
import pytest
from native_lib.support.native_library_stub import images_of, stub

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not macho_and_pe.is_available(), reason="ziglang is not installed; pip install ziglang"
)
SCRIPT = building.SUPPORT / "native_library_stub.py"
NAME = "@rpath/libfoo__foo.1.dylib"
LIBRARY = """
int foo_one(void) { return 1; }
int foo_number = 2;
_Thread_local int foo_of_thread = 3;
__attribute__((visibility("hidden"))) int foo_hidden(void) { return 4; }
__attribute__((weak)) int foo_weak(void) { return 5; }
static int foo_static(void) { return 6; }
int (*foo_pointer)(void) = foo_static;
"""
# zig's linker passes over a stub's thread-local symbols; Apple's and LLVM's read them.
USER = """
extern int foo_one(void), foo_weak(void), foo_number;
int use(void) { return foo_one() + foo_weak() + foo_number; }
"""


def cc(architecture: str, *arguments: str | Path, cwd: Path, fails: bool = False) -> str:
    command = (sys.executable, "-m", "ziglang", "cc", "-target", f"{architecture}-macos.11.0")
    return building.run(*command, "-dynamiclib", *arguments, cwd=cwd, fails=fails)


def read(file: Path) -> tuple[set[str], set[str]]:
    """Return what another reader of Mach-O says: the exports, and the libraries that are needed."""
    both = lief.MachO.parse(str(file))  # what is in it lives as long as it does
    assert both is not None
    (binary,) = both
    exports = {str(symbol.name) for symbol in binary.symbols if symbol.has_export_info}
    return exports, {str(library.name) for library in binary.libraries}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library for each architecture, and one for both, laid out as Apple's `lipo` does it."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "library.c").write_text(LIBRARY)
    (folder / "user.c").write_text(USER)
    fat, rest = struct.pack(">4s I", b"\xca\xfe\xba\xbe", 2), b""
    for architecture, cpu, subtype in (("x86_64", 0x01000007, 3), ("aarch64", 0x0100000C, 0)):
        options = ("-install_name", NAME, "library.c", "-o", f"{architecture}.dylib")
        cc(architecture, *options, cwd=folder)
        content = (folder / f"{architecture}.dylib").read_bytes()
        place = 0x4000 + len(rest)
        fat += struct.pack(">5I", cpu, subtype, place, len(content), 14)
        rest += content + bytes(-len(content) % 0x4000)
    (folder / "both.dylib").write_bytes(fat.ljust(0x4000, b"\0") + rest)
    return folder


def test_stub_names_what_the_library_exports(folder: Path) -> None:
    images = images_of((folder / "both.dylib").read_bytes())
    assert [image.target for image in images] == ["x86_64-macos", "arm64-macos"]
    for image, name in zip(images, ("x86_64", "aarch64")):
        assert image.install_name == NAME
        assert image.exports["weak-symbols"] == ["_foo_weak"]
        assert image.exports["thread-local-symbols"] == ["_foo_of_thread"]
        assert sorted(image.exports["symbols"]) == ["_foo_number", "_foo_one", "_foo_pointer"]
        # dyld's own list says the same, but for what linkers add.
        exported, _ = read(folder / f"{name}.dylib")
        listed = {each for names in image.exports.values() for each in names}
        assert exported - {"__mh_dylib_header", "___dso_handle"} == listed


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_linker_finds_the_library_by_its_stub(
    folder: Path, tmp_path: Path, architecture: str
) -> None:
    """There is no library in sight: the stub alone gives the name."""
    building.run(sys.executable, SCRIPT, folder / "both.dylib", tmp_path / "lib" / "libfoo.tbd")
    options = (folder / "user.c", "-L", tmp_path / "lib", "-lfoo", "-o", "user.dylib")
    cc(architecture, *options, cwd=tmp_path)
    _, needed = read(tmp_path / "user.dylib")
    assert NAME in needed


def test_stub_that_lacks_a_symbol_is_noticed(folder: Path, tmp_path: Path) -> None:
    """So that the test above can fail."""
    text = stub(images_of((folder / "both.dylib").read_bytes()))
    (tmp_path / "libfoo.tbd").write_text(text.replace("'_foo_one'", "'_foo_two'"))
    said = cc("x86_64", folder / "user.c", "-L.", "-lfoo", "-o", "x", cwd=tmp_path, fails=True)
    assert "undefined symbol: _foo_one" in said


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\xcf\xfa\xed\xfe" + bytes(40)])
def test_no_library_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "libfoo.dylib").write_bytes(content)
    command = (sys.executable, SCRIPT, tmp_path / "libfoo.dylib", tmp_path / "libfoo.tbd")
    said = building.run(*command, fails=True)
    assert said.startswith("native_library_provider: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "libfoo.tbd").exists()
