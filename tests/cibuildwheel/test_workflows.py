"""The workflows of a generated pair: well formed, and run here as far as one machine can."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import lab
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
        'PLATFORMS = {"manylinux-x86_64": ("ubuntu-24.04", "manylinux*_x86_64")}\n'
    ),
    re.compile(r"^PYTHONS = .*\n", re.MULTILINE): f"PYTHONS = {list(PYTHONS)}\n",
}
# Of the consumer's release, which takes more steps than the provider's.
TAG = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "foo-ext-v1.0.0"}
# What a project adds to its settings; without the variable, it does not build.
SETTINGS = """
[tool.cibuildwheel]
environment = { KEPT = "yes" }
before-build = 'test "$KEPT" = yes'
"""
ALPINE = "takes Docker and an image of Python on Alpine"
SUDO = "takes GitHub's sudo; .ci/run installs what it would"
PUBLISHES = "publishes"


def why_not(job: str, step: Mapping[str, Any], python: str) -> str:
    if "sudo" in step.get("run", ""):
        return SUDO
    return {"alpine": ALPINE, "publish-consumer": PUBLISHES}.get(job, "")


@dataclass(frozen=True)
class Finished:
    """A pair, and what running its workflows did."""

    folder: Path
    steps: tuple[workflows.Step, ...]
    artifacts: dict[str, list[str]]


@pytest.fixture(scope="session")
def finished(
    container: Mapping[str, str],
    loader_wheel: Path,
    pair: lab.Pair,
    once: Callable[[str, Callable[[Path], Finished]], Finished],
) -> Finished:
    """The default pair's workflows, run in order: ci.yml, then wheels.yml for the consumer's release."""

    def make(folder: Path) -> Finished:
        project = lab.generate(folder)
        edit(project / "noxfile.py", HERE)
        edit(
            project / "foo-ext" / "pyproject.toml",
            {re.compile(r"\n\[tool\.cibuildwheel\]\n"): SETTINGS},
        )
        environment = {
            **container,
            **workflows.decoys(container, folder, {"libfoo": "1.99.0"}),
            # The loader is on no index yet, and the provider is to be released before the consumer.
            "PIP_FIND_LINKS": f"{loader_wheel.parent} {pair.provider.parent}",
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
        *(("alpine", ALPINE), ("abi", SUDO)),
        *(("publish-provider", PUBLISHES), ("publish-consumer", PUBLISHES)),
    }
    assert {step.job for step in finished.steps} == {
        *("plan", "test", "gate"),
        *("sdists", "provider", "consumer", "pair", "alpine", "check", "abi"),
        *("publish-provider", "wait-for-provider", "publish-consumer"),
    }
    done = {step.what for step in finished.steps if not step.why_not}
    for session in ("plan", "tests", "sdists", "pair", "check", "complete", "abi", "published"):
        assert f"nox -s {session}" in done
    for role in ("provider", "consumer"):
        assert f'nox -s wheels -- {role} "$PLATFORM"' in done


def test_artifacts(finished: Finished) -> None:
    assert set(finished.artifacts) == {
        f"{role}-{what}"
        for role in ("provider", "consumer")
        for what in ("sdist", "manylinux-x86_64")
    }
    assert finished.artifacts["provider-sdist"] == ["libfoo-1.0.0.tar.gz"]
    assert finished.artifacts["consumer-sdist"] == ["foo_ext-1.0.0.tar.gz"]
    (provider,) = finished.artifacts["provider-manylinux-x86_64"]
    (consumer,) = finished.artifacts["consumer-manylinux-x86_64"]
    assert provider.startswith("libfoo-1.0.0-py3-none-manylinux")
    assert consumer.startswith("foo_ext-1.0.0-cp311-abi3-manylinux")


def test_consumer_has_no_copy_and_requires_the_provider(finished: Finished) -> None:
    folder = finished.folder / "wheels" / "artifacts" / "consumer-manylinux-x86_64"
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert [name for name in names if ".so" in name] == ["foo_ext/_ext.abi3.so"]
    assert "Requires-Dist: libfoo<2,>=1.0.0" in lines
