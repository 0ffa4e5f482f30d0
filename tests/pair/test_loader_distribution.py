"""The distribution native-lib-loader has all its files, however it is installed."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
from native_lib.check import system

LOADER = building.ROOT / "loader"
CODE = """
from pathlib import Path
from native_lib.check import system
assert system.is_taken("Kernel32.dll", "PE")
print(*sorted(file.name for file in Path(system.__file__).with_name("data").iterdir()))
"""


@pytest.mark.parametrize("way", ["wheel", "sdist", "editable"])
def test_checkers_lists_are_installed(tmp_path: Path, way: str) -> None:
    env = building.new_environment(tmp_path / "env")
    if way == "editable":
        env.install("-e", LOADER)
    else:
        env.install(building.build(LOADER, tmp_path / "dist", kind=way))
    lists = sorted(file.name for file in Path(system.__file__).with_name("data").iterdir())
    assert len(lists) > 5
    assert env.run(CODE).split() == lists
