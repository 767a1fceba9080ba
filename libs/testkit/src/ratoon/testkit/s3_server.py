"""S3 server in memory: moto on a port of the loopback address, run as a process of its own.

Each line on standard input stops the server or starts it again; its objects are kept until the process ends, which is
when its standard input does.
"""

import itertools
import sys

from moto.server import ThreadedMotoServer


def main(port: int) -> None:
    """Serve until standard input ends."""
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    changes = itertools.cycle((server.stop, server.start))
    server.start()
    for _ in sys.stdin:
        next(changes)()


if __name__ == "__main__":
    main(int(sys.argv[1]))
