"""Vendored or as a requirement, the build support makes the same wheels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import building
import pytest

WAYS = ("vendored", "requirement")
CODE = "import foo_ext; print(foo_ext.version())"
# As in tests/unit/test_generated.py, every choice stands in one of them.
ANSWERS: dict[str, dict[str, str]] = {
    "c-api": {},
    "cython plain": {"binding": "cython", "mangle": "no", "language": "cxx"},
    "pybind11": {"binding": "pybind11", "stable_abi": "no", "language": "cxx"},
    "nanobind": {"binding": "nanobind", "compatibility": "ExactVersion"},
    "upstream": {"library_source": "upstream", "cmake_package": "FOO"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_both_ways_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    answers = ANSWERS[name]
    pairs = [building.generate(tmp_path / way, loader=way, **answers) for way in WAYS]
    if "library_source" in answers:
        archive = building.upstream_archive(tmp_path)
        for pair in pairs:
            building.fetch_upstream(pair / "libfoo", archive)
    # The README tells what the project itself does.
    wheels = [
        building.build(pair / project, pair / "dist")
        for pair in pairs
        for project in ("libfoo", "foo-ext")
    ]
    assert len(wheels) == 4
    for one, other in zip(wheels[:2], wheels[2:]):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("way", WAYS)
def test_editable_installs(pair: building.Pair, tmp_path: Path, way: str) -> None:
    folder = building.generate(tmp_path, loader=way)
    env = building.new_environment(tmp_path / "env")
    wheels = [f"--find-links={wheel.parent}" for wheel in (building.loader_wheel(), pair.provider)]
    for project in ("libfoo", "foo-ext"):
        command = ("pip", "install", "--quiet", "--no-deps", "--python", env.python)
        building.uv(*command, *wheels, "-e", folder / project)
    assert env.run(CODE).strip() == "1.0.0"
    # The loader is where the build put it, not in the sources.
    said = env.run("import libfoo._shared_lib_manager as m; print(m.__file__)").strip()
    assert Path(said) == env.site_packages / "libfoo" / "_shared_lib_manager.py"
    assert not [*folder.rglob("_shared_lib_*.py")]


def test_sdists(tmp_path: Path) -> None:
    folder = building.generate(tmp_path, loader="requirement")
    dist = tmp_path / "dist"
    for project in ("libfoo", "foo-ext"):
        nobody = {"NATIVE_LIB_SYSTEM": "all"}
        sdist = building.build(folder / project, tmp_path / "sdists", kind="sdist", env=nobody)
        building.build(sdist, dist)
    env = building.new_environment(tmp_path / "env", *dist.glob("*.whl"))
    assert env.run(CODE).strip() == "1.0.0"


def test_own_copy_of_a_loader_is_no_second_file(tmp_path: Path) -> None:
    """A package that still holds the file of the old layout."""
    project = building.generate(tmp_path) / "libfoo"
    copy = project / "python" / "libfoo" / "_shared_lib_manager.py"
    shutil.copy(building.SUPPORT / "shared_lib_manager.py", copy)
    wheel = building.build(project, tmp_path / "dist")
    env = building.new_environment(tmp_path / "env", wheel)
    found = [*env.site_packages.rglob("_shared_lib_manager.py")]
    assert found == [env.site_packages / "libfoo" / copy.name]


FRONT_ENDS: dict[str, tuple[str | Path, ...]] = {
    "pip": (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"),
    "build": (sys.executable, "-m", "build", "--wheel", "--outdir"),
}


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_front_ends(pair: building.Pair, tmp_path: Path, front_end: str) -> None:
    """uv builds what the other tests here do."""
    project = building.generate(tmp_path, loader="requirement") / "foo-ext"
    lines = [
        f"libfoo @ {pair.provider.as_uri()}",
        f"native-lib-loader @ {building.loader_wheel().as_uri()}",
    ]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join([*lines, ""]), encoding="utf-8")
    # pip reads the one for builds, build's own pip the other.
    variables = ("PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT")
    variable = variables[0] if front_end == "pip" else variables[1]
    env = {variable: constraints.as_uri() if front_end == "build" else str(constraints)}
    building.run(*FRONT_ENDS[front_end], tmp_path / "dist", project, env=env)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.read_bytes() == pair.consumer.read_bytes()


def test_generated_tasks_build_without_an_index_that_has_it(tmp_path: Path) -> None:
    folder = building.generate(tmp_path, loader="requirement")
    said = building.run(building.tool("nox"), "-s", "sdists", "tests", cwd=folder)
    assert "Session tests was successful" in said
    assert not [*(folder / "dist").glob("native_lib_loader*")]


def test_without_isolation(tmp_path: Path) -> None:
    project = building.generate(tmp_path, loader="requirement") / "libfoo"
    command = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    building.uv(*command, project, env={"PYTHONPATH": str(building.loader_installed())})
    assert [*(project / "dist").glob("libfoo-*.whl")]
