"""docs/how-to/capsule.md: its two packages, built and run."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux")

PAGE = (docs_pages.HOW_TO / "capsule.md").read_text("utf-8")
SHOW = """
try:
    import clicks._ext
except Exception as error:
    print(type(error).__name__, error, sep=": ")
"""


def build(project: Path, out: Path) -> Path:
    # pyenv's Pythons hand a RUNPATH of their own on.
    return building.build(project, out, env={"LDSHARED": "cc -shared"})


def test_pages_packages(tmp_path: Path) -> None:
    docs_pages.save(PAGE, tmp_path)
    counter, clicks = (build(tmp_path / name, tmp_path / "dist") for name in ("counter", "clicks"))
    env = building.new_environment(tmp_path / "env", counter, clicks)
    uninstall = f"{building.tool('uv')} pip uninstall --quiet --python {env.python} counter"
    count = docs_pages.play(
        PAGE,
        tmp_path,
        env.python.parent,
        env={"SITE": str(env.site_packages)},
        replace={"python -m pip uninstall --quiet --yes counter": uninstall},
    )
    assert count == 4

    # A provider whose table broke: the consumer is told by the table's name.
    env.install(counter)
    source = (tmp_path / "counter" / "_api.c").read_text("utf-8")
    (module,) = env.site_packages.glob("counter/_api.*")
    options = [f"-I{sysconfig.get_path('include')}", f"-I{tmp_path}/counter"]
    compiled = building.compile_library(source.replace('"table_1"', '"table_2"'), module, *options)
    (shown,) = (part for part in PAGE.split("`") if part.startswith("AttributeError: "))
    assert env.run(SHOW) == f"{shown}\n"
    assert env.run("import clicks; print(clicks.click())") == "-1\n"

    # An older provider, whose table is shorter: by its size.
    compiled.unlink()
    shorter = source.replace("{sizeof(counter_api),", "{sizeof(counter_api) - sizeof(void *),")
    assert shorter != source
    building.compile_library(shorter, module, *options)
    assert env.run(SHOW) == "ImportError: clicks needs a newer counter than the one installed\n"
