"""This repository's own workflows, run here as far as one machine can."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import building
import our_workflows
import pytest
import workflows
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from our_workflows import Finished

# Those of which a machine may lack one.
PYTHONS = ("3.10", "3.11", "3.13", "3.15")
# packages.yml is run by a fixture of its own, which other tests take wheels from.
OTHERS = ("tests", "template", "docs", "upstream")


def jobs(name: str) -> dict[str, Any]:
    """The jobs of a workflow."""
    text = (our_workflows.FOLDER / f"{name}.yml").read_text("utf-8")
    return dict(yaml.safe_load(text)["jobs"])


def linux_jobs(name: str) -> Iterator[str]:
    """The jobs of a workflow that have a machine of this kind, or may have."""
    for job, what in jobs(name).items():
        if "ubuntu" in str(what) or "fromJSON" in str(what):
            yield job


def test_these_are_all() -> None:
    files = {path.stem for path in our_workflows.FOLDER.iterdir()}
    assert files == {"packages", *OTHERS}


def check(finished: Finished, name: str) -> set[str]:
    """Check that each job was run, or is told to be skipped, and return why steps were not run."""
    assert {step.job for step in finished.steps} == set(linux_jobs(name))
    left = {step.why_not for step in finished.steps if step.why_not} - {our_workflows.AGAIN}
    return left - {workflows.no_python(version) for version in PYTHONS}


@pytest.mark.parametrize(
    ("name", "left_out", "skipped"),
    [
        ("tests", ["bash .ci/run"], []),
        ("template", [], []),
        ("docs", ["nox -s docs", "nox -s tests -- "], []),
        # Nothing is newer where nobody looked.
        ("upstream", ["nox -s newest_upstream", "nox -s wheels", "nox -s tests -- "], ["propose"]),
    ],
)
def test_every_linux_job_is_run(
    finished_workflow: Callable[[str], Finished], name: str, left_out: list[str], skipped: list[str]
) -> None:
    expected = {our_workflows.NOT_HERE[part] for part in left_out}
    expected |= {our_workflows.SKIPPED[job] for job in skipped}
    assert check(finished_workflow(name), name) == expected


def test_every_linux_job_of_packages_is_run(packages: Finished) -> None:
    # There is no tag.
    skipped = {our_workflows.SKIPPED[job] for job in ("published", "publish")}
    # Steps for Alpine, and for what is published.
    assert check(packages, "packages") == {workflows.NOT_MET, *skipped}
    done = {step.what for step in packages.steps if not step.why_not}
    for session in ("sdists", "installed", "check -- complete", "abi"):
        assert f"nox -s {session}" in done
    for session in ('plan >> "$GITHUB_OUTPUT"', 'wheels -- "$PLATFORM"'):
        assert f"nox -s {session}" in done


def test_artifacts_of_packages(packages: Finished) -> None:
    """The loader's wheel goes with the sdists, for it is built first."""
    found = {
        name: [re.sub(r"-\d[\d.]*(post\d)?(?=[-.])", "", file.name) for file in files]
        for name, files in packages.artifacts().items()
    }
    assert found.pop("dist-sdists") == [
        *("minipng.tar.gz", "native_hdf5.tar.gz"),
        *("native_lib_loader-py3-none-any.whl", "native_lib_loader.tar.gz"),
        *(f"native_{name}.tar.gz" for name in ("libpng", "sodium", "zlib", "zmq")),
    ]
    wheels = found.pop("dist-manylinux-x86_64")
    assert [name.partition("-")[0] for name in wheels] == [
        "minipng",
        *(f"native_{name}" for name in ("hdf5", "libpng", "sodium", "zlib", "zmq")),
    ]
    assert all("-manylinux" in name for name in wheels)
    # There is no tag, and nothing is released.
    assert not found


# Each step on what it is there to stop ------------------------------------------------------------


@pytest.fixture
def workshop(checkout: Path, tmp_path: Path) -> Path:
    """A checkout that a test may change."""
    return Path(shutil.copytree(checkout, tmp_path / "checkout"))


@pytest.fixture
def nox(workshop: Path) -> Callable[..., str]:
    """Run a session there, with the files in dist/ that are given as `dist`."""

    def run(*arguments: str, dist: Iterable[Path] = (), fails: bool = False, **env: str) -> str:
        shutil.rmtree(workshop / "dist", ignore_errors=True)
        (workshop / "dist").mkdir()
        for file in dist:
            shutil.copy(file, workshop / "dist")
        env = {"NOX_DEFAULT_VENV_BACKEND": "uv", "UV": building.tool("uv"), **env}
        command = (sys.executable, "-m", "nox", "-s", *arguments)
        return building.run(*command, cwd=workshop, env=env, fails=fails)

    return run


@pytest.mark.parametrize(
    ("name", "version"), [("native-lib-loader", "0.2.0"), ("minipng", "0.1.0")]
)
def test_tag_says_what_is_released(
    packages: Finished, nox: Callable[..., str], name: str, version: str
) -> None:
    env = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": f"{name}-v{version}"}
    said = nox("plan", dist=packages.artifacts()["dist-sdists"], **env)
    assert f"release={name}\nfiles={name.replace('-', '_')}-{version}*\n" in said


def test_tag_of_another_version(packages: Finished, nox: Callable[..., str]) -> None:
    env = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "minipng-v0.2.0"}
    said = nox("plan", dist=packages.artifacts()["dist-sdists"], fails=True, **env)
    assert "the tag minipng-v0.2.0 releases nothing; dist/ has native-lib-loader-v" in said


