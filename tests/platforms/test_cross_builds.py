"""What the binaries for every platform say, built from the projects' own CMakeLists.txt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import building
import pytest
from native_lib.literals import read_literals
from platforms import binary, cross


@dataclass(frozen=True)
class Library:
    """A provider's library: its package, the stem of its names, its ABI, and what it may export."""

    package: str
    stem: str
    abi: str
    exports: str
    # The package whose binary was linked against it; of a library its stem and ABI, too.
    consumer: str = ""
    consumer_stem: str = ""
    consumer_abi: str = ""


# zig has no shared libc++: it links what is used of its own into each file, and there the operators
# new and delete are visible (the standard lets a program replace them), whatever NativeLibrary.cmake
# hides. Its linker knows no --exclude-libs. A library for Windows exports what is marked, and no more.
OPERATORS = r"_Z[nd][awl]\w+"
CXX = rf"foo_version|_Z(N|NK|TI|TS|TV)N?3foo\w+|{OPERATORS}"
LIBRARIES = {
    "c": (Library("libfoo", "libfoo__foo", "1", r"foo_(square|version)", "foo_ext"),),
    "cxx": (Library("libfoo", "libfoo__foo", "1", CXX, "foo_ext"),),
    "reference": (
        Library(
            *("native_zlib", "native_zlib__z", "1", r"z_[a-z]\w*"),
            *("native_libpng", "native_libpng__png", "1.6"),
        ),
        Library("native_libpng", "native_libpng__png", "1.6", r"native_png_[a-z]\w*"),
    ),
}
# What every system has, and what is not ours to ship; python3.dll is the interpreter.
SYSTEM = {
    "musl": r"libc\.musl-x86_64\.so\.1",
    "Linux": r"lib[cm]\.so\.6|ld-linux.*|libdl\.so\.2|libpthread\.so\.0",
    "Darwin": r"/usr/lib/libSystem\.B\.dylib",
    "Windows": r"(?i)(kernel32|ntdll|advapi32|python3)\.dll|api-ms-win-crt-.*\.dll",
}
MACHINES = {
    "x86_64": "x86_64",
    "AMD64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "ARM64": "arm64",
}

Built = Callable[[str, str], Path]
BINARIES = (".so", ".dylib", ".dll", ".pyd")


def literals(file: Path) -> dict[str, Any]:
    """Read a manifest or record that a build wrote."""
    return read_literals(file, file.read_bytes(), known=1)


def binaries(site: Path) -> list[Path]:
    """Return every binary of the packages; import libraries and link files are none."""
    return [
        file
        for file in sorted(site.rglob("*"))
        if (file.suffix in BINARIES or ".so." in file.name)
        and not file.read_bytes().startswith(b"INPUT(")
    ]


@pytest.fixture(params=cross.CASES, ids="-".join)
def case(request: pytest.FixtureRequest, built: Built) -> tuple[str, str, Path]:
    """A target, what was built for it, and the folder with that."""
    target, what = request.param
    return target, what, built(target, what)


def test_names(case: tuple[str, str, Path]) -> None:
    """The file's name, the binary's own, the manifest's and what consumers record are one."""
    name, what, site = case
    target = cross.TARGETS[name]
    for library in LIBRARIES[what]:
        file = site / library.package / "lib" / target.file(library.stem, library.abi)
        runtime_name = target.runtime_name(library.stem, library.abi)
        assert binary.read(file).runtime_name == runtime_name
        manifest = literals(site / library.package / "_native_libs.py")
        assert isinstance(manifest["LIBRARIES"], dict)
        ((short, facts),) = manifest["LIBRARIES"].items()
        assert library.stem == f"{library.package}__{short}"
        assert facts["file"] == f"lib/{file.name}"
        assert facts["runtime_name"] == runtime_name
        if facts["probe_symbol"]:
            assert facts["probe_symbol"] in binary.read(file).exports
        if not library.consumer:
            continue
        other = site / library.consumer / target.extension
        if library.consumer_stem:
            leaf = target.file(library.consumer_stem, library.consumer_abi)
            other = site / library.consumer / "lib" / leaf
        assert binary.read(other).needs(library.package) == {runtime_name}
        record = literals(site / library.consumer / "_native_requires.py")
        assert library.package in str(record["REQUIRES"])


def test_every_needed_name_is_a_providers_or_the_systems(case: tuple[str, str, Path]) -> None:
    name, what, site = case
    target = cross.TARGETS[name]
    ours = {target.runtime_name(library.stem, library.abi) for library in LIBRARIES[what]}
    systems = SYSTEM["musl" if target.is_musl else target.system]
    for file in binaries(site):
        others = binary.read(file).needed - ours
        assert not [n for n in others if not re.fullmatch(systems, n)], file


