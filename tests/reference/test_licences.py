"""Every wheel and sdist that is made here carries its licence, as the BSD licence requires."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="builds the reference packages")

PACKAGES = building.ROOT / "reference-packages"
REFERENCE = ("zlib", "libpng", "minipng")


def place(project: Path) -> str:
    """Return where a project has its LICENSE: the loader's lies with what is vendored."""
    return "src/native_lib/support/LICENSE" if project.name == "loader" else "LICENSE"


def in_wheel(wheel: Path, name: str) -> str:
    """Return the text of a wheel's LICENSE, which its metadata must name."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
        assert name in told.get_all("License-File", [])
        return archive.read(metadata.replace("METADATA", f"licenses/{name}")).decode()


def in_sdist(sdist: Path, name: str) -> str:
    """Return the text of an sdist's LICENSE."""
    with tarfile.open(sdist) as archive:
        file = archive.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/{name}")
        assert file is not None
        return file.read().decode()


def expected(project: Path) -> str:
    text = (project / place(project)).read_text("utf-8")
    assert "Redistribution and use" in text
    return text


def test_wheels(
    pair: building.Pair,
    reference: building.Reference,
    sockets: building.Sockets,
    hdf5: Path,
    tmp_path: Path,
) -> None:
    loader = building.ROOT / "loader"
    wheels = {
        pair.folder / "libfoo": pair.provider,
        pair.folder / "foo-ext": pair.consumer,
        **{PACKAGES / name: getattr(reference, name) for name in REFERENCE},
        PACKAGES / "sodium": sockets.sodium,
        PACKAGES / "zmq": sockets.zmq,
        PACKAGES / "hdf5": hdf5,
        loader: building.build(loader, tmp_path),
    }
    for project, wheel in wheels.items():
        assert in_wheel(wheel, place(project)) == expected(project), wheel.name


def test_sdists(pair: building.Pair, reference: building.Reference, tmp_path: Path) -> None:
    assert reference  # has fetched upstream's sources
    projects = [pair.folder / "libfoo", pair.folder / "foo-ext", building.ROOT / "loader"]
    projects += [PACKAGES / name for name in REFERENCE]
    for project in projects:
        # An sdist is the same whoever provides the library.
        env = {"NATIVE_LIB_SYSTEM": "all"}
        sdist = building.build(project, tmp_path / project.name, kind="sdist", env=env)
        assert in_sdist(sdist, place(project)) == expected(project), sdist.name


def test_licence_of_the_loader_comes_with_it(pair: building.Pair) -> None:
    """The BSD licence asks for its text wherever the files go."""
    for wheel, package in ((pair.provider, "libfoo"), (pair.consumer, "foo_ext")):
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(f"{package}/_shared_lib_LICENSE")
        assert text == (building.SUPPORT / "LICENSE").read_bytes()
