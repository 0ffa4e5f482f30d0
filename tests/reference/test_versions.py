"""Versions that do not fit are told, and a provider can be upgraded under a running process."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def other_zlib(folder: Path, version: str) -> Path:
    """Build native-zlib from sources that say they are of another version."""
    project = folder / "zlib"
    shutil.copytree(building.ROOT / "reference-packages" / "zlib", project)
    header = project / "upstream" / "zlib.h"
    text = header.read_text("utf-8")
    (told,) = re.findall(r'#define ZLIB_VERSION "(.*)"', text)
    header.write_text(text.replace(f'"{told}"', f'"{version}"'), encoding="utf-8")
    record = project / "upstream" / "native_library_source.json"
    (archive,) = json.loads(record.read_text("utf-8"))
    archive["sha256"] = "0" * 64  # not what is listed, so its version may be another
    record.write_text(json.dumps([archive]), encoding="utf-8")
    return building.build(project, folder / "dist")


@pytest.fixture(scope="session")
def newer_zlib(
    reference: building.Reference, once: Callable[[str, Callable[[Path], Path]], Path]
) -> Path:
    """A native-zlib that a pip would prefer: 1.99.0."""
    return once("newer_zlib", lambda folder: other_zlib(folder, "1.99.0"))


@pytest.mark.parametrize(("version", "fits"), [("1.2.11", False), ("2.0", False), ("1.3.3", True)])
def test_zlib_outside_of_libpngs_bound(
    reference: building.Reference, tmp_path: Path, version: str, fits: bool
) -> None:
    env = building.new_environment(
        tmp_path / "env", other_zlib(tmp_path, version), reference.libpng
    )
    said = env.run("import native_libpng; native_libpng.loader.load()", fails=not fits)
    if not fits:
        built = reference.zlib.name.split("-")[1]
        assert "LibraryVersionError: native_libpng was built against native-zlib" in said
        assert f"needs native-zlib>={built},<2, but {version} is installed" in said
        assert f'fix:       python -m pip install "native-zlib>={built},<2"' in said


def test_security_release_serves_everybody_unbuilt(
    reference: building.Reference, newer_zlib: Path, tmp_path: Path
) -> None:
    env = building.new_environment(
        tmp_path / "env", newer_zlib, reference.libpng, reference.minipng
    )
    said = building.run(env.python, "-m", "minipng", "--libraries")
    assert "zlib 1.99.0" in said
    assert "shared: one libpng and one zlib" in said


def test_upgrade_while_a_process_runs(
    reference: building.Reference, newer_zlib: Path, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", *reference.wheels)
    code = (
        "import minipng, sys\n"
        "def work():\n"
        "    image = minipng.Image(8, 8, 3, 8, bytes(192))\n"
        "    minipng.write('x.png', image)\n"
        "    assert minipng.read('x.png') == image\n"
        "    print(minipng._ext.versions()['zlib'], flush=True)\n"
        "work()\n"
        "sys.stdin.readline()\n"
        "work()\n"
    )
    command = [str(env.python), "-c", code]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=building.environment(),
    ) as process:
        assert process.stdin
        assert process.stdout
        before = process.stdout.readline()
        env.install(newer_zlib)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == before != "1.99.0\n"
        assert process.wait(timeout=60) == 0
    # The next process has the new one.
    assert env.run("import minipng; print(minipng._ext.versions()['zlib'])").strip() == "1.99.0"


def test_consumer_is_built_against_the_wheel_that_was_just_built(
    reference: building.Reference, newer_zlib: Path, tmp_path: Path
) -> None:
    """An index has a native-zlib that looks newer: the constraint keeps it out, for each front end."""
    index = tmp_path / "index"
    index.mkdir()
    for wheel in (newer_zlib, reference.zlib, reference.libpng, building.loader_wheel()):
        shutil.copy(wheel, index)
    constraints = tmp_path / "constraints.txt"
    lines = [f"native-{name} @ {getattr(reference, name).as_uri()}" for name in ("zlib", "libpng")]
    constraints.write_text("\n".join([*lines, ""]), encoding="utf-8")
    project = building.ROOT / "reference-packages" / "minipng"
    pip = {"PIP_FIND_LINKS": str(index), "PIP_BUILD_CONSTRAINT": str(constraints)}
    env = building.new_environment(tmp_path / "env")
    building.uv("pip", "install", "--quiet", "--python", env.python, "pip>=25.3", "build")
    front_ends: dict[str, tuple[list[str | Path], dict[str, str]]] = {
        "pip": ([env.python, "-m", "pip", "wheel", "--no-deps", "-w"], pip),
        "build": (
            [env.python, "-m", "build", "--wheel", "--outdir"],
            {"PIP_FIND_LINKS": str(index), "PIP_CONSTRAINT": str(constraints)},
        ),
        "uv": (
            [building.tool("uv"), "build", "--wheel", "--out-dir"],
            {"UV_FIND_LINKS": str(index), "UV_BUILD_CONSTRAINT": str(constraints)},
        ),
    }
    for name, (command, variables) in front_ends.items():
        built, taken = tmp_path / name, tmp_path / f"{name}-without"
        building.run(*command, built, project, env=variables)
        assert requirement(built) == f"native-zlib<2,>={reference.zlib.name.split('-')[1]}"
        # Without the constraint it would have been taken: the test sees the difference.
        find = {key: value for key, value in variables.items() if "FIND" in key}
        building.run(*command, taken, project, env=find)
        assert requirement(taken) == "native-zlib<2,>=1.99.0"


def requirement(folder: Path) -> str:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        text = archive.read(name).decode()
    (found,) = re.findall(r"^Requires-Dist: (native-zlib.*)$", text, re.MULTILINE)
    return str(found)
