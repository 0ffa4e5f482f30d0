"""Where an archive ends being one that somebody ships."""

# Beyond any wheel in use, and within what a machine that builds wheels has.
MAX_FILES = 200_000
MAX_FILE = 4 << 30
MAX_TOTAL = 1 << 30
# What is all zeros packs to a thousandth; binaries and texts to no less than a tenth or so.
MAX_RATIO = 100
