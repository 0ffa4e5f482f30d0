"""Look at the running environment, and say what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.links import leaf_of
from native_lib.check.rule import ERROR
from native_lib.doctor.attempt import try_import
from native_lib.doctor.diagnose import explain
from native_lib.doctor.findings import problems_of
from native_lib.doctor.installed import read_environment
from native_lib.doctor.problem import Problem, is_same_file, libraries_of
from native_lib.doctor.report import FORMATS, Diagnosis
from native_lib.doctor.resolve import PROVIDER, has_private_name, needs_of
from native_lib.doctor.scope import after_import, symbols_of
from native_lib.known.read import known
from native_lib.literals import MANIFEST, REQUIRES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from native_lib.doctor.installed import Installed
    from native_lib.doctor.resolve import Need


def diagnose(modules: Sequence[str] = (), *, load: bool = False) -> Diagnosis:
    """Look at the environment of this interpreter.

    Args:
        modules: to be imported, each in a process of its own.
        load: whether to import every provider and consumer as well, have the providers open their
            libraries, and look which files are mapped then.
    """
    environment = read_environment()
    needs = tuple(needs_of(environment))
    private = [each for each in libraries_of(environment) if has_private_name(each[1])]
    symbols = sorted({name for each in private for name in symbols_of(*each)})
    attempts = [try_import(module, symbols=symbols) for module in modules]
    problems = [explain(attempt, environment) for attempt in attempts if attempt.error]
    problems += [p for a in attempts if not a.error for p in after_import(environment, a)]
    problems += problems_of(environment, needs)
    # Also those with a file that cannot be read here: their own loader may be able to.
    names = [wheel.distribution for wheel in environment.wheels]
    names += [each.distribution for each in environment.unreadable]
    for name in dict.fromkeys(names) if load else ():
        for module, has_loader in _modules(environment.distributions[name]).items():
            attempt = try_import(module, load=has_loader, symbols=symbols)
            if attempt.error:
                problems.append(explain(attempt, environment))
            else:
                needs, wrong = _as_served(name, needs, attempt.files)
                problems += [*wrong, *after_import(environment, attempt)]
    imported = tuple(attempt.module for attempt in attempts if not attempt.error)
    return Diagnosis(environment, needs, tuple(dict.fromkeys(problems)), imported)


def _modules(each: Installed) -> dict[str, bool]:
    """Return which modules of a distribution to import, each with whether it has a loader.

    These are the packages with a record or manifest, not the top packages: there may be others beside
    them, and an editable install records none.
    """
    it = known(each.name)
    if it:
        return {it.module: False} if it.module else {}
    # The interface of another loader is not known.
    has_loader = bool(each.named("_shared_lib_manager.py")) or each.is_editable
    found = {
        ".".join(PurePosixPath(file).parent.parts): leaf == MANIFEST and has_loader
        for leaf in (REQUIRES, MANIFEST)
        for file in each.named(leaf)
    }
    return found or dict.fromkeys(each.packages, False)


def _as_served(
    consumer: str, needs: tuple[Need, ...], files: tuple[str, ...]
) -> tuple[tuple[Need, ...], list[Problem]]:
    """Put the mapped files into a consumer's needs; report where the provider's file is not among them.

    A second file of that name does no harm if it was loaded later; the provider's loader refuses an
    earlier one.
    """
    served: list[Need] = []
    problems: list[Problem] = []
    for need in needs:
        leaf = leaf_of(need.name)
        ours = [file for file in files if is_same_file(file, need.answer)]
        mapped = ours or [file for file in files if PurePosixPath(file).name == leaf]
        if need.consumer != consumer or need.by != PROVIDER or not mapped:
            served.append(need)
            continue
        served.append(replace(need, answer=mapped[0]))
        if not ours and "__" in leaf:  # with a plain name, another file may be used
            message = f"{need.name} is {mapped[0]} in this process, not {need.answer}"
            fix = "find out what loads that file, and load the provider first"
            problems.append(Problem(ERROR, "served-by-another", consumer, message, fix))
    return tuple(served), problems


def run(modules: Sequence[str], format: str, *, load: bool) -> int:
    """Diagnose, show, and return the exit status."""
    diagnosis = diagnose(modules, load=load)
    FORMATS[format](diagnosis)
    return 1 if diagnosis.is_broken else 0
