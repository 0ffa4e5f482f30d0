"""`native-lib check` over the reference packages: nothing to find, and what is missing is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import readelf
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    import building


def test_nothing_is_found(reference: building.Reference) -> None:
    report = check(reference.wheels)
    assert (report.findings, report.unusable) == ((), ())


def test_what_is_not_there_is_noted(reference: building.Reference) -> None:
    report = check([reference.zlib, reference.minipng])
    assert [(rule.id, found.value) for rule, found in report.findings] == [
        ("provider-absent", "native_libpng__png.so.1.6")
    ]


def test_readelf_says_the_same(reference: building.Reference, tmp_path: Path) -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    for wheel in reference.wheels:
        assert readelf.differences_in_wheel(wheel, tmp_path) == []
