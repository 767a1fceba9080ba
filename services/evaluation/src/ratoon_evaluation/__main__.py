"""Runs evaluation alone, in its own process."""

import sys

from ratoon.service.host import main

if __name__ == "__main__":
    sys.exit(main(["evaluation"], sys.argv[1:]))
