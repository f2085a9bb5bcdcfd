"""`python -m argrad`, which is the command `argrad`."""

import sys

from argrad._command import main

if __name__ == "__main__":
    sys.exit(main())
