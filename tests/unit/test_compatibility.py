"""Which versions replace which: for the checker, for the loader that refuses the others, for CMake."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING

import building
import pytest
from native_lib.check.compatibility import can_replace, incompatible, next_incompatible
from native_lib.support import shared_lib_consumer
from packaging.version import Version

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("SameMajorVersion", "SameMinorVersion", "ExactVersion")
VERSIONS = (
    *("0.9", "1", "1.3.99", "1.4", "1.4.1"),
    *("1.4.2.dev1", "1.4.2a1", "1.4.2rc1.dev1", "1.4.2rc1", "1.4.2rc2"),
    *("1.4.2", "1.4.2.0.1", "1.4.2.post1", "1.4.2.post2.dev1", "1.4.2+local"),
    *("1.4.3", "1.5.0", "1.10.0", "2.0.0rc1", "2.0.0", "14.0.0"),
)


def loader_accepts(installed: str, built: str, compatibility: str) -> bool:
    """Ask the vendored loader, which has its own way to compare: it must do without packaging."""
    need = {"version": built, "compatibility": compatibility, "requirement": "foo"}
    need |= {"provider": "foo", "distribution": "foo"}
    loader = SimpleNamespace(version=installed, provider="foo", distribution="foo")
    provider = SimpleNamespace(loader=loader)
    try:
        shared_lib_consumer._check_version(provider, need, "foo_ext", "here")
    except shared_lib_consumer.LibraryVersionError:
        return False
    return True


@pytest.mark.parametrize("compatibility", WORDS)
def test_checker_and_loader_agree(compatibility: str) -> None:
    for later, earlier in itertools.product(VERSIONS, repeat=2):
        said = can_replace(Version(later), Version(earlier), compatibility)
        assert said == loader_accepts(later, earlier, compatibility), (later, earlier)


# Asks the version file that CMake writes for a provider, as find_package(foo <earlier>) does.
CMAKE = """
cmake_minimum_required(VERSION 3.25)
include(CMakePackageConfigHelpers)
foreach(PACKAGE_VERSION IN LISTS versions)
    set(file "${CMAKE_CURRENT_BINARY_DIR}/${PACKAGE_VERSION}.cmake")
    write_basic_package_version_file(
        "${file}" VERSION ${PACKAGE_VERSION} COMPATIBILITY ${compatibility} ARCH_INDEPENDENT
    )
    foreach(PACKAGE_FIND_VERSION IN LISTS versions)
        string(REPLACE "." ";" numbers "${PACKAGE_FIND_VERSION}")
        list(LENGTH numbers PACKAGE_FIND_VERSION_COUNT)
        list(GET numbers 0 PACKAGE_FIND_VERSION_MAJOR)
        list(GET numbers 1 PACKAGE_FIND_VERSION_MINOR)
        unset(PACKAGE_VERSION_COMPATIBLE)
        include("${file}")
        if(PACKAGE_VERSION_COMPATIBLE)
            message("${PACKAGE_VERSION} replaces ${PACKAGE_FIND_VERSION}")
        endif()
    endforeach()
endforeach()
"""


@pytest.mark.parametrize("compatibility", WORDS)
def test_checker_and_cmake_agree(tmp_path: Path, compatibility: str) -> None:
    """CMake knows numbers only."""
    versions = ["0.9.0", "1.3.99", "1.4.1", "1.4.2", "1.4.3", "1.5.0", "1.10.0", "2.0.0", "14.0.0"]
    script = tmp_path / "ask.cmake"
    script.write_text(CMAKE, encoding="utf-8")
    facts = (f"-Dversions={';'.join(versions)}", f"-Dcompatibility={compatibility}")
    said = building.run(building.tool("cmake"), *facts, "-P", script, cwd=tmp_path)
    assert said.splitlines() == [
        f"{later} replaces {earlier}"
        for later, earlier in itertools.product(versions, repeat=2)
        if can_replace(Version(later), Version(earlier), compatibility)
    ]


@pytest.mark.parametrize(
    ("compatibility", "replaces"),
    [
        ("SameMajorVersion", "1.4.2 1.4.2.0.1 1.4.2.post1 1.4.2.post2.dev1 1.4.3 1.5.0 1.10.0"),
        ("SameMinorVersion", "1.4.2 1.4.2.0.1 1.4.2.post1 1.4.2.post2.dev1 1.4.3"),
        ("ExactVersion", "1.4.2 1.4.2.0.1 1.4.2.post1 1.4.2.post2.dev1"),
    ],
)
def test_what_replaces_a_version(compatibility: str, replaces: str) -> None:
    """A packaging revision is the same library, in both directions."""
    for built in ("1.4.2", "1.4.2.post1", "1.4.2+local"):
        found = [v for v in VERSIONS if can_replace(Version(v), Version(built), compatibility)]
        assert [v for v in found if "+" not in v] == replaces.split()


@pytest.mark.parametrize(
    ("compatibility", "version", "far"),
    [
        ("SameMajorVersion", "2", "9.0"),
        ("SameMinorVersion", "1.5", "8.0"),
        ("ExactVersion", "1.4.3", "8.0"),
    ],
)
def test_next_incompatible(compatibility: str, version: str, far: str) -> None:
    newer = next_incompatible(Version("1.4.2"), compatibility)
    assert str(newer) == version
    assert next_incompatible(Version("1.4.2.post1"), compatibility) == newer
    refused = {str(each) for each in incompatible(Version("1.4.2"), compatibility)}
    assert refused == {version, f"{version}.0.1", far, "1.4.1", "1.3.99", "0.99"}
    for each in refused:
        assert not can_replace(Version(each), Version("1.4.2"), compatibility)


def test_nothing_is_older_than_the_first() -> None:
    assert [str(v) for v in incompatible(Version("0.0.0"), "SameMajorVersion")] == [
        "1",
        "1.0.1",
        "8.0",
    ]
