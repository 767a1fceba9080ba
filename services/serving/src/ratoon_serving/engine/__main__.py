"""`python -m ratoon_serving.engine <engine.json>`: one engine in this process, as a pod runs it."""

import sys
from pathlib import Path

from ratoon_serving.engine.launch import launch

if __name__ == "__main__":
    launch(Path(sys.argv[1]))
