"""docs/how-to/build-others-sdists.md: a stranger's sdist of PyPI builds against native-zlib, unchanged."""

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
    sys.platform != "linux" or not all(map(shutil.which, ("readelf", "unzip"))),
    reason="the page shows Linux, with readelf and unzip",
)

PAGE = (docs_pages.HOW_TO / "build-others-sdists.md").read_text("utf-8")


def test_every_command_prints_what_is_shown(reference: building.Reference, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env")
    building.uv("pip", "install", "--quiet", "--python", env.python, "pip")
    install = f"{building.tool('uv')} pip install --quiet --python {env.python} --no-deps"
    version = reference.zlib.name.split("-")[1]
    count = docs_pages.play(
        PAGE.replace("native-zlib 1.3.2", f"native-zlib {version}"),
        tmp_path,
        env.python.parent,
        env={"NATIVE_LIB_CACHE": str(tmp_path / "cache")},
        replace={
            "python -m pip install native-zlib native-lib-loader": (
                f"{install} {reference.zlib} {building.loader_wheel()}"
            ),
            # As installed, and not from the sources.
            "native-lib": str(env.python.with_name("native-lib")),
        },
    )
    assert count == 8
    # Nothing led to the provider but the variables: without its loader it is not found.
    said = env.run("import indexed_gzip", fails=True)
    assert "native_zlib__z.so.1: cannot open shared object file" in said
