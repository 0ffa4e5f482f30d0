"""Build the reference packages' wheels with cibuildwheel, each against the wheels just built.

    python build_wheels.py OUT

Native-zlib first, native-libpng against that very wheel, minipng against both. Whatever an index has
under these names is kept out by constraints. Arguments after OUT go to cibuildwheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
# Each after those that it requires.
PACKAGES = ("zlib", "libpng", "minipng")
# cibuildwheel copies the current folder into the container, as this.
IN_CONTAINER = "/project"


def build(out: Path, *arguments: str, extra: dict[str, str] | None = None) -> list[Path]:
    """Build all wheels.

    Args:
        out: where they go.
        arguments: for cibuildwheel.
        extra: what to add to its environment.

    Returns:
        The wheels, repaired and tested by cibuildwheel.

    Raises:
        subprocess.CalledProcessError: cibuildwheel failed.
    """
    wheelhouse = ROOT / "wheelhouse"  # below the current folder, so that the container has it
    shutil.rmtree(wheelhouse, ignore_errors=True)
    wheelhouse.mkdir()
    for package in PACKAGES:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "cibuildwheel",
                "--output-dir",
                "wheelhouse",
                *arguments,
                package,
            ],
            cwd=ROOT,
            env={**os.environ, **(extra or {}), **_only(wheelhouse)},
            check=True,
        )
    out.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(wheel, out)) for wheel in sorted(wheelhouse.glob("*.whl"))]


def _only(wheelhouse: Path) -> dict[str, str]:
    """Return the environment in which builds and tests find these wheels, and no others of their name."""
    # URLs: pip would split a path with spaces in it.
    seen = wheelhouse.as_uri()
    if sys.platform == "linux":
        seen = f"file://{IN_CONTAINER}/{wheelhouse.name}"
    lines = [
        f"{wheel.name.split('-')[0].replace('_', '-')} @ {seen}/{wheel.name}\n"
        for wheel in wheelhouse.glob("*.whl")
    ]
    (wheelhouse / "constraints.txt").write_text("".join(lines), encoding="utf-8")
    # `build`, cibuildwheel's front end, reads PIP_CONSTRAINT, and so does the pip that tests.
    return {
        "CIBW_ENVIRONMENT": f"PIP_FIND_LINKS={seen} PIP_CONSTRAINT={seen}/constraints.txt",
        "CIBW_BUILD_FRONTEND": "build",
    }


def stand_in() -> dict[str, str]:
    """Return the environment for a stand-in of manylinux's image, where this workplace has one.

    Empty where cibuildwheel can have the real images, or was told of others.
    """
    tool = ROOT.parents[1] / "shared" / "tools" / "manylinux-image"
    told = {"CIBW_MANYLINUX_X86_64_IMAGE", "CI_HAS_IMAGES"} & os.environ.keys()
    if sys.platform != "linux" or told or not tool.exists():
        return {}
    script = f'eval "$({tool})" && env -0'
    said = subprocess.run(
        ["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    variables = dict(line.partition("=")[::2] for line in said.split("\0") if line)
    found = {name: variables[name] for name in variables.keys() - os.environ.keys() if name != "_"}
    return {
        **found,
        # What the stand-in lacks.
        "CIBW_SKIP": "*musllinux* cp310-* cp314* cp315* pp* gp*",
        # cibuildwheel downloads virtualenv for it; the tests run abi3audit themselves.
        "CIBW_AUDIT_COMMAND": "",
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        made = build(Path(sys.argv[1]).resolve(), *sys.argv[2:], extra=stand_in())
    except subprocess.CalledProcessError as error:
        sys.exit(f"build_wheels.py: failed, as told above: {error.cmd[0]} … {error.cmd[-1]}")
    print(*made, sep="\n")
