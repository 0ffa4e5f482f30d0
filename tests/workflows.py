"""Run the Linux jobs of GitHub workflows on this machine, in order, with artifacts and outputs.

No more of GitHub's language than our workflows say: an expression that is not known here is an error.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import building
import cpythons
import wheels
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

RUNNER = "ubuntu-24.04"
SETS_UP_PYTHON = "actions/setup-python"
# The Python of the tests, which stands in for those that this machine lacks.
_OURS = "{}.{}".format(*sys.version_info[:2])
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_FROM_JSON = re.compile(r"fromJSON\((.*)\)")
_STARTS_WITH = re.compile(r"(!?)startsWith\((.*), '(.*)'\)")
# Why a step was not run, if the workflow itself says so.
NOT_MET = "its condition is not met here"

Values = dict[str, Any]


class WorkflowError(AssertionError):
    """A step failed, or says what is not known here; the message holds what it printed."""


@dataclass(frozen=True)
class Step:
    """A step that was run, or was not and why."""

    job: str
    what: str
    why_not: str = ""


@dataclass
class Run:
    """A run of one workflow.

    Attributes:
        project: what a checkout gives.
        folder: where the workspaces and artifacts are.
        environment: what to add to every step's.
        why_not: says of a job, its step and the Python that it has why it cannot be run here; empty if
            it can.
        skipped: the jobs whose condition need not be met here, and why.
        steps: what was done so far.
    """

    project: Path
    folder: Path
    environment: Mapping[str, str]
    why_not: Callable[[str, Mapping[str, Any], str], str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    _results: dict[str, str] = field(default_factory=dict)

    def workflow(self, file: Path) -> None:
        """Run all jobs of a workflow that this machine's kind of runner has.

        Raises:
            WorkflowError: a step failed.
        """
        jobs = yaml.safe_load(file.read_text("utf-8"))["jobs"]
        waiting = dict(jobs)
        while waiting:
            name = next(n for n, job in waiting.items() if not _needs(job) & waiting.keys())
            self._job(name, waiting.pop(name))

    def _job(self, name: str, job: Values) -> None:
        known: Values = {"needs": {n: self._outputs.get(n, {}) for n in _needs(job)}}
        if not _condition(job.get("if", "always()"), known):
            if name not in self.skipped:
                raise WorkflowError(f"{name} was skipped, and nobody says why it may be")
            self.steps += [Step(name, _what(step), self.skipped[name]) for step in job["steps"]]
            self._results[name] = "skipped"
            return
        for number, matrix in enumerate(_matrices(job, known)):
            here = {**known, "matrix": matrix}
            if _text(job["runs-on"], here) == RUNNER:
                self._steps(name, job, here, self.folder / f"{name}-{number}" / "work")
        self._results[name] = "success"

    def _steps(self, name: str, job: Values, known: Values, workspace: Path) -> None:
        workspace.mkdir(parents=True)
        outputs: dict[str, Mapping[str, str]] = {}
        known = {**known, "steps": outputs, "results": self._results}
        python, path = "", building.environment()["PATH"]
        for step in job["steps"]:
            what = _what(step)
            is_met = _condition(step.get("if", "always()"), known)
            why_not = self.why_not(name, step, python) if is_met else NOT_MET
            if what == SETS_UP_PYTHON and not why_not:
                # Of several, the last one is first on PATH.
                version = _text(step["with"]["python-version"], known).split()[-1]
                why_not = no_python(version)
                python = _OURS if why_not else version
                path = f"{self._python(python)}:{building.environment()['PATH']}"
            self.steps.append(Step(name, what, why_not))
            if why_not:
                outputs[step.get("id", "")] = defaultdict(str)
                continue
            said = step.get("with", {}).items()
            options = {key: _text(value, known).rstrip("\n") for key, value in said}
            if "run" in step:
                env = {key: _text(value, known) for key, value in step.get("env", {}).items()}
                env["PATH"] = path
                outputs[step.get("id", "")] = self._shell(what, env, workspace)
            elif what != SETS_UP_PYTHON:
                _ACTIONS[what](self, options, workspace)
        said = {key: _text(value, known) for key, value in job.get("outputs", {}).items()}
        self._outputs[name] = said

    def _shell(self, script: str, env: dict[str, str], workspace: Path) -> dict[str, str]:
        output = workspace.with_suffix(".output")
        output.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=workspace,
            env=building.environment({**self.environment, **env, "GITHUB_OUTPUT": str(output)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WorkflowError(f"{script}\n{done.stdout}")
        lines = output.read_text("utf-8").splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def _checkout(self, _: Values, workspace: Path) -> None:
        ignored = shutil.ignore_patterns(".nox", "dist")
        shutil.copytree(self.project, workspace, dirs_exist_ok=True, ignore=ignored)

    def _python(self, version: str) -> Path:
        """Return the folder of programs of a Python of this machine's.

        Not the machine's own, into which steps would install; one for all jobs, which install the same.
        """
        folder = self.folder / f"python-{version}"
        if not folder.exists():
            building.uv(
                "venv", "--quiet", "--seed", "--python", cpythons.installed()[version], folder
            )
        return folder / "bin"

    def _upload(self, options: Values, workspace: Path) -> None:
        pattern, *others = options["path"].split("\n")
        excluded = {path for line in others for path in workspace.glob(line.removeprefix("!"))}
        found = [path for path in workspace.glob(pattern) if path not in excluded]
        artifact = self.folder / "artifacts" / options["name"]
        artifact.mkdir(parents=True)
        if not found:
            raise WorkflowError(f"nothing to upload: {options}")
        # What stands before the first wildcard is not kept.
        base = workspace / pattern.partition("*")[0].rpartition("/")[0]
        for path in found:
            target = artifact / path.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)

    def _download(self, options: Values, workspace: Path) -> None:
        artifacts = self.folder / "artifacts"
        wanted = options.get("name") or options["pattern"]
        names = fnmatch.filter([path.name for path in artifacts.iterdir()], wanted)
        if not names or ("pattern" in options and options.get("merge-multiple") != "true"):
            raise WorkflowError(f"nothing to download, or not to one folder: {options}")
        for name in names:
            shutil.copytree(artifacts / name, workspace / options["path"], dirs_exist_ok=True)


_ACTIONS: dict[str, Callable[[Run, Values, Path], None]] = {
    "actions/checkout": Run._checkout,
    "actions/upload-artifact": Run._upload,
    "actions/download-artifact": Run._download,
}


def decoys(
    environment: Mapping[str, str], folder: Path, versions: Mapping[str, str]
) -> dict[str, str]:
    """Return what gives cibuildwheel's container an index with what no build or test may take.

    An index, as a folder for PIP_FIND_LINKS would go with what a session says there itself.

    Args:
        environment: says which container there is.
        folder: where to make the index.
        versions: the distributions, newer than those of the run, and without a library.
    """
    for name, version in versions.items():
        page = folder / "index" / name
        module = name.replace("-", "_")
        package = {f"{module}/__init__.py": ""}
        wheel = wheels.make_wheel(page, name, package, version=version, tag="py3-none-any")
        (page / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>\n', "utf-8")
    engine = environment.get("CIBW_CONTAINER_ENGINE", "docker")
    # It has this machine's files below /host.
    index = f"PIP_EXTRA_INDEX_URL=file:///host{folder / 'index'}"
    return {"CIBW_CONTAINER_ENGINE": f"{engine}; create_args: --env {index}"}


def no_python(version: str) -> str:
    """Return why a version of Python is not had here; empty if it is."""
    return (
        ""
        if version in cpythons.installed()
        else f"no Python {version} here: the tests' own in its place"
    )


def _what(step: Mapping[str, Any]) -> str:
    """Return what a step runs: its script, or an action without its version."""
    return str(step.get("run") or step["uses"].partition("@")[0])


def _needs(job: Values) -> set[str]:
    needs = job.get("needs", [])
    return {needs} if isinstance(needs, str) else set(needs)


def _matrices(job: Values, known: Values) -> Iterator[Values]:
    """Return the values of each job that a matrix makes."""
    matrix = job.get("strategy", {}).get("matrix", {})
    include = matrix.get("include", [{}])
    rows = _value(_EXPRESSION.fullmatch(include)[1], known) if isinstance(include, str) else include  # type: ignore[index]
    for key, values in matrix.items():
        if key != "include":
            rows = [{**row, key: _text(value, known)} for row in rows for value in values]
    yield from rows


def _condition(condition: str, known: Values) -> bool:
    """Tell whether a job's or a step's condition is met."""
    text = condition.removeprefix("${{").removesuffix("}}").strip()
    if text == "always()":
        return True
    starts_with = _STARTS_WITH.fullmatch(text)
    if starts_with:
        no, place, start = starts_with.groups()
        return str(_value(place, known)).startswith(start) != bool(no)
    left, operator, right = text.split(" ")
    is_equal = bool(_value(left, known) == right.strip("'"))
    return {"==": is_equal, "!=": not is_equal}[operator]


def _text(value: object, known: Values) -> str:
    """Return a value of the workflow with its expressions replaced."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _EXPRESSION.sub(lambda found: str(_value(found[1], known)), text)


def _value(expression: str, known: Values) -> Any:
    """Return what an expression says."""
    if expression == "join(needs.*.result)":
        return ",".join(known["results"].values())
    from_json = _FROM_JSON.fullmatch(expression)
    if from_json:
        return json.loads(_value(from_json[1], known))
    place, _, rest = expression.partition(".")
    try:
        if place == "matrix":
            return known["matrix"][rest]
        name, outputs, key = rest.split(".")
        if place in ("needs", "steps") and outputs == "outputs":
            return known[place][name][key]
    except (KeyError, ValueError):
        pass
    raise WorkflowError(f"not known here: {expression}")
