"""The workflows of a generated pair: well formed, and run here as far as one machine can."""

from __future__ import annotations

import re
import sysconfig
import zipapp
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import building
import nox
import pytest
import workflows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The oldest, and one more.
PYTHONS = ("3.11", "3.13")
# What the project's own lists become: what this machine and its container have.
HERE = {
    re.compile(r"^PLATFORMS = \{\n.*?^\}\n", re.MULTILINE | re.DOTALL): (
        'PLATFORMS = {"manylinux-x86_64": {"runner": "ubuntu-24.04", "tag": "manylinux*_x86_64"}}\n'
    ),
    re.compile(r"^OLDEST, NEWEST, NO_GIL = .*\n", re.MULTILINE): (
        f"OLDEST, NEWEST, NO_GIL = {PYTHONS[0]!r}, {PYTHONS[1]!r}, []\n"
    ),
}
# Of the consumer's release, which takes more steps than the provider's.
TAG = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "foo-ext-v1.0.0"}
# What a project adds to its settings; without the variable, it does not build.
SETTINGS = """
[tool.cibuildwheel]
environment = { KEPT = "yes" }
before-build = 'test "$KEPT" = yes'
"""
SUDO = "requires GitHub's sudo; .ci/run installs what it would"
PUBLISHES = "publishes"


def why_not(job: str, step: Mapping[str, Any], python: str) -> str:
    if "sudo" in step.get("run", ""):
        return SUDO
    return PUBLISHES if job == "publish-consumer" else ""


@dataclass(frozen=True)
class Finished:
    """A pair, and what running its workflows did."""

    folder: Path
    steps: tuple[workflows.Step, ...]
    artifacts: dict[str, list[str]]


@pytest.fixture(scope="session")
def finished(
    container: Mapping[str, str],
    pair: building.Pair,
    once: Callable[[str, Callable[[Path], Finished]], Finished],
) -> Finished:
    """The default pair's workflows, run in order: ci.yml, then wheels.yml for the consumer's release."""

    def make(folder: Path) -> Finished:
        project = building.generate(folder)
        edit(project / "noxfile.py", HERE)
        edit(
            project / "foo-ext" / "pyproject.toml",
            {re.compile(r"\n\[tool\.cibuildwheel\]\n"): SETTINGS},
        )
        environment = {
            **container,
            **workflows.decoys(container, folder, {"libfoo": "1.99.0"}),
            "CIBW_CACHE_PATH": str(virtualenv_app(folder / "cache")),
            # Its pins may be newer than what an index here has.
            "CIBW_DEPENDENCY_VERSIONS": "latest",
            # The provider is to be released before the consumer.
            "PIP_FIND_LINKS": str(pair.provider.parent),
        }
        steps: list[workflows.Step] = []
        for name, ref in (("ci", {}), ("wheels", TAG)):
            skipped = {"publish-provider": PUBLISHES}
            run = workflows.Run(project, folder / name, {**environment, **ref}, why_not, skipped)
            run.workflow(project / ".github" / "workflows" / f"{name}.yml")
            steps += run.steps
        artifacts = {
            path.name: sorted(file.name for file in path.iterdir())
            for path in (folder / "wheels" / "artifacts").iterdir()
        }
        return Finished(folder, tuple(steps), artifacts)

    return once("workflows", make)


def virtualenv_app(folder: Path) -> Path:
    """Make a folder with the virtualenv that cibuildwheel would download for its audits; return it."""
    resources = pytest.importorskip("cibuildwheel.util.resources", reason="needs Python 3.11")
    version = nox.project.load_toml(resources.VIRTUALENV)["default"]["version"]
    main = folder / "app" / "__main__.py"
    main.parent.mkdir(parents=True)
    # The tests' own, with the pip that it has.
    main.write_text(
        f"import runpy, sys\nsys.path.insert(0, {sysconfig.get_path('purelib')!r})\n"
        "sys.argv = [word for word in sys.argv if not word.startswith('--pip=')]\n"
        "runpy.run_module('virtualenv', run_name='__main__')\n",
        encoding="utf-8",
    )
    zipapp.create_archive(main.parent, folder / f"virtualenv-{version}.pyz")
    return folder


def edit(file: Path, changes: Mapping[re.Pattern[str], str]) -> None:
    text = file.read_text("utf-8")
    for pattern, new in changes.items():
        text, changed = pattern.subn(new, text)
        assert changed == 1
    file.write_text(text, encoding="utf-8")


def test_every_linux_job_was_run(finished: Finished) -> None:
    """Run, or named above with the reason."""
    left = {(step.job, step.why_not) for step in finished.steps if step.why_not}
    lacking = {workflows.no_python(version) for version in PYTHONS}
    assert {(job, why) for job, why in left if why not in lacking} == {
        *(("pair", workflows.NOT_MET), ("check", SUDO)),
        *(("publish-provider", PUBLISHES), ("publish-consumer", PUBLISHES)),
    }
    assert {step.job for step in finished.steps} == {
        *("plan", "test", "gate"),
        *("sdists", "wheels", "pair", "check"),
        *("publish-provider", "published", "publish-consumer"),
    }
    done = {step.what for step in finished.steps if not step.why_not}
    for session in ("tests check", "sdists", "pair", "check -- complete", "abi", "published"):
        assert f"nox -s {session}" in done
    for session in ('plan >> "$GITHUB_OUTPUT"', 'wheels -- "$PLATFORM"'):
        assert f"nox -s {session}" in done


def test_artifacts(finished: Finished) -> None:
    sdists = ["foo_ext-1.0.0.tar.gz", "libfoo-1.0.0.tar.gz"]
    assert finished.artifacts["dist-sdists"] == sdists
    consumer, provider = wheels = finished.artifacts["dist-manylinux-x86_64"]
    assert provider.startswith("libfoo-1.0.0-py3-none-manylinux")
    assert consumer.startswith("foo_ext-1.0.0-cp311-abi3-manylinux")
    assert set(finished.artifacts) == {"dist-sdists", "dist-manylinux-x86_64", "release"}
    # What is published: all of the consumer's files, and none of the provider's.
    assert finished.artifacts["release"] == [
        file for file in sorted([*sdists, *wheels]) if file.startswith("foo_ext-")
    ]


def test_consumer_has_no_copy_and_requires_the_provider(finished: Finished) -> None:
    folder = finished.folder / "wheels" / "artifacts" / "dist-manylinux-x86_64"
    (wheel,) = folder.glob("foo_ext-*")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert [name for name in names if ".so" in name] == ["foo_ext/_ext.abi3.so"]
    assert "Requires-Dist: libfoo<2,>=1.0.0" in lines


def test_wheels_of_a_pair_that_requires_the_build_support(
    container: Mapping[str, str], tmp_path: Path
) -> None:
    """`nox -s wheels`, as a job runs it; no index has native-lib-loader."""
    project = building.generate(tmp_path, loader="requirement")
    edit(project / "noxfile.py", HERE)
    environment = {
        **container,
        "CIBW_CACHE_PATH": str(virtualenv_app(tmp_path / "cache")),
        "CIBW_DEPENDENCY_VERSIONS": "latest",
    }
    command = (building.tool("nox"), "-s", "sdists", "wheels", "--", "manylinux-x86_64")
    building.run(*command, cwd=project, env=environment)
    wheels = sorted((project / "dist").glob("*.whl"))
    assert [wheel.name.split("-")[0] for wheel in wheels] == ["foo_ext", "libfoo"]
    assert all("manylinux" in wheel.name for wheel in wheels)
    building.check_wheels(*wheels)
