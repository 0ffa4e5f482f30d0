"""docs/how-to/migrate.md: two packages of PyPI really move from their own zlib to the provider's."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import building
import docs_pages
import public_wheels
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("patch", "unzip"))),
    reason="the page shows Linux, with patch and unzip",
)

PAGE = (docs_pages.HOW_TO / "migrate.md").read_text("utf-8")
SDISTS = {
    "pyspng==0.1.4": "c715f97caf46c7d2fe1cd473114e36c7bba7d9a4ef6575b46e0e53de9354759a",
    "indexed_gzip==1.10.3": "1347f3b6c5522c5c50db5d9e2801257cea86639e87b46c6635f22005ee3ded25",
}

USE = """
import gzip, struct, zlib
import indexed_gzip, pyspng

with open("a.gz", "wb") as file:
    file.write(gzip.compress(b"abc"))
assert indexed_gzip.IndexedGzipFile("a.gz").read() == b"abc"

def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
pixel = zlib.compress(bytes([0, 1, 2, 3]))
chunks = chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
assert pyspng.load(bytes([137]) + b"PNG\\r\\n" + bytes([26]) + b"\\n" + chunks).tolist() == [[[1, 2, 3]]]
"""


def test_every_command_prints_what_is_shown(reference: building.Reference, tmp_path: Path) -> None:
    for pinned, sha256 in SDISTS.items():
        shutil.copy(public_wheels.sdist(pinned, sha256), tmp_path)
    env = building.new_environment(tmp_path / "env")
    uv, providers = building.tool("uv"), tmp_path / "providers"
    providers.mkdir()
    for wheel in (reference.zlib, building.loader_wheel()):
        shutil.copy(wheel, providers)
    install = f"{uv} pip install --quiet --python {env.python} --find-links {providers}"
    build = f"{uv} build --wheel --python {sys.executable} --find-links {providers}"
    version = reference.zlib.name.split("-")[1]
    only = tmp_path / "only.txt"
    only.write_text(
        f"native-zlib @ {reference.zlib.as_uri()}\n"
        f"native-lib-loader @ {building.loader_wheel().as_uri()}\n",
        encoding="utf-8",
    )
    count = docs_pages.play(
        PAGE.replace("native-zlib>=1.3.2", f"native-zlib>={version}"),
        tmp_path,
        env.python.parent,
        env={
            "NATIVE_LIB_CACHE": str(tmp_path / "cache"),
            "UV_BUILD_CONSTRAINT": str(only),
            "UV_LINK_MODE": "copy",
        },
        replace={
            "python -m pip install --quiet": install,
            "python -m pip install": install,
            "python -m pip wheel --quiet --no-deps --wheel-dir": f"{build} --quiet --out-dir",
            "python -m pip wheel --no-deps --wheel-dir": f"{build} --out-dir",
            # As installed, and not from the sources.
            "native-lib repair": f"{env.python.with_name('native-lib')} repair",
            "native-lib check": f"{env.python.with_name('native-lib')} check",
        },
    )
    assert count == 21
    # Both really call it.
    files = building.mapped(env, USE, "native_zlib__")
    assert files == [f"{env.site_packages}/native_zlib/lib/native_zlib__z.so.1"]


SYSTEM = next(iter(Path("/usr/lib").glob("*-linux-gnu/libz.so")), None)
MODULE = """\
#include <Python.h>
#include <zlib.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext"};
PyMODINIT_FUNC PyInit__ext(void) {
  return crc32(0, NULL, 0) ? NULL : PyModule_Create(&module);
}
"""
PLAIN_HEADER = "unsigned long crc32(unsigned long, const unsigned char *, unsigned);\n"


@pytest.mark.skipif(SYSTEM is None, reason="zlib's development files are not installed")
@pytest.mark.parametrize(
    ("header", "library", "said"),
    [
        (True, True, "it linked libz.so.1 of "),
        (True, False, "nor another library of that name"),
        (False, True, "nor another library of that name"),
    ],
)
def test_paths_that_come_first_stop_the_build(
    reference: building.Reference, tmp_path: Path, header: bool, library: bool, said: str
) -> None:
    assert SYSTEM is not None
    env = building.new_environment(tmp_path / "env", reference.zlib, building.loader_wheel())
    building.uv("pip", "install", "--quiet", "--python", env.python, "setuptools>=77", "packaging")
    project = tmp_path / "sums"
    docs_pages.write(project / "sums" / "__init__.py", "")
    docs_pages.write(project / "sums" / "_ext.c", MODULE)
    docs_pages.write(project / "own" / "zlib.h", PLAIN_HEADER)
    docs_pages.write(
        project / "setup.py",
        "from setuptools import Extension, setup\n"
        'setup(packages=["sums"], ext_modules=[Extension("sums._ext", ["sums/_ext.c"],\n'
        f"    libraries=['z'], include_dirs={['own'] if header else []},\n"
        f"    library_dirs={[str(SYSTEM.parent)] if library else []},\n"
        "    extra_link_args=['-Wl,--as-needed'])])\n",
    )
    docs_pages.write(
        project / "pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "native_lib.build"\n'
        '[project]\nname = "sums"\nversion = "1.0"\ndynamic = ["dependencies"]\n'
        '[tool.native-lib]\nbackend = "setuptools.build_meta"\n'
        'libraries = { zlib = "native-zlib" }\n',
    )
    command = (building.tool("uv"), "build", "--wheel", "--no-build-isolation")
    cache = {"NATIVE_LIB_CACHE": str(tmp_path / "cache")}
    answer = building.run(*command, "--python", env.python, project, env=cache, fails=True)
    assert f"none of its binaries needs native_zlib__z.so.1 of native-zlib; {said}" in answer
