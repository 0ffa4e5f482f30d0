"""A package of PyPI, unchanged, uses a provider as well as its own copy; `nox -s real_consumers` has more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if sys.platform != "linux":
    pytest.skip("auditwheel and /proc/self/maps are Linux's", allow_module_level=True)

import real_consumers
import wheels

if TYPE_CHECKING:
    from pathlib import Path

    import building

PYNACL = next(one for one in real_consumers.CONSUMERS if one.name == "PyNaCl")


def test_pynacl_passes_its_own_tests_as_pypis_wheel_does(
    sockets: building.Sockets, tmp_path: Path
) -> None:
    ((_, _, theirs, ours),) = real_consumers.prove([PYNACL], tmp_path, [sockets.sodium])
    assert ours == theirs
    assert ours.passed > 1000


def test_a_test_that_fails_only_here_is_named() -> None:
    theirs = real_consumers.Outcome(2, 0, frozenset({"tests::old"}))
    real_consumers.assert_no_more_failures(PYNACL, theirs, theirs)
    ours = real_consumers.Outcome(1, 0, frozenset({"tests::old", "tests::new"}))
    with pytest.raises(AssertionError, match=r"PyNaCl 1\.6\.2: .*\['tests::new'\]"):
        real_consumers.assert_no_more_failures(PYNACL, theirs, ours)


@pytest.mark.parametrize(
    ("name", "is_copy"),
    [
        ("pynacl.libs/libsodium-4a3b2c1d.so.26.2.0", True),
        ("nacl/libsodium.so", True),
        ("nacl/native_sodium__sodium.so.1.0", True),
        ("nacl/libsodium.pxd", False),
    ],
)
def test_a_copy_of_the_library_is_found(tmp_path: Path, name: str, is_copy: bool) -> None:
    wheel = wheels.make_wheel(
        tmp_path, "PyNaCl", {"nacl/__init__.py": "", name: ""}, requires=["native-sodium>=1.0.22"]
    )
    if is_copy:
        with pytest.raises(AssertionError, match=name):
            real_consumers.assert_uses_provider(PYNACL, wheel)
    else:
        real_consumers.assert_uses_provider(PYNACL, wheel)


def test_the_table_of_the_docs_is_of_these_packages() -> None:
    page = real_consumers.ROOT / "docs" / "explanation" / "real-consumers.md"
    table = page.read_text("utf-8").partition("| package | back end |")
    lines = "".join(table[1:]).partition("\n\n")[0].splitlines()
    head, _, *rows = (tuple(line.strip("| ").split(" | ")) for line in lines)
    assert head == real_consumers.COLUMNS
    assert [row[:4] for row in rows] == [one.facts() for one in real_consumers.CONSUMERS]
    for *_, ours, theirs in rows:
        assert ours.split(" / ")[1] == theirs.split(" / ")[1], "failed tests"
