"""Limits beyond which an archive is a bomb."""

# No wheel in use is larger, and a machine that builds wheels can hold this much.
MAX_FILES = 200_000
MAX_FILE = 4 << 30
MAX_TOTAL = 1 << 30
# Zeros pack to a thousandth; real binaries and texts to about a tenth.
MAX_RATIO = 100
