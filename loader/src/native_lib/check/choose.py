"""Choose which rules run, and which of their findings do not count."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from native_lib.check.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from native_lib.check.rule import Finding, Rule

    Found = tuple[Rule, Finding]


class ChoiceError(Exception):
    """What is chosen cannot be; the message says why."""


@dataclass(frozen=True)
class Choice:
    """A rule, and a pattern for the wheel's file name, the file in the wheel, or the value."""

    rule: str
    pattern: str = "*"
    reason: str = ""  # why its findings do not count

    def __str__(self) -> str:
        return self.rule if self.pattern == "*" else f"{self.rule}:{self.pattern}"

    def takes(self, rule: Rule, finding: Finding) -> bool:
        """Tell whether a finding is meant."""
        texts = finding.wheel, finding.file, finding.value
        return rule.id == self.rule and any(fnmatchcase(text, self.pattern) for text in texts)


def rule_named(name: str) -> Rule:
    """Return a rule.

    Raises:
        ChoiceError: there is none of that name; the message has the nearest.
    """
    rules = {rule.id: rule for rule in RULES}
    if name not in rules:
        (nearest,) = get_close_matches(name, rules, n=1, cutoff=0)
        raise ChoiceError(f'there is no rule "{name}"; the nearest is "{nearest}"')
    return rules[name]


def choice_of(text: str) -> Choice:
    """Read RULE or RULE:PATTERN.

    Raises:
        ChoiceError: there is no such rule, or nothing after the colon.
    """
    name, colon, pattern = text.partition(":")
    rule = rule_named(name)
    if colon and not pattern:
        raise ChoiceError(f'"{text}" has no pattern after the colon')
    return Choice(rule.id, pattern or "*")


def selected(rules: Sequence[Rule], select: Sequence[Choice]) -> list[Rule]:
    """Return the rules that run: without a selection, all."""
    names = {choice.rule for choice in select}
    return [rule for rule in rules if not select or rule.id in names]


def is_selected(rule: Rule, finding: Finding, select: Sequence[Choice]) -> bool:
    """Tell whether a finding of a rule that ran is meant."""
    return not select or any(choice.takes(rule, finding) for choice in select)


def waiver_of(rule: Rule, finding: Finding, ignore: Sequence[Choice]) -> Choice | None:
    """Return why a finding does not count, if it does not."""
    return next((choice for choice in ignore if choice.takes(rule, finding)), None)


def unused(ignore: Sequence[Choice], rules: Sequence[Rule], found: Sequence[Found]) -> list[Choice]:
    """Return what was to be ignored, and was not found by any of the rules that ran."""
    ran = {rule.id for rule in rules}
    return [
        choice
        for choice in ignore
        if choice.rule in ran and not any(choice.takes(*each) for each in found)
    ]
