"""What cibuildwheel builds, for every platform: the list that is checked in.

A release loses a wheel when a setting or a new cibuildwheel leaves it out, and nobody sees it; here it is
seen, with whatever cibuildwheel a release would take.
"""

from __future__ import annotations

import importlib.metadata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import building
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = Path(__file__).with_name("build_identifiers.txt")
ARCHITECTURES = {"linux": "x86_64,aarch64", "macos": "x86_64,arm64", "windows": "AMD64,ARM64"}


def version() -> str:
    """Return cibuildwheel's version without the last number, which changes no identifier."""
    found = importlib.metadata.version("cibuildwheel")
    return ".".join(found.split(".")[:2])


def sections(generated: Path) -> Iterator[tuple[str, str, Path]]:
    """Return the name of each package with each platform, and the package's folder."""
    reference = building.ROOT / "reference-packages"
    packages = {
        **{name: generated / name for name in ("libfoo", "foo-ext")},
        **{
            f"native-{name}": reference / name
            for name in ("zlib", "libpng", "sodium", "zmq", "hdf5")
        },
        "minipng": reference / "minipng",
    }
    for name, folder in packages.items():
        for platform in ARCHITECTURES:
            yield name, platform, folder


def section(what: tuple[str, str, Path]) -> str:
    """Return the lines of a package for a platform."""
    name, platform, folder = what
    options = ("--platform", platform, "--archs", ARCHITECTURES[platform])
    command = (building.tool("cibuildwheel"), "--print-build-identifiers", *options, folder)
    return f"\n[{name}, {platform}]\n{building.run(*command)}"


def test_build_identifiers(tmp_path: Path) -> None:
    try:
        installed = version()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("cibuildwheel is not installed: it requires Python 3.11")
    with ThreadPoolExecutor(2) as pool:
        made = "".join(pool.map(section, sections(building.generate(tmp_path))))
    new = tmp_path / LIST.name
    new.write_text(f"# By cibuildwheel {installed}.\n{made}", encoding="utf-8")
    # Another version may build the same.
    first, _, listed = LIST.read_text("utf-8").partition("\n")
    told = f"{first[2:]} Here it is {installed}. If what it builds is right: cp {new} {LIST}"
    assert made == listed, told
