"""`native-lib check` over what the template generates: no error, and our view is readelf's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import readelf
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    import building


def test_the_pair_has_no_error(pair: building.Pair) -> None:
    report = check([pair.provider, pair.consumer])
    assert (report.findings, report.unusable) == ((), ())


def test_the_plain_pair_has_no_error(plain_pair: building.Pair) -> None:
    report = check([plain_pair.provider, plain_pair.consumer])
    assert not report.has_errors, report.findings
    assert report.unusable == ()


@pytest.mark.parametrize("names", ["pair", "plain_pair"])
def test_the_consumer_alone_has_notes_only(names: str, request: pytest.FixtureRequest) -> None:
    consumer = request.getfixturevalue(names).consumer
    report = check([consumer])
    assert {rule.id for rule, _ in report.findings} == {"provider-absent"}


def test_readelf_says_the_same(pair: building.Pair, tmp_path: Path) -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    assert readelf.differences_in_wheel(pair.provider, tmp_path) == []
    assert readelf.differences_in_wheel(pair.consumer, tmp_path) == []
