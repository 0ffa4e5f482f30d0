"""Findings as SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from native_lib.check.explain import explanation
from native_lib.check.rule import ERROR, NOTE, WARNING

if TYPE_CHECKING:
    from native_lib.check.report import Report
    from native_lib.check.rule import Finding, Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {ERROR: "error", WARNING: "warning", NOTE: "note"}


def sarif(report: Report) -> dict[str, Any]:
    """Return a SARIF log with one run."""
    every = [*report.findings, *((rule, found) for rule, found, _ in report.waived)]
    rules = list(dict.fromkeys(rule for rule, _ in every))
    paths = {path.name: path for path in report.checked}
    driver = {
        "name": "native-lib",
        "informationUri": "https://github.com/org/native-lib-template",
        "rules": [_rule(rule) for rule in rules],
    }
    version = _version()
    if version:
        driver["version"] = version
    results = [_result(rule, found, rules, paths) for rule, found in report.findings]
    for rule, found, waiver in report.waived:
        suppression = {"kind": "external", "justification": waiver.reason}
        results.append({**_result(rule, found, rules, paths), "suppressions": [suppression]})
    invocation = {
        "executionSuccessful": not report.unusable,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": f"{path}: {reason}"}}
            for path, reason in report.unusable
        ],
    }
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    told = explanation(rule.id)
    return {
        "id": rule.id,
        "shortDescription": {"text": told.summary},
        "fullDescription": {"text": told.text},
        "help": {"text": told.text, "markdown": told.markdown},
        "helpUri": told.url,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(
    rule: Rule, finding: Finding, rules: list[Rule], paths: dict[str, Path]
) -> dict[str, Any]:
    where = [part for part in (finding.wheel, finding.file) if part]
    # A result stays the same one in the next release.
    distribution = finding.wheel.partition("-")[0]
    same = json.dumps((rule.id, distribution, finding.file, finding.value))
    return {
        "ruleId": rule.id,
        "ruleIndex": rules.index(rule),
        "level": _LEVELS[rule.severity_of(finding)],
        "message": {"text": ": ".join((*where, finding.message))},
        "locations": [
            {
                # Services show results of a line of a file of the repository.
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(paths.get(finding.wheel))},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": "/".join(where), "kind": "member"}],
            }
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": hashlib.sha256(same.encode()).hexdigest()[:32]
        },
    }


def _uri(path: Path | None) -> str:
    """Return a path as a URI, relative to the current folder if it is below it."""
    if path is None:
        return "."
    absolute, folder = path.resolve(), Path.cwd().resolve()
    if absolute.is_relative_to(folder):
        return quote(absolute.relative_to(folder).as_posix())
    return absolute.as_uri()


def _version() -> str:
    try:
        return importlib.metadata.version("native-lib-loader")
    except importlib.metadata.PackageNotFoundError:  # run from its sources
        return ""
