"""``python -m native_lib`` is ``native-lib``."""

import sys

from native_lib.cli import main

sys.exit(main())
