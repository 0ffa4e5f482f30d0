"""docs/how-to/system-library.md: the variable and the command of the recipe, in a prefix like conda's."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import building
import docs_pages
import elf
import pytest
import yaml

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")

PAGE = (docs_pages.HOW_TO / "system-library.md").read_text("utf-8")
# A library as a distribution has it; it answers otherwise than the provider's.
FOO = 'const char *foo_version(void) { return "3"; } double foo_square(double x) { return -x; }'


def test_recipe(pair: building.Pair, tmp_path: Path) -> None:
    script = yaml.safe_load(docs_pages.block(PAGE, "yaml", "NATIVE_LIB_SYSTEM"))["build"]["script"]
    prefix = tmp_path / "prefix"
    building.uv("venv", "--quiet", "--seed", "--python", sys.executable, prefix)
    env = building.Environment(prefix)
    building.uv("pip", "install", "--quiet", "--python", env.python, "scikit-build-core>=1.1")
    include = pair.folder / "libfoo" / "include" / "foo" / "foo.h"
    header = include.read_text("utf-8").replace("#include <foo/export.h>", "#define FOO_EXPORT")
    docs_pages.write(prefix / "include" / "foo" / "foo.h", header)
    building.compile_library(FOO, prefix / "lib" / "libfoo.so.3", soname="libfoo.so.3")
    (prefix / "lib" / "libfoo.so").symlink_to("libfoo.so.3")
    docs_pages.write(
        prefix / "lib" / "cmake" / "foo" / "fooConfig.cmake",
        "add_library(foo::foo SHARED IMPORTED)\n"
        f'set_target_properties(foo::foo PROPERTIES IMPORTED_LOCATION "{prefix}/lib/libfoo.so"\n'
        f'    INTERFACE_INCLUDE_DIRECTORIES "{prefix}/include")\n',
    )
    project = tmp_path / "work"
    shutil.copytree(pair.folder / "foo-ext", project)
    tools = f"{prefix}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    settings = {"PATH": tools, "CMAKE_ARGS": f"-DCMAKE_PREFIX_PATH={prefix}", **script["env"]}
    building.run("sh", "-ec", script["content"], cwd=project, env=settings)

    installed = env.site_packages
    (metadata,) = installed.glob("foo_ext-*.dist-info/METADATA")
    assert "Requires-Dist" not in metadata.read_text("utf-8")
    record = ast.parse((installed / "foo_ext" / "_native_requires.py").read_text("utf-8"))
    assert ast.unparse(record).splitlines()[-1] == "REQUIRES = ()"
    (module,) = installed.glob("foo_ext/_ext.*.so")
    with module.open("rb") as file:
        dynamic = elf.dynamic(file)
    assert "libfoo.so.3" in dynamic["NEEDED"]
    assert "RUNPATH" not in dynamic
    building.run(env.python, "-m", "pip", "check")

    # What conda's tools write when they make the package.
    building.run("patchelf", "--set-rpath", f"{prefix}/lib", module, env={"PATH": tools})
    assert env.run("import foo_ext; print(foo_ext.square(3))") == "-3.0\n"
    # Beside another consumer, which has the provider's.
    provided = tmp_path / "provided"
    for wheel in (pair.provider, pair.consumer):
        shutil.unpack_archive(wheel, provided, "zip")
    (provided / "foo_ext").rename(provided / "other_ext")
    code = f"""
import sys; sys.path.append({str(provided)!r})
import foo_ext, other_ext
print(foo_ext.square(3), other_ext.square(3))
"""
    assert env.run(code) == "-3.0 9.0\n"
