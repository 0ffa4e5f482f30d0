"""Look at the running environment, and say what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from native_lib.check.rule import ERROR
from native_lib.doctor.diagnose import explain, try_import
from native_lib.doctor.findings import Problem, problems_of
from native_lib.doctor.installed import read_environment
from native_lib.doctor.report import FORMATS, Diagnosis
from native_lib.doctor.resolve import needs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from native_lib.doctor.installed import Environment

# In a process of its own: what it opens stays open.
_LOAD = "import importlib, sys; importlib.import_module(sys.argv[1]).loader.load()"


def diagnose(modules: Sequence[str] = (), *, load: bool = False) -> Diagnosis:
    """Look at the environment of this interpreter.

    Args:
        modules: to be imported, each in a process of its own.
        load: whether to have every provider's loader open its libraries, too.
    """
    environment = read_environment()
    needs = tuple(needs_of(environment))
    problems = list(problems_of(environment, needs))
    if load:
        problems += _loads(environment)
    for module in modules:
        attempt = try_import(module)
        if attempt.error:
            problems.insert(0, explain(attempt, environment))
    return Diagnosis(environment, needs, tuple(problems))


def _loads(environment: Environment) -> Iterator[Problem]:
    for provider in environment.providers:
        for manifest in provider.manifests:
            package = manifest.path.partition("/")[0]
            done = subprocess.run(
                [sys.executable, "-c", _LOAD, package],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
                mend = next(
                    (line.partition("mend:")[2].strip() for line in said if "mend:" in line), ""
                )
                told = next((line for line in said if "Error" in line), said[-1])
                yield Problem(ERROR, "load-failed", provider.distribution, told, mend)


def run(modules: Sequence[str], format: str, *, load: bool) -> int:
    """Diagnose, show, and return the exit status."""
    diagnosis = diagnose(modules, load=load)
    FORMATS[format](diagnosis)
    return 1 if diagnosis.is_broken else 0
