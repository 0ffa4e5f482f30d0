"""One consumer wheel for many Pythons: what the newest builds, the oldest imports."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import cpythons
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Once = Callable[[str, Callable[[Path], building.Pair]], building.Pair]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asserts Linux's file names")

# The oldest Python for which the default answers make a wheel of the stable ABI.
OLDEST = {"c-api": "3.11", "cython": "3.11", "nanobind": "3.12"}
IMPORT = f"import sys; {building.SQUARE}; print('%d.%d' % sys.version_info[:2])"


@pytest.fixture(scope="session", params=OLDEST)
def built(request: pytest.FixtureRequest, once: Once) -> tuple[str, building.Pair]:
    """A binding, and a pair that uses it, built by the newest Python."""
    binding: str = request.param
    newest = cpythons.need(cpythons.NEWEST)

    def make(folder: Path) -> building.Pair:
        return building.build_pair(folder, python=newest, binding=binding)

    return binding, once(f"stable_abi-{binding}", make)


def modules(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.endswith(".so")]


def test_names(built: tuple[str, building.Pair]) -> None:
    binding, pair = built
    tag = OLDEST[binding].replace(".", "")
    assert pair.consumer.name.startswith(f"foo_ext-1.0.0-cp{tag}-abi3-linux_")
    # Not the name with the platform in it, which Python has from 3.15 on.
    assert modules(pair.consumer) == ["foo_ext/_ext.abi3.so"]


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_import(built: tuple[str, building.Pair], which: str, tmp_path: Path) -> None:
    binding, pair = built
    version = OLDEST[binding] if which == "oldest" else cpythons.NEWEST
    python = cpythons.need(version)
    env = building.new_environment(tmp_path / "env", pair.provider, pair.consumer, python=python)
    assert building.run(env.python, "-W", "error", "-c", IMPORT) == f"9.0\n{version}\n"


def test_older_pythons_have_a_wheel_each_with_nanobind(tmp_path: Path) -> None:
    pair = building.build_pair(tmp_path, python=cpythons.need("3.11"), binding="nanobind")
    assert pair.consumer.name.startswith("foo_ext-1.0.0-cp311-cp311-linux_")
    (module,) = modules(pair.consumer)
    assert module.startswith("foo_ext/_ext.cpython-311-")
