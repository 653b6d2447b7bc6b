"""``python -m sisock.cli``, the command ``sisock``."""

import sys

from sisock.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
