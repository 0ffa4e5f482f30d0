"""Which markers hold where a wheel is installed, by its tags."""

from __future__ import annotations

import pytest
from native_lib.check.markers import always_holds, may_hold
from packaging.markers import Marker
from packaging.tags import parse_tag

LINUX = "cp312-cp312-manylinux_2_28_x86_64"
ABI3 = "cp39-abi3-manylinux_2_28_x86_64"
MACOS = "cp312-cp312-macosx_11_0_arm64"
WINDOWS = "cp312-cp312-win_amd64"
ALWAYS, SOMETIMES, NEVER = (True, True), (True, False), (False, False)

CASES = [
    (LINUX, 'sys_platform == "linux"', ALWAYS),
    (MACOS, 'sys_platform == "linux"', NEVER),
    ("py3-none-any", 'sys_platform == "linux"', SOMETIMES),
    # torch's requirements of nvidia's.
    (LINUX, 'platform_system == "Linux" and platform_machine == "x86_64"', ALWAYS),
    (MACOS, 'platform_system == "Linux" and platform_machine == "x86_64"', NEVER),
    (MACOS, 'platform_machine == "arm64"', ALWAYS),
    ("cp312-cp312-macosx_11_0_universal2", 'platform_machine == "arm64"', SOMETIMES),
    (WINDOWS, 'platform_machine == "AMD64"', ALWAYS),
    ("cp312-cp312-win_arm64", 'platform_machine == "AMD64"', NEVER),
    (LINUX, 'python_version < "3.13"', ALWAYS),
    (LINUX, 'python_version < "3.11"', NEVER),
    (ABI3, 'python_version < "3.11"', SOMETIMES),
    (ABI3, 'python_version < "3.9"', NEVER),
    (ABI3, 'python_version >= "3.9"', ALWAYS),
    ("py2.py3-none-win_amd64", 'python_version >= "3.17"', SOMETIMES),
    (LINUX, 'platform_python_implementation == "PyPy"', NEVER),
    ("pp311-pypy311_pp73-win_amd64", 'platform_python_implementation == "PyPy"', ALWAYS),
    ("py3-none-win_amd64", 'implementation_name == "cpython"', SOMETIMES),
    # Tags do not tell this.
    (LINUX, 'platform_release >= "5"', SOMETIMES),
    (LINUX, 'extra == "all"', NEVER),
    (LINUX, 'extra == "all" or sys_platform == "linux"', ALWAYS),
    (LINUX, 'extra == "all" and platform_release >= "5"', NEVER),
    ("py3-none-any", 'extra == "all" and sys_platform == "linux"', NEVER),
]


@pytest.mark.parametrize(("tag", "marker", "holds"), CASES)
def test_markers(tag: str, marker: str, holds: tuple[bool, bool]) -> None:
    tags = parse_tag(tag)
    assert (may_hold(Marker(marker), tags), always_holds(Marker(marker), tags)) == holds
