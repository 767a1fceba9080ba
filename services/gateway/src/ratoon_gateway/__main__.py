"""Runs the gateway alone, in its own process: `python -m ratoon_gateway --host 127.0.0.1 --port 8080`."""

import argparse
import os
import sys

from ratoon.service.host import main


def _with_address(arguments: list[str]) -> list[str]:
    """Take `--host`, `--port` and `--grpc` as settings; returns the other arguments."""
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("host", "port", "grpc"):
        parser.add_argument(f"--{name}")
    known, others = parser.parse_known_args(arguments)
    environment = {
        f"RATOON_GATEWAY_{name.upper()}": value for name, value in vars(known).items() if value is not None
    }
    os.environ.update(environment)
    return others


if __name__ == "__main__":
    sys.exit(main(["gateway"], _with_address(sys.argv[1:])))
