"""native_library_prebuilt.py: DLLs that cannot be used, each told in one line."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest
from native_lib.support.native_library_prebuilt import Dll, Prebuilt, PrebuiltError, check, rename

if TYPE_CHECKING:
    from pathlib import Path

AMD64 = 0x8664
# Where the only section is in memory and in the file.
ADDRESS, PLACE = 0x1000, 0x200


def dll(content: bytes, *, machine: int = AMD64, exports: int = 0, imports: int = 0) -> bytes:
    """Return a PE file with one section, and the addresses of its tables."""
    directories = struct.pack("<4I", exports, 40 if exports else 0, imports, 0)
    optional = struct.pack("<H", 0x20B).ljust(112, b"\0") + directories
    header = struct.pack("<2H3I2H", machine, 1, 0, 0, 0, len(optional), 0x2000)
    section = struct.pack("<8s4I12xI", b".rdata", len(content), ADDRESS, len(content), PLACE, 0)
    start = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    return (start + b"PE\0\0" + header + optional + section).ljust(PLACE, b"\0") + content


def export(name: bytes) -> bytes:
    """Return a section that begins with a table of one export."""
    table = b"\0" * 24 + struct.pack("<4I", 1, ADDRESS + 40, ADDRESS + 44, ADDRESS + 48)
    return table + struct.pack("<IIHxx", 0, ADDRESS + 52, 0) + name


def importing(name: bytes) -> bytes:
    """Return a section that begins with a table of one import."""
    return b"\0" * 12 + struct.pack("<I", ADDRESS + 40) + b"\0" * 24 + name


def prebuilt(file: Path) -> Prebuilt:
    return Prebuilt("foo", "Windows", file, None, (), {})


def test_what_the_tables_say(tmp_path: Path) -> None:
    """So that the tests below are about what is wrong in each."""
    file = tmp_path / "foo.dll"
    file.write_bytes(dll(export(b"foo_one\0"), exports=ADDRESS))
    assert Dll(file).exports() == {"foo_one": False}
    file.write_bytes(dll(importing(b"bar.dll\0"), imports=ADDRESS))
    assert Dll(file).imports() == ["bar.dll"]
    check(prebuilt(file), [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MZ".ljust(200, b"\0"), "foo.dll is not a DLL"),
        (dll(b"")[:100], "the DLL is cut off"),
        (dll(importing(b"bar.dll"), imports=ADDRESS), "the DLL is cut off"),
        (dll(b"", imports=ADDRESS), "the DLL's tables lead out of the file"),
    ],
)
def test_file_that_is_no_whole_dll(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "foo.dll"
    file.write_bytes(content)
    with pytest.raises(PrebuiltError, match=f"{said}$"):
        check(prebuilt(file), [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (dll(b""), "foo.dll exports no function by its name"),
        (
            dll(export(b"foo_one\0"), exports=ADDRESS, machine=0x200),
            "foo.dll is for an unknown machine, 0x200",
        ),
    ],
)
def test_dll_without_an_import_library(tmp_path: Path, content: bytes, said: str) -> None:
    file, out = tmp_path / "foo.dll", tmp_path / "libfoo__foo-1.dll"
    file.write_bytes(content)
    with pytest.raises(PrebuiltError, match=f"{said}$"):
        rename(prebuilt(file), out, tmp_path / "libfoo__foo.lib")
    assert sorted(tmp_path.iterdir()) == [file]


def test_tool_that_fails(tmp_path: Path) -> None:
    """Python stands for patchelf, and does not know its options."""
    file, out = tmp_path / "libfoo.so", tmp_path / "libfoo__foo.so.1"
    file.write_bytes(b"\x7fELF")
    library = Prebuilt("foo", "Linux", file, None, (), {"PATCHELF": sys.executable})
    with pytest.raises(
        PrebuiltError, match=r" failed for \S+libfoo__foo\.so\.1: [Uu]nknown option"
    ):
        rename(library, out)
    assert sorted(tmp_path.iterdir()) == [file]
