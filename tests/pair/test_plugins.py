"""Libraries that open others of their wheel: what docs/how-to/plugins.md says, on this system."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import building
import plugins
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's search for plugins")


@pytest.mark.parametrize("runpath", [False, True], ids=["no RUNPATH", "RUNPATH"])
def test_each_way_to_open_a_plugin(tmp_path: Path, runpath: bool) -> None:
    generated = plugins.generate(tmp_path, runpath=runpath)
    env = building.new_environment(
        tmp_path / "env", building.build(generated / "libfoo", tmp_path / "dist")
    )
    by_name = 6.0 if runpath else -1.0
    said = env.run(plugins.CALL)
    assert said == f"foo_by_name {by_name}\nfoo_beside 6.0\nfoo_square 6.0\n"
    # The doctor sees without an import which plugin cannot be found.
    paths = f"{env.site_packages}:{building.ROOT / 'loader' / 'src'}"
    doctor = (sys.executable, "-m", "native_lib", "doctor", "--format", "json")
    found = json.loads(building.run(*doctor, env={"PYTHONPATH": paths}))["problems"]
    unfound = [each for each in found if each["id"] == "plugin-unfound"]
    assert [each["distribution"] for each in unfound] == ([] if runpath else ["libfoo"])
    assert all("open libfoo__more.so by its bare name" in each["message"] for each in unfound)
