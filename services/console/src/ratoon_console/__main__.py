"""Runs the console, in its own process: `python -m ratoon_console`."""

import logging
import sys

from ratoon.runtime import logs
from ratoon_console.bootstrap import build
from ratoon_console.settings import Settings

if __name__ == "__main__":
    logs.configure()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.exit(build(Settings()).run())
