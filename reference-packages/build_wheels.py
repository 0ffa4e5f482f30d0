"""Build the reference packages' wheels with cibuildwheel, each against the wheels just built.

    python build_wheels.py DIST [manylinux|musllinux]

From the sdists in DIST, into DIST: each against the very wheels that it requires, built
before; what requires the loader to be built gets its wheel in DIST. Whatever an index has under
these names is kept out by constraints. Linux has two C
libraries, and so two wheels of each; the second argument says which to build. What follows goes to
cibuildwheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent
# Each after those that it requires.
DISTRIBUTIONS = (
    "native-zlib",
    "native-libpng",
    "native-sodium",
    "native-zmq",
    "native-hdf5",
    "minipng",
)
LIBCS = ("manylinux", "musllinux")
# Where cibuildwheel's container has this machine's files.
IN_CONTAINER = "/host"
NOT_IN_THE_STAND_IN = "*musllinux* cp310-* cp314* cp315* pp* gp*"


def build(
    dist: Path, libc: str = LIBCS[0], *arguments: str, extra: dict[str, str] | None = None
) -> None:
    """Build all wheels.

    Args:
        dist: where the sdists are, and where the wheels go, repaired and tested by cibuildwheel.
        libc: on Linux, the one to build for.
        arguments: for cibuildwheel.
        extra: what to add to its environment.

    Raises:
        FileNotFoundError: there is no sdist, or there are several.
        subprocess.CalledProcessError: cibuildwheel failed.
    """
    env = {**os.environ, **(extra or {})}
    pattern = "*.whl"
    if sys.platform == "linux":
        (other,) = set(LIBCS) - {libc}
        env["CIBW_SKIP"] = f"{env.get('CIBW_SKIP', '')} *-{other}*"
        pattern = f"*{libc}*.whl"
    # What requires the loader to be built gets this one.
    known = sorted(dist.glob("native_lib_loader-*.whl"))
    for distribution in DISTRIBUTIONS:
        name = distribution.replace("-", "_")
        sdists = list(dist.glob(f"{name}-*.tar.gz"))
        if len(sdists) != 1:
            raise FileNotFoundError(f"{dist} has {len(sdists)} sdists of {distribution}, not one")
        command = [sys.executable, "-m", "cibuildwheel", "--output-dir", str(dist)]
        subprocess.run(
            [*command, *arguments, str(sdists[0])], env={**env, **_only(known, dist)}, check=True
        )
        known += sorted(dist.glob(f"{name}-{pattern}"))


def _only(wheels: list[Path], dist: Path) -> dict[str, str]:
    """Return the environment in which builds and tests find these wheels, and no others of their name.

    And repairs: `native-lib repair` is the loader's, and reads of the providers what to leave out.
    """
    folder = IN_CONTAINER if sys.platform == "linux" else ""
    # URLs: pip would split a path with spaces in it.
    urls = {wheel: wheel.as_uri().replace("file://", f"file://{folder}", 1) for wheel in wheels}
    lines = [f"{wheel.name.split('-')[0]} @ {url}" for wheel, url in urls.items()]
    constraints = dist / "constraints.txt"
    constraints.write_text("\n".join(lines), encoding="utf-8")
    installed = [line.replace("native_lib_loader ", "native_lib_loader[tools] ") for line in lines]
    seen = constraints.as_uri().replace("file://", f"file://{folder}", 1)
    # `build`, cibuildwheel's front end, reads PIP_CONSTRAINT, and so does the pip that tests.
    # Added to what a package's pyproject.toml says.
    variables = {
        "CIBW_INHERIT": "environment: append",
        "CIBW_ENVIRONMENT": f"PIP_CONSTRAINT={seen}",
        "CIBW_BEFORE_BUILD": " ".join(
            ["python -m pip install", *(f'"{requirement}"' for requirement in installed)]
        ),
    }
    return {**variables, "CIBW_BUILD_FRONTEND": "build"}


def has_docker() -> bool:
    """Tell whether there is docker with an engine that answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def stand_in() -> dict[str, str]:
    """Return the environment for a stand-in of manylinux's image, which is made here if need be.

    Empty where cibuildwheel can have the real images, was told of others, or none can be made.
    """
    tool = ROOT.parent / "tests" / "machines" / "manylinux-image"
    told = {"CIBW_MANYLINUX_X86_64_IMAGE", "CIBW_CONTAINER_ENGINE"} & os.environ.keys()
    if sys.platform != "linux" or told or has_docker() or not shutil.which("apt-get"):
        return {}
    script = f'eval "$({tool})" && env -0'
    said = subprocess.run(
        ["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    variables = dict(line.partition("=")[::2] for line in said.split("\0") if line)
    found = {name: variables[name] for name in variables.keys() - os.environ.keys() if name != "_"}
    return {
        **found,
        "CIBW_SKIP": NOT_IN_THE_STAND_IN,
        # cibuildwheel downloads virtualenv for it; the tests run abi3audit themselves.
        "CIBW_AUDIT_COMMAND": "",
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        build(Path(sys.argv[1]).resolve(), *sys.argv[2:], extra=stand_in())
    except FileNotFoundError as error:
        sys.exit(f"build_wheels.py: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"build_wheels.py: failed, as told above: {error.cmd[0]} … {error.cmd[-1]}")
