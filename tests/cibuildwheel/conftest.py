"""What the tests of cibuildwheel share: a container for it, and an index with the loader's wheel."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Callable

import build_wheels
import lab
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(scope="session")
def container() -> Mapping[str, str]:
    """The environment in which cibuildwheel has a container."""
    if sys.platform != "linux":
        pytest.skip("cibuildwheel needs no container there, and would install Pythons of its own")
    try:
        found = build_wheels.stand_in()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no container for cibuildwheel: {error}")
    info = ["docker", "info"]
    if not found and subprocess.run(info, capture_output=True, check=False).returncode:
        pytest.skip("no container for cibuildwheel: neither a stand-in nor docker")
    return found


@pytest.fixture(scope="session")
def loader_wheel(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """The wheel of native-lib-loader, which no index has yet."""
    return once("loader_wheel", lambda folder: lab.build(lab.ROOT / "loader", folder))