def test_no_folder_of_the_build_is_in_any_file(case: tuple[str, str, Path]) -> None:
    _, _, site = case
    private = (str(site.parent), str(building.ROOT), str(Path.home()))
    for file, content in cross.files(site, site).items():
        assert not [folder for folder in private if folder.encode() in content], file


def test_no_search_path_but_the_anchors(case: tuple[str, str, Path]) -> None:
    _, _, site = case
    for file in binaries(site):
        expected = ("$ORIGIN",) if file.stem.endswith("-anchor") else ()
        assert binary.read(file).search_paths == expected, file


def test_no_symbolic_links_and_no_second_file(case: tuple[str, str, Path]) -> None:
    name, what, site = case
    assert not [file for file in site.rglob("*") if file.is_symlink()]
    count = len(LIBRARIES[what]) * (2 if cross.TARGETS[name].is_musl else 1)
    assert len(binaries(site)) == count + (what != "reference")


def test_anchor_on_musl_and_only_there(case: tuple[str, str, Path]) -> None:
    name, what, site = case
    for library in LIBRARIES[what]:
        manifest = literals(site / library.package / "_native_libs.py")
        assert isinstance(manifest["LIBRARIES"], dict)
        ((_, facts),) = manifest["LIBRARIES"].items()
        anchors = list((site / library.package / "lib").glob("*anchor*"))
        if not cross.TARGETS[name].is_musl:
            assert (facts["anchor"], anchors) == ("", [])
            continue
        assert anchors == [site / library.package / facts["anchor"]]
        anchor = binary.read(anchors[0])
        assert anchor.runtime_name == ""
        assert facts["runtime_name"] in anchor.needed


def test_exports_are_the_librarys_own(case: tuple[str, str, Path]) -> None:
    name, what, site = case
    for library in LIBRARIES[what]:
        file = cross.TARGETS[name].file(library.stem, library.abi)
        exports = binary.read(site / library.package / "lib" / file).exports
        assert exports
        assert not sorted(e for e in exports if not re.fullmatch(library.exports, e))
    if what != "reference":
        extension = binary.read(site / "foo_ext" / cross.TARGETS[name].extension)
        assert {e for e in extension.exports if not re.fullmatch(OPERATORS, e)} == {"PyInit__ext"}


def exports(built: Built, target: str, what: str, library: Library) -> frozenset[str]:
    file = cross.TARGETS[target].file(library.stem, library.abi)
    return binary.read(built(target, what) / library.package / "lib" / file).exports


OTHERS = [name for name in cross.TARGETS if name != "linux-x86_64"]


@pytest.mark.parametrize("target", OTHERS)
def test_every_platform_exports_the_same(built: Built, target: str) -> None:
    """But for what zlib has on Windows only, and three constants that it marks for no DLL."""
    but = {"z_gzopen_w", "z_errmsg", "z_deflate_copyright", "z_inflate_copyright"}
    but = but if target.startswith("windows") else set()
    for library in LIBRARIES["reference"]:
        here, there = (
            exports(built, name, "reference", library) for name in ("linux-x86_64", target)
        )
        assert here ^ there <= but


@pytest.mark.parametrize("target", OTHERS)
def test_every_platform_exports_the_same_classes(built: Built, target: str) -> None:
    """But for Windows, where each file has type information of its own, and it is told by name."""
    (library,) = LIBRARIES["cxx"]
    here, there = (exports(built, name, "cxx", library) for name in ("linux-x86_64", target))
    but = set()
    if target.startswith("windows"):
        but = {name for name in here if re.fullmatch(rf"_ZT[IS]N3foo\w+|{OPERATORS}", name)}
        assert len([name for name in but if name.startswith("_ZTI")]) == 3
    assert here ^ there == but


def test_machine_and_oldest_system(case: tuple[str, str, Path]) -> None:
    name, _, site = case
    for file in binaries(site):
        facts = binary.read(file)
        assert facts.machine == MACHINES[cross.TARGETS[name].processor]
        if cross.TARGETS[name].system == "Darwin":
            assert facts.minimum == (11, 0)
        elif not cross.TARGETS[name].is_musl:
            assert facts.minimum <= (2, 17)


@pytest.mark.parametrize("what", LIBRARIES)
def test_apple_silicon_takes_only_what_is_signed(built: Built, what: str) -> None:
    found = binaries(built("macos-arm64", what))
    assert found
    assert all(binary.read(file).is_signed for file in found)
