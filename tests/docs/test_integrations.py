"""Tools that bundle or move an environment: the provider's file serves there, too."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# What is mapped: the store's files have other names.
USE = f"""
import foo_ext, libfoo
from pathlib import Path
{building.MAPPED}
file = str(Path(libfoo.__file__).with_name("lib").joinpath("libfoo__foo.so.1").resolve())
print(foo_ext.square(3), mapped(Path(file).name) == [file])
"""
RIGHT = "9.0 True\n"


@pytest.fixture(scope="session")
def tools(
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """An environment with the tools."""

    def make(folder: Path) -> building.Environment:
        env = building.new_environment(folder)
        packages = ("pip", "setuptools", "pex>=2.100", "shiv>=1", "nbclient", "ipykernel")
        building.uv("pip", "install", "--quiet", "--python", env.python, *packages)
        return env

    return once("bundlers", make)


@pytest.mark.parametrize("mode", ["clone", "copy", "hardlink", "symlink"])
def test_uvs_link_modes(pair: building.Pair, tmp_path: Path, mode: str) -> None:
    env = building.new_environment(tmp_path / "env")
    building.uv(
        *("pip", "install", "-q", "--no-deps", "--python", env.python, "--link-mode", mode),
        *("--cache-dir", tmp_path / "cache", pair.provider, pair.consumer),
    )
    library = env.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert library.is_symlink() == (mode == "symlink")
    assert env.run(USE) == RIGHT


@pytest.mark.parametrize("options", [(), ("--venv",)], ids=["zip", "venv"])
def test_pex(
    pair: building.Pair, tools: building.Environment, tmp_path: Path, options: tuple[str, ...]
) -> None:
    root = {"PEX_ROOT": str(tmp_path / "root")}
    made = tmp_path / "program.pex"
    links = ("--no-index", "--find-links", pair.provider.parent)
    building.run(tools.python, "-m", "pex", "foo-ext", "-o", made, *links, *options, env=root)
    assert building.run(sys.executable, made, "-c", USE, env=root) == RIGHT


def test_shiv(pair: building.Pair, tools: building.Environment, tmp_path: Path) -> None:
    root = {"SHIV_ROOT": str(tmp_path / "root")}
    made = tmp_path / "program.pyz"
    links = ("--no-index", "--find-links", pair.provider.parent)
    building.run(tools.python, "-m", "shiv", "-o", made, *links, "foo-ext")
    assert building.run(sys.executable, made, "-c", USE, env=root) == RIGHT


def test_notebook(pair: building.Pair, tools: building.Environment, tmp_path: Path) -> None:
    target = tmp_path / "packages"
    building.uv(
        *("pip", "install", "-q", "--no-deps", "--python", tools.python),
        *("--target", target, pair.provider, pair.consumer),
    )
    run = (
        "import nbclient, nbformat\n"
        f"book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({USE!r})])\n"
        "nbclient.NotebookClient(book, kernel_name='python3').execute()\n"
        "print(book.cells[0].outputs[0].text, end='')"
    )
    env = {"PYTHONPATH": str(target), "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    said = building.run(tools.python, "-c", run, env=env)
    assert said.endswith(RIGHT), said


def unpacked(wheels: Iterable[Path], folder: Callable[[str], Path]) -> list[Path]:
    folders = []
    for wheel in wheels:
        folders.append(folder(wheel.name.split("-")[0]))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folders[-1])
    return folders


def test_layers_of_a_function(pair: building.Pair, tmp_path: Path) -> None:
    """AWS unpacks a layer's zip in /opt, and has /opt/python on the path; the function is elsewhere."""
    unpacked([pair.provider], lambda _: tmp_path / "layer" / "python")
    unpacked([pair.consumer], lambda _: tmp_path / "task")
    paths = f"{tmp_path}/task:{tmp_path}/layer/python"
    assert building.run(sys.executable, "-c", USE, env={"PYTHONPATH": paths}) == RIGHT


def test_links_into_a_store(pair: building.Pair, tmp_path: Path) -> None:
    """Bazel: a folder for each wheel, of links to files that are called after their content."""
    store = tmp_path / "store"
    store.mkdir()
    wheels = (pair.provider, pair.consumer)
    folders = unpacked(wheels, lambda name: tmp_path / "runfiles" / name / "site-packages")
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        content = store / hashlib.sha256(file.read_bytes()).hexdigest()
        file.replace(content)
        file.symlink_to(content)
    paths = ":".join(map(str, folders))
    assert building.run(sys.executable, "-c", USE, env={"PYTHONPATH": paths}) == RIGHT
