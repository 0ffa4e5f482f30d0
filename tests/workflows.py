"""Run the Linux jobs of GitHub workflows on this machine, in order, with artifacts and outputs.

No more of GitHub's language than our workflows say: an expression that is not known here is an error.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lab
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

RUNNER = "ubuntu-24.04"
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_FROM_JSON = re.compile(r"fromJSON\((.*)\)(?:\[(\d+)\])?")

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
        why_not: says of a job and its step why it cannot be run here; empty if it can.
        steps: what was done so far.
    """

    project: Path
    folder: Path
    environment: Mapping[str, str]
    why_not: Callable[[str, Mapping[str, Any]], str]
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
        if not self._condition(job.get("if", "always()"), known):
            self._results[name] = "skipped"
            return
        for number, matrix in enumerate(_matrices(job, known)):
            here = {**known, "matrix": matrix}
            if _text(job["runs-on"], here) == RUNNER:
                self._steps(name, job, here, self.folder / f"{name}-{number}" / "work")
        self._results[name] = "success"

    def _condition(self, condition: str, known: Values) -> bool:
        if condition == "always()":
            return True
        left, operator, right = condition.split(" ")
        is_equal = bool(_value(left, known) == right.strip("'"))
        return {"==": is_equal, "!=": not is_equal}[operator]

    def _steps(self, name: str, job: Values, known: Values, workspace: Path) -> None:
        workspace.mkdir(parents=True)
        outputs: dict[str, Mapping[str, str]] = {}
        known = {**known, "steps": outputs, "results": self._results}
        for step in job["steps"]:
            what = step.get("run") or step["uses"].partition("@")[0]
            why_not = self.why_not(name, step)
            self.steps.append(Step(name, what, why_not))
            if why_not:
                outputs[step.get("id", "")] = defaultdict(str)
                continue
            options = {key: _text(value, known) for key, value in step.get("with", {}).items()}
            if "run" in step:
                env = {key: _text(value, known) for key, value in step.get("env", {}).items()}
                outputs[step.get("id", "")] = self._shell(what, env, workspace)
            else:
                _ACTIONS[what](self, options, workspace)
        said = {key: _text(value, known) for key, value in job.get("outputs", {}).items()}
        self._outputs[name] = said

    def _shell(self, script: str, env: dict[str, str], workspace: Path) -> dict[str, str]:
        output = workspace.with_suffix(".output")
        output.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=workspace,
            env=lab.environment({**self.environment, **env, "GITHUB_OUTPUT": str(output)}),
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

    def _set_up_python(self, _: Values, workspace: Path) -> None:
        """Pythons are this machine's; `environment` says which."""

    def _upload(self, options: Values, workspace: Path) -> None:
        found = list(workspace.glob(options["path"]))
        artifact = self.folder / "artifacts" / options["name"]
        artifact.mkdir(parents=True)
        if not found:
            raise WorkflowError(f"nothing to upload: {options}")
        # What stands before the first wildcard is not kept.
        base = workspace / options["path"].partition("*")[0].rpartition("/")[0]
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
    "actions/setup-python": Run._set_up_python,
    "actions/upload-artifact": Run._upload,
    "actions/download-artifact": Run._download,
}


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
        values = json.loads(_value(from_json[1], known))
        return values[int(from_json[2])] if from_json[2] else values
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
