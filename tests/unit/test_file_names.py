"""What the names of wheels say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wheels
from native_lib.check.run import check
from native_lib.file_names import parse_wheel
from packaging.utils import InvalidWheelFilename

if TYPE_CHECKING:
    from pathlib import Path

TAG = "cp313-cp313t-manylinux_2_17_x86_64.manylinux_2_28_x86_64"


@pytest.mark.parametrize("build", ["", "1-", "2b-"])
@pytest.mark.parametrize("variant", ["", "-x86_64_v3", "-null", "-00fb2a1d", "-a.b"])
def test_parts(build: str, variant: str) -> None:
    """A variant's label is no part of what the rules look at."""
    name, version, tags = parse_wheel(f"foo_ext-1.2.0-{build}{TAG}{variant}.whl")
    assert (name, str(version)) == ("foo-ext", "1.2.0")
    assert {tag.platform for tag in tags} == {"manylinux_2_17_x86_64", "manylinux_2_28_x86_64"}


@pytest.mark.parametrize(
    "name",
    [
        *("foo-1.2.0.whl", f"foo-1.2.0-{TAG}.zip", f"foo-1.2.0-{TAG}-.whl", f"foo-x-{TAG}-a.whl"),
        *(f"foo-1.2.0-{TAG}-UPPER.whl", f"foo-1.2.0-{TAG}-{17 * 'x'}.whl", f"foo-1-{TAG}-a-b.whl"),
    ],
)
def test_other_names(name: str) -> None:
    with pytest.raises(InvalidWheelFilename):
        parse_wheel(name)


def test_wheel_of_a_variant_is_checked(tmp_path: Path) -> None:
    path = wheels.make_wheel(tmp_path, "foo", {"foo.py": ""}, tag="py3-none-any-x86_64_v3")
    report = check([path])
    assert (report.checked, report.findings, report.unusable) == ((path,), (), ())
