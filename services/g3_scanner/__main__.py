"""``python -m services.g3_scanner [COMMAND]``."""

import sys

from services.g3_scanner.commands import main

if __name__ == "__main__":
    sys.exit(main())
