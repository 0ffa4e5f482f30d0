"""What tests/machines says where it can make nothing: one clear line, and nothing half-made."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import building
import debian
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("apt-get"), reason="requires Debian or Ubuntu"
)
SCRIPTS = {"chroot": "sid", "build-python": "3.15", "manylinux-image": ""}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def states(folder: Path) -> dict[str, str]:
    """Have each script keep what it makes in a folder of the test."""
    names = ("CHROOT_STATE", "BUILD_PYTHON_STATE", "MANYLINUX_STATE")
    return {name: str(folder / "state") for name in names}


@pytest.mark.parametrize("script", SCRIPTS)
def test_not_root(script: str) -> None:
    nobody = ("setpriv", "--reuid=65534", "--clear-groups") if IS_ROOT else ()
    if nobody and not shutil.which("setpriv"):
        pytest.skip("requires setpriv (util-linux) to be nobody")
    # A copy, for nobody may not look into the folder of the tests.
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        folder.chmod(0o755)
        shutil.copytree(debian.MACHINES, folder / "machines")
        command = (*nobody, folder / "machines" / script, SCRIPTS[script])
        said = building.run(*command, env=states(folder), cwd=folder, fails=True)
        assert said == f"{script}: requires root on a Debian or Ubuntu\n"
        assert not (folder / "state").exists()


@pytest.mark.skipif(not IS_ROOT or not shutil.which("setpriv"), reason="requires root, and setpriv")
def test_a_container_without_the_right_to_mount(tmp_path: Path) -> None:
    less = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    said = building.run(*less, debian.MACHINES / "chroot", "sid", env=states(tmp_path), fails=True)
    assert said == "chroot: requires the right to mount: run the container with --privileged\n"
    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(not IS_ROOT, reason="requires root")
@pytest.mark.parametrize("script", ["chroot", "build-python"])
def test_packages_that_are_not_debians(script: str, tmp_path: Path) -> None:
    """As on Ubuntu: no list that apt has is of Debian."""
    config = tmp_path / "apt.conf"
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    config.write_text(
        'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "/dev/null";'
        f'Dir::State::lists "{lists}";',
        encoding="utf-8",
    )
    env = {"APT_CONFIG": str(config), "DEBIAN_MIRROR": "", **states(tmp_path)}
    said = building.run(debian.MACHINES / script, SCRIPTS[script], env=env, fails=True)
    if "requires the right to mount" in said:
        pytest.skip("requires the right to mount")
    assert said.splitlines()[-1] == (
        f"{script}: set DEBIAN_MIRROR to the address of a Debian mirror: "
        "this machine's own packages are not Debian's"
    )
    assert not list(tmp_path.glob("state/*.enter"))
    assert not list(tmp_path.glob("state/3.15"))