def test_branch_releases_nothing(nox: Callable[..., str]) -> None:
    assert "release=none\n" in nox("plan", GITHUB_REF_TYPE="branch", GITHUB_REF_NAME="x-v1")


def test_what_is_missing(packages: Finished, nox: Callable[..., str]) -> None:
    files = itertools.chain(*packages.artifacts().values())
    there = [file for file in files if not re.match(r"native_libpng-.*\.whl", file.name)]
    said = nox("check", "--", "complete", dist=there, fails=True)
    lines = [line for line in said.splitlines() if "no wheel of" in line]
    assert lines == ["native-lib: no wheel of native-libpng for manylinux*_x86_64"]


def test_abi(packages: Finished, nox: Callable[..., str], tmp_path: Path) -> None:
    """A release that has lost a function; and an index that does not answer is no first release."""
    _, *dist = packages.artifacts()["dist-manylinux-x86_64"]
    (z,) = (wheel for wheel in dist if wheel.name.startswith("native_zlib-"))
    links = str(tmp_path)
    old = tmp_path / re.sub(r"-\d[^-]*", "-1.3.1", z.name, count=1)
    with zipfile.ZipFile(z) as wheel, zipfile.ZipFile(old, "w") as earlier:
        for name in wheel.namelist():
            content = wheel.read(name)
            # In the headers, too: a name that they do not declare is not promised.
            if name.endswith((".so.1", ".h")):
                content = content.replace(b"z_crc32_combine64", b"z_crc32_combine63")
            earlier.writestr(name.replace("-1.3.2", "-1.3.1"), content.replace(b"1.3.2", b"1.3.1"))
    said = nox("abi", dist=dist, fails=True, PIP_FIND_LINKS=links)
    assert "no longer exports z_crc32_combine63\n" in said
    said = nox("abi", dist=dist, fails=True, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert "nothing to compare" not in said


def test_what_is_required_is_not_published(
    packages: Finished, nox: Callable[..., str], tmp_path: Path
) -> None:
    artifacts = packages.artifacts()
    wheels = {file.name.split("-")[0]: file for file in artifacts["dist-manylinux-x86_64"]}
    wheel, png, z = (wheels[name] for name in ("minipng", "native_libpng", "native_zlib"))
    index = tmp_path / "index"
    index.mkdir()
    links = {"PIP_FIND_LINKS": str(index)}

    # What the sdist is built with comes first.
    said = nox("published", "--", "minipng", dist=[wheel], fails=True, **links)
    assert "No matching distribution found for native-lib-loader" in said
    (loader,) = (path for path in artifacts["dist-sdists"] if path.suffix == ".whl")
    shutil.copy(loader, index)
    said = nox("published", "--", "minipng", dist=[wheel], fails=True, **links)
    assert re.search(
        r"the index has no native-(zlib|libpng)<.*: release native-(zlib|libpng) first", said
    )
    for provider in (png, z):
        shutil.copy(provider, index)
    said = nox("published", "--", "minipng", dist=[wheel], **links)
    assert "3 files checked: 0 errors" in said


def test_unpinned_sources_are_not_released(workshop: Path, nox: Callable[..., str]) -> None:
    """Debian's archive, in the place of upstream's, is for tests only."""
    source = workshop / "reference-packages" / "zlib" / "source.toml"
    text = source.read_text("utf-8").replace("https://github.com", "https://127.0.0.1:9")
    source.write_text(text, encoding="utf-8")
    said = nox("sdists", fails=True, GITHUB_REF_TYPE="tag")
    assert "zlib-1.3.2.tar.gz cannot be downloaded" in said


@pytest.mark.skipif(not shutil.which("git"), reason="requires git")
def test_newer_upstream_is_proposed_once(tmp_path: Path) -> None:
    """The script of upstream.yml's last step, with a `gh` that writes down what it is asked for."""
    (script,) = (step["run"] for step in jobs("upstream")["propose"]["steps"] if "run" in step)
    programs, asked, origin = tmp_path / "bin", tmp_path / "asked", tmp_path / "origin.git"
    programs.mkdir()
    (programs / "gh").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n', encoding="utf-8")
    (programs / "gh").chmod(0o755)
    changed = "zlib 1.3.3, libpng 1.6.99"
    env = {
        "PATH": f"{programs}:{building.environment()['PATH']}",
        "CHANGED": changed,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    building.run("git", "init", "--quiet", "--bare", "--initial-branch=main", origin, env=env)
    first = "echo 1 > source.toml; git add .; git -c user.name=x -c user.email=x@example.org "
    first += "commit --quiet --message x; git push --quiet origin HEAD:main"
    for week, before in (("1", first), ("2", ":")):
        work = tmp_path / week
        building.run("git", "clone", "--quiet", origin, work, env=env)
        whole = f"{before}\necho {week}0 > source.toml\n{script}"
        building.run("bash", "-e", "-c", whole, cwd=work, env=env)
    branch = "upstream/zlib-1.3.3--libpng-1.6.99"
    log = building.run("git", "log", "--format=%an: %s", f"main..{branch}", cwd=origin, env=env)
    assert log == f"github-actions[bot]: {changed}\n"
    assert building.run("git", "show", f"{branch}:source.toml", cwd=origin, env=env) == "10\n"
    setup, create, again = asked.read_text("utf-8").splitlines()
    assert setup == again == "auth setup-git"
    assert create.startswith(f"pr create --title {changed} --body Built and tested")
