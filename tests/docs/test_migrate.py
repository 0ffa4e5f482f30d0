"""docs/how-to/migrate.md: the small package really moves from a bundled copy to the provider."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("patch", "unzip"))),
    reason="the page shows Linux, with patch and unzip",
)

PAGE = (docs_pages.HOW_TO / "migrate.md").read_text("utf-8")
FOO = 'const char *foo_version(void) { return "1"; } double foo_square(double x) { return x * x; }'


def test_every_command_prints_what_is_shown(
    pair: building.Pair, installed: building.Environment, tmp_path: Path
) -> None:
    system = tmp_path / "system"
    library = system / "lib" / "libfoo.so"
    building.compile_library(FOO, library, soname="libfoo.so.1")
    shutil.copy(library, library.with_suffix(".so.1"))
    docs_pages.write(system / "include" / "foo.h", "double foo_square(double value);\n")
    (tmp_path / "dist").mkdir()
    shutil.copy(pair.provider, tmp_path / "dist")
    docs_pages.write(tmp_path / "only.txt", f"libfoo @ {pair.provider.as_uri()}\n")
    uv, python = building.tool("uv"), installed.python
    count = docs_pages.play(
        PAGE,
        tmp_path,
        python.parent,
        env={
            "SITE": str(installed.site_packages),
            "UV_BUILD_CONSTRAINT": str(tmp_path / "only.txt"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_LINK_MODE": "copy",
        },
        replace={
            "PIP_FIND_LINKS=dist ": "",
            "python -m pip wheel --quiet --no-deps --wheel-dir": (
                f"{uv} build --quiet --wheel --python {sys.executable} --find-links dist --out-dir"
            ),
            "python -m pip install": f"{uv} pip install --python {python}",
            # It tells of the environment that it runs in.
            "native-lib excludes": f"PYTHONPATH={docs_pages.PYTHONPATH} python -m native_lib excludes",
        },
    )
    assert count > 15
