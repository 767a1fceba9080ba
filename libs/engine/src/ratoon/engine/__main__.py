"""`python -m ratoon.engine [<engine.json>]`: run one engine in this process, as a pod does."""

import os
import sys
from pathlib import Path

from ratoon.engine.launch import launch
from ratoon.engine.settings import SETTINGS_VARIABLE

if __name__ == "__main__":
    launch(Path(sys.argv[1] if len(sys.argv) > 1 else os.environ[SETTINGS_VARIABLE]))
