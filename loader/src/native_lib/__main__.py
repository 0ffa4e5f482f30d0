"""``python -m native_lib`` is ``native-lib``."""

import sys

from native_lib.cli import main

# Processes of `native-lib check` import this module, too.
if __name__ == "__main__":
    sys.exit(main())
