"""What a wheel's tags promise, against what its files need; no binary is made but the last."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import models
import pytest
import wheels
from models import EXTENSION, binary, find, wheel
from native_lib.check.read_wheel import read_wheel
from native_lib.check.rule import Finding
from native_lib.check.run import check
from native_lib.check.system import NEVER, manylinux_with

if TYPE_CHECKING:
    from pathlib import Path

LIBC, CXX, GCC, Z = "libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"
AARCH64, X86_64 = "aarch64", "x86_64"
MANYLINUX = "py3-none-manylinux_2_17_x86_64"


# tag-versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "library", "version", "first"),
    [
        ("manylinux1", LIBC, "GLIBC_2.5", 0),
        ("manylinux1", LIBC, "GLIBC_2.2.5", 0),
        ("manylinux1", LIBC, "GLIBC_2.6", 6),
        ("manylinux2010", LIBC, "GLIBC_2.12", 0),
        ("manylinux2010", LIBC, "GLIBC_2.14", 14),
        ("manylinux2014", LIBC, "GLIBC_2.17", 0),
        ("manylinux2014", "libm.so.6", "GLIBC_2.29", 29),
        ("manylinux2014", "ld-linux-x86-64.so.2", "GLIBC_2.35", 35),
        ("manylinux_2_17", LIBC, "GLIBC_2.34", 34),
        ("manylinux_2_34", LIBC, "GLIBC_2.34", 0),
        # A number, not a text; and no policy says anything about 2.30.
        ("manylinux_2_30", LIBC, "GLIBC_2.4", 0),
        ("manylinux_2_30", LIBC, "GLIBC_2.31", 31),
        ("manylinux_2_35", LIBC, "GLIBC_ABI_DT_RELR", 36),
        ("manylinux_2_36", LIBC, "GLIBC_ABI_DT_RELR", 0),
        ("manylinux_2_41", LIBC, "GLIBC_ABI_GNU2_TLS", 42),
        ("manylinux_2_99", LIBC, "GLIBC_ABI_GNU2_TLS", 0),
        ("manylinux_2_99", LIBC, "GLIBC_2.100", 100),
        ("manylinux2014", CXX, "GLIBCXX_3.4.19", 0),
        ("manylinux2014", CXX, "GLIBCXX_3.4.20", 24),
        ("manylinux2014", CXX, "CXXABI_1.3.8", 24),
        ("manylinux_2_28", CXX, "GLIBCXX_3.4.25", 31),
        # What a system with glibc 2.29 has besides may be as new.
        ("manylinux_2_29", CXX, "GLIBCXX_3.4.25", 0),
        ("manylinux_2_29", CXX, "GLIBCXX_3.4.29", 34),
        ("manylinux_2_41", CXX, "GLIBCXX_3.4.99", 42),
        ("manylinux2014", GCC, "GCC_7.0.0", 27),
        ("manylinux2014", Z, "ZLIB_1.2.9", 27),
        ("manylinux1", Z, "ZLIB_1.2.0", 12),
        # Not the system's, or not a tag that promises anything.
        ("manylinux2014", "libfoo.so.1", "GLIBC_2.34", 0),
        ("manylinux2014", LIBC, "FOO_2.34", 0),
        ("linux", LIBC, "GLIBC_2.34", 0),
        ("musllinux_1_2", CXX, "GLIBCXX_3.4.29", 0),
        ("any", LIBC, "GLIBC_2.34", 0),
    ],
)
def test_versions(tag: str, library: str, version: str, first: int) -> None:
    one = binary(EXTENSION, needed_versions=frozenset({(library, version)}))
    tag = tag if tag == "any" else f"{tag}_x86_64"
    ours = wheel("foo-ext", one, tag=f"py3-none-{tag}")
    message = (
        f"needs {version} of {library}, which not every system has that the tag {tag} promises: "
        f"manylinux_2_{first} is the first"
    )
    expected = [Finding(ours.path.name, EXTENSION, version, message)] if first else []
    assert find("tag-versions", ours) == expected


def test_what_is_glibcs_own_is_on_no_promised_system() -> None:
    assert manylinux_with("GLIBC_PRIVATE", X86_64, 99) == NEVER
    one = binary(EXTENSION, needed_versions=frozenset({(LIBC, "GLIBC_PRIVATE")}))
    (found,) = find("tag-versions", wheel("foo-ext", one, tag=MANYLINUX))
    assert found.message.endswith("promises: it is glibc's own")


@pytest.mark.parametrize(
    ("version", "architecture", "minor", "first"),
    [
        ("GLIBC_2.18", X86_64, 17, 18),
        ("GLIBC_2.18", AARCH64, 17, 0),
        ("GLIBCXX_3.4.24", X86_64, 26, 27),
        ("GLIBCXX_3.4.24", "i686", 26, 0),
    ],
)
def test_versions_of_an_architecture(
    version: str, architecture: str, minor: int, first: int
) -> None:
    assert manylinux_with(version, architecture, minor) == first


def test_the_newest_version_and_the_oldest_tag_count() -> None:
    needed = {(LIBC, "GLIBC_2.9"), (LIBC, "GLIBC_2.28"), (CXX, "GLIBCXX_3.4.20")}
    one = binary(EXTENSION, needed_versions=frozenset(needed))
    tag = "py3-none-manylinux_2_28_x86_64.manylinux2014_x86_64.manylinux_2_5_aarch64"
    (found,) = find("tag-versions", wheel("foo-ext", one, tag=tag))
    assert found.value == "GLIBC_2.28"
    assert "the tag manylinux2014_x86_64 promises" in found.message


def test_a_library_that_the_wheel_brings_has_its_versions() -> None:
    user = binary(EXTENSION, needed_versions=frozenset({(CXX, "GLIBCXX_3.4.29")}))
    for file, name, architecture, found in (
        (f"foo_ext.libs/{CXX}", "", X86_64, 0),
        ("foo_ext.libs/libstdc++-1a2b3c4d.so.6", CXX, X86_64, 0),
        ("foo_ext.libs/libstdc++-1a2b3c4d.so.6", "libstdc++-1a2b3c4d.so.6", X86_64, 1),
        (f"foo_ext.libs/{CXX}", CXX, AARCH64, 1),
    ):
        own = binary(file, name, architecture=architecture)
        assert len(find("tag-versions", wheel("foo-ext", user, own, tag=MANYLINUX))) == found
    # And what it needs itself counts like the rest.
    own = binary(f"foo_ext.libs/{CXX}", needed_versions=frozenset({(LIBC, "GLIBC_2.18")}))
    (found_in,) = find("tag-versions", wheel("foo-ext", user, own, tag=MANYLINUX))
    assert found_in.file == own.path


# tag-libc -----------------------------------------------------------------------------------------

GLIBC, MUSL = "manylinux_2_17_x86_64", "musllinux_1_2_x86_64"  # tags that a file does not fit
BOTH = f"py3-none-{GLIBC}.{MUSL}"


@pytest.mark.parametrize(
    ("tag", "libcs", "found"),
    [
        (BOTH, ["glibc"], ["musllinux_1_2_x86_64"]),
        (BOTH, ["musl"], ["manylinux_2_17_x86_64"]),
        (BOTH, ["glibc", "glibc"], ["musllinux_1_2_x86_64"] * 2),
        (BOTH, ["glibc", ""], ["musllinux_1_2_x86_64"]),
        # Each file counts.
        (BOTH, ["glibc", "musl"], ["manylinux_2_17_x86_64", "musllinux_1_2_x86_64"]),
        (BOTH, ["glibc", "glibc", "musl"], [GLIBC, MUSL, MUSL]),
        (BOTH, [""], []),
        (BOTH, [], []),
        # These are tag-platform's.
        (MANYLINUX, ["musl"], []),
        ("py3-none-manylinux_2_17_x86_64.musllinux_1_2_aarch64", ["glibc"], []),
        (models.LINUX, ["musl", "glibc"], []),
        ("py3-none-any", ["glibc"], []),
    ],
)
def test_libc(tag: str, libcs: list[str], found: list[str]) -> None:
    files = [binary(f"foo_ext/{number}.so", libc=libc) for number, libc in enumerate(libcs)]
    assert [f.value for f in find("tag-libc", wheel("foo-ext", *files, tag=tag))] == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["glibc foo/_x.cpython-311-x86_64-linux-gnu.so", "musl foo/_x.cpython-311-x86_64-linux-musl.so"], []),
        (["glibc foo/glibc/libx.so.1", "musl foo/musl/libx.so.1"], []),
        (["glibc foo/libx-linux-gnu.so", "musl foo/libx-linux-musl.so"], []),
        (["glibc foo/bin/tool_glibc", "musl foo/bin/tool_musl"], []),
        (["glibc foo/_x.abi3.so", "musl foo/_y.abi3.so"], [GLIBC, MUSL]),
        # A library that only the one loads, and one that both do.
        (["glibc foo/glibc/_x.so libz.so", "musl foo/musl/_x.so", "glibc foo.libs/libz.so"], []),
        (["glibc foo/glibc/_x.so libz.so", "musl foo/musl/_x.so libz.so", "glibc foo.libs/libz.so"], [MUSL]),
        (["glibc foo/_x.so libz.so", "glibc foo.libs/libz.so", "musl foo/libmusl.so"], [MUSL, GLIBC]),
    ],
)  # fmt: skip
def test_a_file_for_each_libc(files: list[str], found: list[str]) -> None:
    of = [
        binary(path, libc=libc, needed=tuple(needed))
        for libc, path, *needed in map(str.split, files)
    ]
    ours = wheel("foo-ext", *of, tag=BOTH)
    assert sorted(f.value for f in find("tag-libc", ours)) == sorted(found)


def test_what_is_said_of_a_libc() -> None:
    ours = wheel("foo-ext", binary(EXTENSION, libc="glibc"), tag=BOTH)
    message = "is for glibc, and the wheel's tag musllinux_1_2_x86_64 promises musl"
    expected = Finding(ours.path.name, EXTENSION, "musllinux_1_2_x86_64", message)
    assert find("tag-libc", ours) == [expected]


# tag-architecture ---------------------------------------------------------------------------------

UNIVERSAL = "macosx_11_0_universal2"


@pytest.mark.parametrize(
    ("platform", "files", "found"),
    [
        (UNIVERSAL, {"a.so": (X86_64, AARCH64)}, {}),
        (UNIVERSAL, {"a.so": (X86_64,)}, {"a.so": AARCH64}),
        (
            UNIVERSAL,
            {"a.so": (X86_64, AARCH64), "foo.dylibs/b.dylib": (AARCH64,)},
            {"foo.dylibs/b.dylib": X86_64},
        ),
        ("macosx_10_9_x86_64.macosx_11_0_arm64", {"a.so": (X86_64,)}, {"a.so": AARCH64}),
        ("macosx_10_9_x86_64", {"a.so": (X86_64,)}, {}),
        ("macosx_10_9_x86_64", {"a.so": (X86_64, AARCH64)}, {}),
        # One file for each architecture.
        (UNIVERSAL, {"bin/tool_x86_64": (X86_64,), "bin/tool_arm64": (AARCH64,)}, {}),
        (UNIVERSAL, {"x64/tool": (X86_64,), "arm64/tool": (AARCH64,)}, {}),
        (UNIVERSAL, {"bin/tool_x86_64": (X86_64,)}, {"bin/tool_x86_64": AARCH64}),
        # No macOS of today runs these.
        ("macosx_10_6_intel", {"a.so": (X86_64,)}, {}),
        # tag-platform's.
        ("macosx_11_0_arm64", {"a.so": (X86_64,)}, {}),
        ("macosx_10_6_fat", {"a.so": (X86_64,)}, {}),
    ],
)
def test_architectures_of_macos(
    platform: str, files: dict[str, tuple[str, ...]], found: dict[str, str]
) -> None:
    slices = [
        binary(file, format="Mach-O", architecture=each)
        for file, architectures in files.items()
        for each in architectures
    ]
    ours = wheel("foo-ext", *slices, tag=f"py3-none-{platform}")
    expected = [
        Finding(
            *(ours.path.name, file, lacking),
            f"has nothing for {lacking}, which the wheel's tag promises",
        )
        for file, lacking in found.items()
    ]
    assert find("tag-architecture", ours) == expected


@pytest.mark.parametrize(
    ("platform", "format", "architectures", "lacking"),
    [
        ("win_amd64.win32", "PE", (X86_64,), "i686"),
        ("win_amd64.win32", "PE", (X86_64, "i686"), ""),
        ("win_amd64", "PE", (X86_64, "i686"), ""),
        ("linux_x86_64.linux_aarch64", "ELF", (AARCH64,), X86_64),
        ("linux_x86_64.linux_aarch64", "ELF", (AARCH64, X86_64), ""),
        # A helper for one system says nothing about the others.
        ("linux_x86_64.win_amd64", "ELF", (X86_64,), ""),
        ("any", "ELF", (X86_64,), ""),
    ],
)
def test_every_architecture_has_a_file(
    platform: str, format: str, architectures: tuple[str, ...], lacking: str
) -> None:
    files = [
        binary(f"foo_ext/{each}.so", format=format, architecture=each) for each in architectures
    ]
    found = find("tag-architecture", wheel("foo-ext", *files, tag=f"py3-none-{platform}"))
    assert [(f.file, f.value) for f in found] == ([("", lacking)] if lacking else [])


# A real one ---------------------------------------------------------------------------------------


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system's libc is not glibc")
def test_a_wheel_of_this_system_that_is_retagged_by_hand(elf: wheels.Elf, tmp_path: Path) -> None:
    """What every maintainer does once: build on a new system, and promise an old one."""
    has_new = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2]) >= (2, 34)
    source = f"{wheels.LIBRARY}#include <dlfcn.h>\nvoid *opened(void) {{ return dlopen(0, 1); }}\n"
    library = elf.library("-lc", "-ldl", source=source)
    machine = platform.machine()
    for tag in (f"linux_{machine}", f"manylinux2014_{machine}", "manylinux_2_39_" + machine):
        path = elf.provider(tmp_path / tag, library, tag=f"py3-none-{tag}")
        found = [
            f.value for rule, f in check([path], read_wheel).findings if rule.id == "tag-versions"
        ]
        assert found == (["GLIBC_2.34"] if "2014" in tag and has_new else [])
