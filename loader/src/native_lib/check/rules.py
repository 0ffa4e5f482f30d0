"""The table of rules, the most important first."""

from native_lib.check import (
    rules_files,
    rules_inside,
    rules_names,
    rules_packing,
    rules_paths,
    rules_platform,
    rules_reach,
    rules_record,
    rules_set,
    rules_symbols,
    rules_tags,
)

RULES = (
    *rules_set.RULES,
    *rules_symbols.RULES,
    *rules_record.RULES,
    *rules_names.RULES,
    *rules_reach.RULES,
    *rules_paths.RULES,
    *rules_tags.RULES,
    *rules_packing.RULES,
    *rules_platform.RULES,
    *rules_inside.RULES,
    *rules_files.RULES,
)
