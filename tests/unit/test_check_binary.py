"""The one model of a binary, against what other readers say."""

from __future__ import annotations

import dataclasses
import platform
import re
import struct
import sys
import sysconfig
from pathlib import Path

import building
import macho_and_pe
import pytest
import readelf
import wheels
from native_lib.check.binary import Binary, CorruptBinaryError, Export
from native_lib.check.read import is_binary, is_named_as_library, read_binary
from native_lib.check.system import is_system_library


def machines_elf_files() -> list[Path]:
    """Return libraries of the interpreter and of what is installed beside it: all kinds of linkers."""
    folders = (sysconfig.get_path("platlib"), sysconfig.get_config_var("DESTSHARED"))
    found = [path for folder in folders for path in sorted(Path(folder).rglob("*.so*"))]
    # delocate's own test data are Mach-O files of that name.
    found = [path for path in found if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    return [p for p in found if p.is_file() and p.stat().st_size < 3 << 20][::4][:40]


def test_readelf_says_the_same() -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    read = {p: found for p in machines_elf_files() for found in read_binary(p.name, p.read_bytes())}
    assert len(read) > 5
    assert any(symbol.version for binary in read.values() for symbol in binary.imports)
    assert readelf.differences(read) == []


def test_readelf_says_the_same_of_what_we_compile(elf: wheels.Elf, tmp_path: Path) -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    elf.folder.mkdir()
    script = elf.folder / "v.map"
    script.write_text("FOO_1 { global: foo_one; }; FOO_2 { global: foo_two; } FOO_1;\n", "utf-8")
    options = ("-lc", "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN:/x:")
    content = elf.library(*options, f"-Wl,--version-script={script}")
    (binary,) = read_binary("lib", content)
    assert readelf.differences({elf.folder / wheels.NAME: binary}) == []
    assert binary.rpath == ("$ORIGIN", "/x", "")
    assert binary.runpath == ()
    assert {(e.name, e.version) for e in binary.exports} == {
        ("foo_one", "FOO_1"),
        ("foo_two", "FOO_2"),
    }


def test_versions_that_must_be_there(elf: wheels.Elf) -> None:
    elf.folder.mkdir()
    script = elf.folder / "v.map"
    script.write_text("FOO_1 { global: foo_one; }; GLIBC_2.9 { global: foo_two; };\n", "utf-8")
    elf.library(f"-Wl,--version-script={script}", soname="libm.so.6", file="libm.so.6")
    source = "int foo_one(void), foo_two(void); int use(void) { return foo_one() + foo_two(); }"
    content = elf.library(str(elf.folder / "libm.so.6"), source=source)
    # As some linkers do for a version that only weak symbols need. The hash of the name comes first.
    needed, weak = (struct.pack("=IH", _hash("GLIBC_2.9"), flags) for flags in (0, 2))
    assert content.count(needed) == 1
    for changed, versions in (
        (content, {"FOO_1", "GLIBC_2.9"}),
        (content.replace(needed, weak), {"FOO_1"}),
    ):
        (binary,) = read_binary("lib", changed)
        assert binary.needed_versions == {("libm.so.6", version) for version in versions}
        # The version tells: any file may have the name.
        assert binary.libc == ("glibc" if "GLIBC_2.9" in versions else "")


def test_packed_relocations_need_a_glibc_that_has_them(elf: wheels.Elf) -> None:
    """lld's `--pack-dyn-relocs=relr` writes no version for them."""
    # In place of DT_SYMENT, which nothing reads.
    entry, packed = (struct.pack("=qq", tag, 24) for tag in (11, 36))
    version = ("libc.so.6", "GLIBC_ABI_DT_RELR")
    for options, is_glibc in ((("-Wl,--no-as-needed", "-lc"), True), ((), False)):
        content = elf.library(*options)
        assert content.count(entry) == 1
        (binary,) = read_binary("lib", content)
        assert version not in binary.needed_versions
        (binary,) = read_binary("lib", content.replace(entry, packed))
        assert (version in binary.needed_versions) == is_glibc  # musl has them, too


def _hash(name: str) -> int:
    """Return System V's hash of a symbol's name."""
    value = 0
    for character in name.encode():
        value = (value << 4) + character
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def test_libraries_may_have_versions_of_one_name(elf: wheels.Elf) -> None:
    """As glibc's do: which library a symbol is of is not told by its version's name."""
    elf.folder.mkdir()
    script = elf.folder / "v.map"
    script.write_text("BOTH_1 { *; };\n", "utf-8")
    for name in ("one", "two"):
        elf.library(
            f"-Wl,--version-script={script}",
            source=f"int foo_{name}(void) {{ return 1; }}",
            soname=f"lib{name}.so",
            file=f"lib{name}.so",
        )
    against = [str(elf.folder / f"lib{name}.so") for name in ("one", "two")]
    content = elf.library(
        *against, source="int foo_one(), foo_two(), (*f[])() = {foo_two, foo_one};"
    )
    (binary,) = read_binary("lib", content)
    assert {(i.name, i.version, i.library) for i in binary.imports} == {
        ("foo_one", "BOTH_1", "libone.so"),
        ("foo_two", "BOTH_1", "libtwo.so"),
    }


# Of other widths and orders of bytes; two are unknown to wheel tags that we know.
TARGETS = {
    "aarch64": "aarch64",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "x86": "i686",
    "powerpc": "unknown",
}


@pytest.mark.parametrize("target", TARGETS)
def test_readelf_says_the_same_of_other_processors(target: str, tmp_path: Path) -> None:
    if not (readelf.is_available() and macho_and_pe.is_available()):
        pytest.skip("requires readelf and zig's compilers (ziglang)")
    library, source = tmp_path / "lib.so", tmp_path / "lib.c"
    source.write_text(f"int bar(void);\n{wheels.LIBRARY}int more(void) {{ return bar(); }}\n")
    cc = [sys.executable, "-m", "ziglang", "cc", "-target", f"{target}-linux-musl", "-shared"]
    link = ["-nostdlib", "-fPIC", "-Wl,-soname,libfoo.so.1", "-Wl,-rpath,$ORIGIN", "-o"]
    building.run(*cc, *link, library, source)
    (binary,) = read_binary("lib", library.read_bytes())
    assert binary.architecture == TARGETS[target]
    assert binary.runtime_name == "libfoo.so.1"
    assert readelf.differences({library: binary}) == []


@pytest.mark.parametrize("hashes", ["sysv", "gnu", "both"])
def test_files_without_sections(hashes: str, elf: wheels.Elf) -> None:
    """Loaders do not read sections, and some tools remove them."""
    content = elf.library("-lc", f"-Wl,--hash-style={hashes}", source=f"{wheels.LIBRARY}int n = 1;")
    sections_at, sections = 40, 60  # in the header of 64 bits
    stripped = bytearray(content)
    stripped[sections_at : sections_at + 8] = bytes(8)
    stripped[sections : sections + 4] = bytes(4)
    assert read_binary("lib", bytes(stripped)) == read_binary("lib", content)
    (binary,) = read_binary("lib", content)
    assert {export.name for export in binary.own_exports} == {"foo_one", "foo_two", "n"}


@pytest.mark.parametrize("hashes", ["sysv", "gnu"])
def test_a_file_that_only_imports(hashes: str, elf: wheels.Elf) -> None:
    """GNU's hash table is empty then, and says nothing of how many symbols there are."""
    source = "int bar(void); static int (*f)(void) __attribute__((used)) = bar;"
    content = elf.library("-nostartfiles", f"-Wl,--hash-style={hashes}", source=source)
    (binary,) = read_binary("lib", content)
    assert {symbol.name for symbol in binary.imports} == {"bar"}
    assert binary.own_exports == frozenset()


def test_names_without_end_do_not_fill_the_memory(elf: wheels.Elf) -> None:
    """Every symbol's name is the rest of the file: the sum is its length squared."""
    many = "".join(f"int v{number};" for number in range(2000))
    content = elf.library(source=many)
    (first,) = re.findall(rb"\0v1\0", content)[:1]
    start = content.index(first)
    end = start + 9000
    damaged = content[:start] + b"x" * (end - start) + content[end:]
    (whole,) = read_binary("lib", content)
    assert len(whole.exports) >= 2000
    with pytest.raises(CorruptBinaryError, match="names without end"):
        read_binary("lib", damaged)


def test_dynamic_section_without_end(elf: wheels.Elf) -> None:
    """Many segments that are one large section would be read again and again."""
    content = bytearray(elf.library())
    (at,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = [at + n * size for n in range(count)]
    (dynamic,) = (h for h in headers if struct.unpack_from("<I", content, h) == (2,))
    struct.pack_into("<Q", content, dynamic + 32, 1 << 40)
    with pytest.raises(CorruptBinaryError, match="dynamic section without end"):
        read_binary("lib.so", bytes(content))


def without_gnu_stack(elf: bytes) -> bytes:
    """Return an ELF file of 64 bits that does not say how it wants its stack."""
    changed = bytearray(elf)
    (at,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    (stack,) = (
        h
        for n in range(count)
        if struct.unpack_from("<I", elf, h := at + n * size)[0] == 0x6474E551
    )
    struct.pack_into("<I", changed, stack, 0)
    return bytes(changed)


STACK = """
import ctypes, pathlib, sys
ctypes.CDLL(sys.argv[1])
lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
print(*(line.split()[1] for line in lines if line.endswith("[stack]")))
"""


def test_stack_of_what_does_not_say_how_it_wants_it(elf: wheels.Elf, tmp_path: Path) -> None:
    """As glibc makes it: where it still does so, the process's stack is executable afterwards."""
    content = elf.library("-Wl,-z,noexecstack")
    for name, stack in (("says", content), ("says_not", without_gnu_stack(content))):
        (tmp_path / name).write_bytes(stack)
        (binary,) = read_binary(name, stack)
        assert binary.has_executable_stack == (
            name == "says_not" and binary.architecture == "x86_64"
        )
        version = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
        if platform.libc_ver()[0] == "glibc" and version < (2, 41):
            made = building.run(sys.executable, "-c", STACK, tmp_path / name)
            assert ("x" in made) == binary.has_executable_stack


@pytest.mark.parametrize(
    ("machine", "executable"),
    [
        *((62, True), (3, True), (40, True), (22, True)),  # x86_64, i686, armv7l, s390x
        *(
            (183, False),
            (21, False),
            (243, False),
            (258, False),
        ),  # aarch64, ppc64, riscv64, loongarch64
    ],
)
def test_stack_of_processors(elf: wheels.Elf, machine: int, executable: bool) -> None:
    """Where the file does not say it, as glibc's stackinfo.h has it (DEFAULT_STACK_PERMS)."""
    content = without_gnu_stack(elf.library())
    (binary,) = read_binary("lib", content[:18] + struct.pack("<H", machine) + content[20:])
    assert binary.has_executable_stack == executable


def test_folders_without_end(elf: wheels.Elf) -> None:
    """Each would be a finding."""
    for count in (1000, 1001):
        content = elf.library(f"-Wl,-rpath,{':'.join(map(str, range(count)))}")
        if count == 1000:
            assert len(read_binary("lib.so", content)[0].search_paths) == count
            continue
        with pytest.raises(CorruptBinaryError, match="1001 libraries or search paths"):
            read_binary("lib.so", content)


def test_differences_from_readelf_are_found(elf: wheels.Elf) -> None:
    (binary,) = read_binary("lib", elf.library())
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    wrong = dataclasses.replace(binary, needed=("libother.so",), exports=frozenset())
    found = readelf.differences({elf.folder / wheels.NAME: wrong})
    assert [line.split(": ")[1] for line in found] == ["needed", "exports"]


def test_macho(foreign_binaries: macho_and_pe.Foreign) -> None:
    both = wheels.universal(foreign_binaries.macos_x86_64, foreign_binaries.macos_arm64)
    x86_64, arm64 = read_binary("lib", both)
    assert (x86_64.architecture, arm64.architecture) == ("x86_64", "aarch64")
    assert (x86_64.is_signed, arm64.is_signed) == (False, True)
    for binary in (x86_64, arm64):
        assert binary.format == "Mach-O"
        assert binary.runtime_name == f"@rpath/{macho_and_pe.DYLIB}"
        assert binary.needed == ("/usr/lib/libSystem.B.dylib",)
        assert {export.name for export in binary.own_exports} == {"foo_one"}
        assert binary.minimum_os[:2] == (11, 0)
        assert binary.rpath == ()
    (extension,) = read_binary("ext", foreign_binaries.macos_extension)
    assert extension.is_extension_module
    (symbol,) = (symbol for symbol in extension.imports if symbol.name == "foo_one")
    assert symbol.library == f"@rpath/{macho_and_pe.DYLIB}"


def test_pe(foreign_binaries: macho_and_pe.Foreign) -> None:
    (library,) = read_binary("lib", foreign_binaries.windows)
    assert (library.format, library.architecture) == ("PE", "x86_64")
    assert library.runtime_name == macho_and_pe.DLL
    assert {export.name for export in library.own_exports} == {"foo_one"}
    (extension,) = read_binary("ext", foreign_binaries.windows_extension)
    assert extension.is_extension_module
    assert macho_and_pe.DLL in extension.needed
    (symbol,) = (symbol for symbol in extension.imports if symbol.name == "foo_one")
    assert symbol.library == macho_and_pe.DLL


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", b"\xca\xfe\xba\xbe\0\0\0\x34class", b"\x7fEL"]
)
def test_what_is_no_binary(content: bytes) -> None:
    assert not is_binary(content[:8])
    assert read_binary("file", content) == ()


def test_an_object_file_is_no_library(elf: wheels.Elf) -> None:
    content = elf.library()
    assert read_binary("lib", content) != ()
    assert read_binary("file.o", content[:16] + b"\1\0" + content[18:]) == ()


def test_cut_off(elf: wheels.Elf, foreign_binaries: macho_and_pe.Foreign) -> None:
    both = wheels.universal(foreign_binaries.macos_x86_64, foreign_binaries.macos_arm64)
    for content in (elf.library(), foreign_binaries.macos_arm64, both, foreign_binaries.windows):
        for end in (60, 500, len(content) // 2):
            with pytest.raises(CorruptBinaryError):
                read_binary("lib.dll", content[:end])


def test_who_fits_whom() -> None:
    glibc = Binary("a", "ELF", "x86_64", "", libc="glibc")
    assert glibc.fits(glibc)
    assert glibc.fits(dataclasses.replace(glibc, libc=""))
    assert not glibc.fits(dataclasses.replace(glibc, libc="musl"))
    assert not glibc.fits(dataclasses.replace(glibc, architecture="aarch64"))
    assert not glibc.fits(dataclasses.replace(glibc, format="PE"))


@pytest.mark.parametrize(
    "name",
    [
        *("KERNEL32.dll", "webservices.dll", "api-ms-win-crt-math-l1-1-0.dll"),
        # Which pywin32 312 and cmake 4.4.5 need.
        *("ACLUI.dll", "LZ32.dll", "loadperf.dll", "query.dll", "icuuc.dll"),
    ],
)
def test_what_every_windows_has(name: str) -> None:
    binary = Binary("a", "PE", "x86_64", "")
    assert is_system_library(name, binary)
    # The C++ run-time is Visual Studio's, and CPython brings that of C only.
    assert not is_system_library("MSVCP140.dll", binary)


# What the linkers of Android's NDK write into every file.
ANDROIDS_NOTE = """
struct { int name_size, size, type; char name[8]; int api_level; } const android
__attribute__((used, aligned(4), section(".note.android.ident"))) = {8, 4, 1, "Android", 24};
int foo_one(void) { return 1; }
"""


def test_android(elf: wheels.Elf) -> None:
    """Its libc has the name of musl's; its list of libraries is its own."""
    (binary,) = read_binary("lib", elf.library(source=ANDROIDS_NOTE))
    assert binary.libc == "bionic"
    for name in ("libc.so", "libdl.so", "libm.so", "libpython3.14.so"):
        assert is_system_library(name, binary)
    for name in ("libc.so.6", "libm.so.6", "libc++_shared.so", "libstdc++.so.6"):
        assert not is_system_library(name, binary)
    assert not is_system_library("libdl.so", dataclasses.replace(binary, libc="musl"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@rpath/Python.framework/Python", True),  # iOS
        ("/Library/Frameworks/Python.framework/Versions/3.13/Python", True),
        ("@rpath/Other.framework/Other", False),
        ("@rpath/Python.framework/Other", False),
    ],
)
def test_apples_python(name: str, expected: bool) -> None:
    assert is_system_library(name, Binary("a", "Mach-O", "aarch64", "")) is expected


@pytest.mark.parametrize("function", ["PyInit_", "PyInitU_", "PyModExport_", "PyModExportU_"])
def test_extension_modules_are_known_by_what_python_calls(function: str) -> None:
    def of(name: str) -> Binary:
        return Binary("a", "ELF", "x86_64", "", exports=frozenset({Export(name)}))

    assert of(f"{function}foo").is_extension_module
    assert not of(f"a{function}foo").is_extension_module


def test_a_dotnet_assembly_is_for_any_processor() -> None:
    """pythonnet 3.2.1 has them in a wheel for any platform; its format says i686."""

    def of(clr_header: bytes) -> bytes:
        directories = 14 * bytes(8) + clr_header + bytes(8)
        optional = struct.pack("<HBBIIIII", 0x10B, 0, 0, 0, 0, 0, 0, 0) + struct.pack("<I", 0)
        optional += struct.pack("<III", 0x400000, 0x1000, 0x200) + struct.pack(
            "<6HI", *[4, 0] * 3, 0
        )
        optional += struct.pack("<III", 0x1000, 0x200, 0) + struct.pack("<HH", 3, 0)
        optional += struct.pack("<4IIi", 0, 0, 0, 0, 0, 16) + directories
        header = struct.pack("<HHIIIHH", 0x14C, 0, 0, 0, 0, len(optional), 0x2102)
        return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + header + optional

    assert len(read_binary("a.dll", of(bytes(8)))) == 1
    assert read_binary("a.dll", of(struct.pack("<II", 0x1000, 72))) == ()


@pytest.mark.parametrize("kind", ["Mach-O", "PE"])
def test_a_processor_that_lief_does_not_know_is_told_without_its_warning(kind: str) -> None:
    pe = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    pe += struct.pack("<HHIIIHHH", 0x1234, 0, 0, 0, 0, 240, 0x2022, 0x20B)
    macho = struct.pack("<8I", 0xFEEDFACF, 0x1000063, 0, 6, 0, 0, 0, 0)
    content = {"PE": pe, "Mach-O": macho}[kind].ljust(1000, b"\0")
    (found,) = read_binary("bad/one.dll", content)
    assert (found.format, found.architecture) == (kind, "unknown")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("_x.cpython-313-x86_64-linux-gnu.so", True),
        ("foo.libs/libssl-81259c47.so.1.1.1k", True),
        ("foo/libfoo.1.DYLIB", True),
        ("foo/Qt/lib/QtCore.framework/Versions/A/QtCore", True),
        ("Python.framework/Python", True),
        ("foo/QtCore.framework/Versions/A/Resources/Info.plist", False),
        ("foo/QtCore.framework/QtGui", False),
        ("foo/MyQtCore.framework.d/QtCore", False),
        ("foo/libfoo.so.py", False),
        ("foo/dll", False),
    ],
)
def test_names_of_libraries(path: str, expected: bool) -> None:
    assert is_named_as_library(path) is expected
