"""`native-lib check` over the wheels that were cross-built: nothing to find on any platform."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Callable

import pytest
from native_lib.check.read_wheel import read_wheel
from native_lib.check.run import check
from platforms import binary, cross

if TYPE_CHECKING:
    from pathlib import Path

Packed = Callable[[str, str], "list[Path]"]


def metadata(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return archive.read(name).decode().splitlines()


@pytest.mark.parametrize(("target", "what"), cross.CASES)
def test_nothing_is_found(packed: Packed, target: str, what: str) -> None:
    report = check(packed(target, what))
    assert len(report.checked) == 2
    assert (report.findings, report.unusable) == ((), ())


@pytest.mark.parametrize("what", cross.WHAT)
def test_every_platform_at_once(packed: Packed, what: str) -> None:
    """A release's folder: each consumer has its provider, and others that do not fit it."""
    report = check([wheel for target in cross.TARGETS for wheel in packed(target, what)])
    assert len(report.checked) == 2 * len(cross.TARGETS)
    assert (report.findings, report.unusable) == ((), ())


@pytest.mark.parametrize("target", cross.TARGETS)
def test_a_consumer_alone_is_noted(packed: Packed, target: str) -> None:
    """So that the tests above can fail: the checker sees what the consumer needs."""
    consumer, _ = packed(target, "c")
    assert "Requires-Dist: libfoo<2,>=1.0.0" in metadata(consumer)
    report = check([consumer])
    runtime_name = cross.TARGETS[target].runtime_name("libfoo__foo", "1")
    assert [(rule.id, found.value) for rule, found in report.findings] == [
        ("provider-absent", runtime_name)
    ]


@pytest.mark.parametrize("target", cross.TARGETS)
def test_a_provider_for_another_platform_is_an_error(packed: Packed, target: str) -> None:
    consumer, _ = packed(target, "c")
    others = [packed(other, "c")[1] for other in cross.TARGETS if other != target]
    report = check([consumer, *others])
    assert {rule.id for rule, _ in report.findings} == {"provider-platform"}


@pytest.mark.parametrize(("target", "what"), cross.CASES)
def test_other_readers_say_the_same(packed: Packed, target: str, what: str, tmp_path: Path) -> None:
    """The checker's model of a binary, and what pyelftools, macholib and pefile read."""
    for wheel in packed(target, what):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
        binaries = read_wheel(wheel).binaries
        assert binaries
        for ours in binaries:
            theirs = binary.read(tmp_path / ours.path)
            assert ours.architecture.replace("aarch64", "arm64") == theirs.machine
            assert ours.runtime_name == theirs.runtime_name
            assert set(ours.needed) == theirs.needed
            assert ours.search_paths == theirs.search_paths
            assert {export.name for export in ours.exports} - binary.ZIGS_OWN == theirs.exports
            assert ours.is_signed == theirs.is_signed
            if ours.format == "Mach-O":
                assert ours.minimum_os[:2] == theirs.minimum
