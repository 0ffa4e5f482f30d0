"""The workflows, ours and those that the template makes: well formed, pinned, and with no power to spare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import building
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = building.ROOT / ".github"
PUBLISHES = "pypa/gh-action-pypi-publish"
DOWNLOADS = "actions/download-artifact"

Step = dict[str, Any]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder .github that the template makes."""
    return building.generate(tmp_path_factory.mktemp("pair")) / ".github"


@pytest.fixture(params=["ours", "template's"])
def github(request: pytest.FixtureRequest, generated: Path) -> Path:
    """Each folder .github."""
    return OURS if request.param == "ours" else generated


def workflows(github: Path) -> dict[str, Any]:
    """Return the workflows of a folder by their files' names, parsed."""
    files = sorted((github / "workflows").glob("*.yml"))
    assert files
    return {file.name: yaml.safe_load(file.read_text("utf-8")) for file in files}


def steps(workflow: dict[str, Any]) -> Iterator[Step]:
    """Return the steps of all jobs."""
    for job in workflow["jobs"].values():
        yield from job["steps"]


def action(step: Step) -> str:
    """Return the name of the action that a step uses; empty if it uses none."""
    return str(step.get("uses", "")).partition("@")[0]


def pins(github: Path) -> set[tuple[str, str]]:
    """Return each action with what follows its @, the comment too."""
    texts = [file.read_text("utf-8") for file in (github / "workflows").iterdir()]
    return {found for text in texts for found in re.findall(r"uses: ([^@\s]+)@(.*)", text)}


def test_both_noxfiles_name_the_same_machines(generated: Path) -> None:
    """Two lists, for neither file may import the other: ours is what a generated pair begins with."""
    texts = [
        (folder / "noxfile.py").read_text("utf-8") for folder in (building.ROOT, generated.parent)
    ]
    for name in ("OLDEST, NEWEST, NO_GIL", "PLATFORMS"):
        ours, theirs = (
            re.search(rf"^{name} = (?:\{{\n(?s:.*?)^\}}|.*)$", text, re.MULTILINE) for text in texts
        )
        assert ours is not None
        assert theirs is not None
        assert ours[0] == theirs[0]


def test_zizmor_finds_nothing(github: Path) -> None:
    building.run(
        building.tool("zizmor"), "--offline", "--persona=pedantic", "--no-progress", github
    )


def test_zizmor_would_find_something(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yml"
    file.write_text(
        "name: x\non: push\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - uses: actions/checkout@v7\n",
        encoding="utf-8",
    )
    said = building.run(building.tool("zizmor"), "--offline", "--no-progress", file, fails=True)
    for rule in ("unpinned-uses", "artipacked", "excessive-permissions"):
        assert rule in said


def test_schemas(github: Path) -> None:
    schema = (building.tool("check-jsonschema"), "--builtin-schema")
    files = sorted((github / "workflows").iterdir())
    building.run(*schema, "vendor.github-workflows", *files)
    building.run(*schema, "vendor.dependabot", github / "dependabot.yml")


def test_dependabot_waits_and_groups(github: Path) -> None:
    updates = yaml.safe_load((github / "dependabot.yml").read_text("utf-8"))["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions"]
    # Of actions, Dependabot knows no other key.
    assert updates[0]["cooldown"] == {"default-days": 7}
    assert list(updates[0]["groups"].values()) == [{"patterns": ["*"]}]


def test_actions_are_pinned(github: Path) -> None:
    found = pins(github)
    assert found
    for name, pin in found:
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), name


def test_an_action_has_one_pin_everywhere(generated: Path) -> None:
    found = pins(OURS) | pins(generated)
    names = [name for name, _ in found]
    assert sorted(set(names)) == sorted(names)


def test_nothing_is_permitted_that_a_job_does_not_ask_for(github: Path) -> None:
    for name, workflow in workflows(github).items():
        assert workflow["permissions"] == {}, name
        for job in workflow["jobs"].values():
            assert "permissions" in job, name


def test_checkouts_leave_no_credentials(github: Path) -> None:
    for name, workflow in workflows(github).items():
        for step in steps(workflow):
            if action(step) == "actions/checkout":
                assert step["with"] == {"persist-credentials": False}, name


def test_no_job_runs_for_hours(github: Path) -> None:
    for name, workflow in workflows(github).items():
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] <= 120, name


def test_last_job_needs_all_others(github: Path) -> None:
    """And has a name of its own: a required check of one name would stand for both."""
    gates = []
    for name, workflow in workflows(github).items():
        *others, last = workflow["jobs"]
        assert last == "gate", name
        gate = workflow["jobs"][last]
        assert gate["needs"] == others, name
        assert gate["if"] == "always()"
        gates.append(gate["name"])
    assert all(name.endswith(" passed") for name in gates)
    assert len(set(gates)) == len(gates)


def test_what_publishes_takes_nothing_from_caches(github: Path) -> None:
    publishing = [w for w in workflows(github).values() if PUBLISHES in map(action, steps(w))]
    assert publishing
    for workflow in publishing:
        for step in steps(workflow):
            assert "cache" not in action(step)
            assert not [key for key in step.get("with", {}) if "cache" in key]


def test_jobs_that_publish_do_nothing_else(github: Path) -> None:
    jobs = [job for workflow in workflows(github).values() for job in workflow["jobs"].values()]
    publishing = [job for job in jobs if PUBLISHES in map(action, job["steps"])]
    assert publishing
    for job in publishing:
        assert [action(step) for step in job["steps"]] == [DOWNLOADS, PUBLISHES]
        assert job["permissions"] == {"id-token": "write"}
        assert job["environment"]
        # Attestations are made unless somebody says no, and passwords are for nobody.
        assert "with" not in job["steps"][1]
    for job in jobs:
        assert job in publishing or "id-token" not in job["permissions"]
