"""Built for the oldest glibc that is supported, all wheels reach manylinux_2_17, and need no newer one.

cibuildwheel's image has a newer glibc: there a function may bind to a newer version of itself, as `pow`
does of 2.29, and the tag is what the symbols then allow.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Callable

import building
import nox
import pytest
from native_lib.check.read_wheel import read_wheel
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from platforms import cross

TARGET = cross.TARGETS["linux-x86_64"]
REFERENCE = building.ROOT / "reference-packages"
OLDEST = Version("2.17")


@pytest.fixture(scope="session")
def repaired(
    built: Callable[[str, str], Path],
    once: Callable[[str, Callable[[Path], dict[str, Path]]], dict[str, Path]],
) -> dict[str, Path]:
    """The pair's and the reference packages' wheels, repaired by their own commands."""
    pair, providers = built("linux-x86_64", "c"), built("linux-x86_64", "reference")

    def make(folder: Path) -> dict[str, Path]:
        made = cross.Cross(TARGET, folder)
        # The consumer goes to a copy: other tests count the files of what they share.
        reference = Path(shutil.copytree(providers, made.site))
        facts = nox.project.load_toml(REFERENCE / "minipng" / "pyproject.toml")["project"]
        made.build_extension(REFERENCE / "minipng", facts["version"], "3.11")
        projects = {
            "libfoo": (pair.parent / "foo-wheels" / "libfoo", pair),
            "foo_ext": (pair.parent / "foo-wheels" / "foo-ext", pair),
            "native_zlib": (REFERENCE / "zlib", reference),
            "native_libpng": (REFERENCE / "libpng", reference),
            "minipng": (REFERENCE / "minipng", reference),
        }
        installed = folder / "installed"
        for project, (source, site) in projects.items():
            wheel = cross.pack(source, site, "linux_x86_64", folder / "dist")
            settings = nox.project.load_toml(source / "pyproject.toml")["tool"]["cibuildwheel"]
            default = "auditwheel repair -w {dest_dir} {wheel}"
            command = settings.get("repair-wheel-command", default)
            env = {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": f"{building.ROOT / 'loader' / 'src'}{os.pathsep}{installed}",
            }
            command = re.sub("^native-lib ", f"'{sys.executable}' -m native_lib ", command)
            line = command.format(dest_dir=folder / "repaired", wheel=wheel)
            building.run("sh", "-c", line, env=env, cwd=folder)
            # The next ones are repaired where this one is installed.
            (fixed,) = (folder / "repaired").glob(f"{project}-*.whl")
            with zipfile.ZipFile(fixed) as archive:
                archive.extractall(installed)
        return {w.name.partition("-")[0]: w for w in (folder / "repaired").iterdir()}

    return once("manylinux", make)


NAMES = ("libfoo", "foo_ext", "native_zlib", "native_libpng", "minipng")


@pytest.mark.parametrize("name", NAMES)
def test_tag(repaired: dict[str, Path], name: str) -> None:
    platforms = [tag.platform for tag in parse_wheel_filename(repaired[name].name)[3]]
    found = [platform.split("_")[1:3] for platform in platforms if "manylinux_" in platform]
    assert found
    assert all(Version(".".join(number)) <= OLDEST for number in found), platforms


@pytest.mark.parametrize("name", NAMES)
def test_no_symbol_is_newer(repaired: dict[str, Path], name: str) -> None:
    binaries = read_wheel(repaired[name]).binaries
    needed = {
        Version(symbol.version.removeprefix("GLIBC_"))
        for binary in binaries
        for symbol in binary.imports
        if symbol.version.startswith("GLIBC_")
    }
    assert needed
    assert max(needed) <= OLDEST
