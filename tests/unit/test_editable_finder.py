"""The finder of editable installs acts just before an extension module of its project is imported."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from native_lib import build

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
CONSUMER = """
calls = []
def load_requirements(told):
    calls.append(told.__name__)
"""


def install(folder: Path, name: str, root: Path) -> Any:
    """Write and import what the build puts into a wheel, with a loader that only remembers."""
    package = folder / name
    package.mkdir(parents=True)
    shutil.copy(Path(build.__file__).with_name("editable_finder.py"), package / "__init__.py")
    (package / "_project.py").write_text(f"ROOT = {str(root)!r}\n", "utf-8")
    (package / "_native_requires.py").write_text("FORMAT = 1\n", "utf-8")
    (package / "_shared_lib_consumer.py").write_text(CONSUMER, "utf-8")
    module = importlib.import_module(name)
    module.install()
    return module


def calls(finder: Any) -> list[str]:
    consumer = sys.modules.get(f"{finder.__name__}._shared_lib_consumer")
    return list(consumer.calls) if consumer else []


def package(folder: Path, name: str) -> None:
    """Write a package with a module and a file that looks like an extension module."""
    (folder / name).mkdir(parents=True)
    for file in ("__init__.py", "plain.py", f"_ext{SUFFIX}"):
        (folder / name / file).touch()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project's folder. What is imported is forgotten afterwards."""
    found = tmp_path.resolve() / "project"
    site = found / ".venv" / "lib" / "site-packages"
    package(found / "src", "squares")
    package(site, "others")
    package(tmp_path / "elsewhere", "strangers")
    for folder in (found / "src", site, tmp_path / "elsewhere", tmp_path / "installed"):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = set(sys.modules)
    yield found
    for name in set(sys.modules) - before:
        del sys.modules[name]


def find(module: str) -> Any:
    importlib.import_module(module.partition(".")[0])
    return importlib.util.find_spec(module)


def test_libraries_are_loaded_before_an_extension_module(root: Path, tmp_path: Path) -> None:
    finder = install(tmp_path / "installed", "_editable_a", root)
    assert find("squares.plain").origin == str(root / "src" / "squares" / "plain.py")
    assert calls(finder) == []
    assert find("squares._ext").origin == str(root / "src" / "squares" / f"_ext{SUFFIX}")
    assert calls(finder) == ["squares._native_requires"]  # the name that messages have


@pytest.mark.parametrize("name", ["others", "strangers"])
def test_modules_of_other_packages_are_left_alone(root: Path, tmp_path: Path, name: str) -> None:
    """Also of those in a virtual environment in the project's folder."""
    finder = install(tmp_path / "installed", "_editable_a", root)
    assert find(f"{name}._ext").origin.endswith(SUFFIX)
    assert calls(finder) == []


def test_finder_stays_first_and_is_there_once(root: Path, tmp_path: Path) -> None:
    """Python runs .pth files twice in some environments; meson-python's then goes first again."""
    finder = install(tmp_path / "installed", "_editable_a", root)
    sys.meta_path.insert(0, importlib.machinery.PathFinder)
    finder.install()
    assert sys.meta_path[0] is finder.Finder
    assert sys.meta_path.count(finder.Finder) == 1


def test_project_inside_another(root: Path, tmp_path: Path) -> None:
    """Two finders ask each other, and end."""
    both = [install(tmp_path / "installed", name, root) for name in ("_editable_a", "_editable_b")]
    assert find("squares._ext") is not None
    assert [calls(finder) for finder in both] == [["squares._native_requires"]] * 2
