"""`native-lib check` over wheels of 32 bits and of big-endian machines: right ones, and broken ones."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import Callable

import building
import pytest
from elftools.elf.elffile import ELFFile
from native_lib.check.read_wheel import read_wheel
from native_lib.check.run import check
from platforms import binary, cross
from platforms.elsewhere import FOO

Built = Callable[[str, str], Path]
Packed = Callable[[str, str], "list[Path]"]

NAME = "libfoo__foo.so.1"
# What patchelf does to a right library, and what is then found.
CHANGES = {
    ("--set-soname", "libfoo.so.2"): {"soname-differs", "manifest-differs", "needed-unanswered"},
    ("--set-rpath", "/home/me/build/lib"): {"rpath-idle"},  # it needs the C library only
    ("--add-needed", "libm.so.6", "--set-rpath", "/home/me/build/lib"): {"rpath-absolute"},
    ("--set-execstack",): {"executable-stack"},
    ("--add-needed", "libabsent.so.3"): {"needed-unanswered"},
    ("--replace-needed", "libc.so.6", "libc.musl-any.so.1"): {
        "anchor-missing",
        "tag-platform",
        "provider-platform",
    },
}

pytestmark = pytest.mark.parametrize("target", cross.MACHINES)


@dataclasses.dataclass(frozen=True)
class Wheels:
    """A pair's wheels; the provider's library may be replaced."""

    consumer: Path
    provider: Path
    folder: Path

    @property
    def library(self) -> Path:
        """A copy of the library, to be changed."""
        with zipfile.ZipFile(self.provider) as archive:
            return Path(archive.extract(f"libfoo/lib/{NAME}", self.folder))

    def found(self, library: bytes) -> set[str]:
        """Return what is found where the provider has this library."""
        wheel = self.folder / self.provider.name
        with zipfile.ZipFile(self.provider) as old, zipfile.ZipFile(wheel, "w") as new:
            for name in old.namelist():
                new.writestr(name, library if name.endswith(NAME) else old.read(name))
        report = check([self.consumer, wheel])
        found = {rule.id for rule, _ in report.findings} | {"unusable" for _ in report.unusable}
        return found - {"wheel-record"}  # RECORD has the hash of the library as it was


@pytest.fixture
def wheels(packed: Packed, target: str, tmp_path: Path) -> Wheels:
    consumer, provider = packed(target, "c")
    return Wheels(consumer, provider, tmp_path)


def test_nothing_is_found(wheels: Wheels, target: str) -> None:
    assert wheels.found(wheels.library.read_bytes()) == set()
    for wheel in (wheels.consumer, wheels.provider):
        assert {found.architecture for found in read_wheel(wheel).binaries} == {
            cross.MACHINES[target].processor
        }


def test_other_readers_say_the_same(wheels: Wheels, tmp_path: Path, target: str) -> None:
    for wheel in (wheels.consumer, wheels.provider):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
        for ours in read_wheel(wheel).binaries:
            theirs = binary.read(tmp_path / ours.path)
            assert ours.architecture == theirs.machine == cross.MACHINES[target].processor
            assert ours.runtime_name == theirs.runtime_name
            assert set(ours.needed) == theirs.needed
            assert {export.name for export in ours.exports} == theirs.exports


@pytest.mark.parametrize("change", CHANGES, ids=" ".join)
def test_a_broken_library(wheels: Wheels, target: str, change: tuple[str, ...]) -> None:
    library = wheels.library
    building.run(building.tool("patchelf"), *change, library)
    assert wheels.found(library.read_bytes()) == CHANGES[change]


def test_no_soname(wheels: Wheels, target: str, built: Built) -> None:
    compiler = str(built(target, "c").parent / "tools" / "cc")
    made = building.compile_library(FOO, wheels.folder / "foo.so", "-lc", compiler=compiler)
    assert "soname-missing" in wheels.found(made.read_bytes())


def test_a_function_that_the_consumer_calls_is_missing(
    wheels: Wheels, target: str, built: Built
) -> None:
    compiler = str(built(target, "c").parent / "tools" / "cc")
    source = 'const char *foo_version(void) { return "1.0.0"; }'
    made = building.compile_library(
        source, wheels.folder / "foo.so", "-lc", compiler=compiler, soname=NAME
    )
    assert "symbol-missing" in wheels.found(made.read_bytes())


def test_a_library_of_another_machine(wheels: Wheels, target: str, built: Built) -> None:
    others = [name for name in (*cross.MACHINES, "linux-aarch64") if name != target]
    for other in others:
        library = built(other, "c") / "libfoo" / "lib" / NAME
        assert "tag-platform" in wheels.found(library.read_bytes())


def test_a_library_that_is_cut_off_anywhere(wheels: Wheels, target: str) -> None:
    """At every 128 bytes: told, unless the cut is behind all that is loaded; and never a crash."""
    content = wheels.library.read_bytes()
    elf = ELFFile(io.BytesIO(content))
    loaded = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    end = max(segment["p_offset"] + segment["p_filesz"] for segment in loaded)
    assert 512 < end < len(content)
    for length in range(0, len(content), 128):
        assert wheels.found(content[:length]) or length >= end, length
