"""`LibraryLoader.path`: the bound that a caller states is read as pip reads it."""

from __future__ import annotations

import pytest
from native_lib.support.shared_lib_manager import LibraryLoader
from packaging.specifiers import SpecifierSet

VERSIONS = (
    *("1", "1.0", "1.3.1", "1.4.0rc1", "1.4.0rc2", "1.4.0b3", "1.4.0a1", "1.4.0.dev3", "1.4"),
    *("1.4.0", "1.4.1", "1.4.10", "1.5", "1.4.2.1", "2.0.0rc1", "2.0.0.dev1", "2", "2.0.1", "10.0"),
)
BOUNDS = (
    *(">=1.4.0,<2", ">=1.4", "<2", "<2.0.0rc2", ">=1.4.0rc1,<1.5", ">1.4", "<=1.4", "==1.4"),
    *("==1.4.*", "!=1.4.*", "!=1.4.1", "~=1.4", "~=1.4.1", "==1.4.2.*", "==2.0.0rc1"),
    *(" >= 1.4 , < 2 ", ">=1.4.1,!=1.4.10,<2", ">=1.4.0.dev2"),
)


def is_admitted(version: str, bound: str) -> bool:
    loader = LibraryLoader({}, provider="libfoo", version=version)
    with pytest.raises(ImportError) as caught:
        loader.path("foo", bound)
    said = type(caught.value).__name__
    assert said in ("LibraryVersionError", "LibraryNotFoundError")
    return said == "LibraryNotFoundError"  # the version fits, and it has no library at all


@pytest.mark.parametrize("bound", BOUNDS)
def test_bound_admits_what_pip_admits(bound: str) -> None:
    pips = SpecifierSet(bound)
    expected = {version: pips.contains(version, prereleases=True) for version in VERSIONS}
    assert {True, False} <= {*expected.values()}
    assert {version: is_admitted(version, bound) for version in VERSIONS} == expected


def test_packaging_revision_does_not_count() -> None:
    """It does not change the library; a consumer's record says the same."""
    assert is_admitted("1.4.1.post2", "==1.4.1")
    assert is_admitted("1.4.1", ">=1.4.1.post2,<2")


@pytest.mark.parametrize(
    "bound", ["", "1.4", ">=", ">=1.4;<2", ">=1.x", "=>1.4", ">=1.4,", "===1.4"]
)
def test_what_is_no_bound(bound: str) -> None:
    with pytest.raises(ValueError, match=r"is not a bound, such as '>=1\.4,<2'$"):
        is_admitted("1.4", bound)


def test_version_that_nobody_wrote_down_does_not_fit() -> None:
    loader = LibraryLoader({}, provider="byhand")
    with pytest.raises(ImportError) as caught:
        loader.path("foo", "<2")
    assert str(caught.value).splitlines() == [
        f"{__name__} needs byhand<2, but a version that nobody wrote down is installed.",
        "  provider:  no file (a version that nobody wrote down)",
        f"  needed by: {__file__}",
        '  fix:       python -m pip install "byhand<2"',
    ]
    assert type(caught.value).__name__ == "LibraryVersionError"
