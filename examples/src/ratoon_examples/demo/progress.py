"""Progress of a demo on the terminal or in a log."""

import shutil
import sys
import threading
import time

_QUIET_S = 4.0
_QUIET_LOG_S = 30.0
_LOG_INTERVAL_S = 10.0


class ProgressPrinter:
    """Print progress lines with the elapsed time. The next line replaces a line that begins with a carriage return.

    After a while without a new line, the last line is repeated with the current time: after 4 s on a terminal, where it
    replaces itself, and after 30 s in a log. A log, where nothing is replaced, gets such lines every 10 s at most, and
    none twice in a row.
    """

    def __init__(self, quiet_s: float | None = None) -> None:
        self._began = self._printed_at = time.monotonic()
        self._quiet_s = quiet_s or (_QUIET_S if sys.stderr.isatty() else _QUIET_LOG_S)
        self._open, self._last, self._fleeting_at = False, "", -_LOG_INTERVAL_S
        self._lock, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._repeat, daemon=True).start()

    def __call__(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            if self._is_due(line):
                self._printed_at, self._last = time.monotonic(), line
                self._print(line)

    def close(self) -> None:
        """Stop repeating the last line."""
        self._closed.set()

    def _repeat(self) -> None:
        while not self._closed.wait(self._quiet_s / 4):
            with self._lock:
                if time.monotonic() - self._printed_at >= self._quiet_s:
                    self._printed_at = time.monotonic()
                    self._print(f"\r{self._last.lstrip(chr(13))}")

    def _is_due(self, line: str) -> bool:
        """Return whether to print a line: always on a terminal, and where it stays."""
        if sys.stderr.isatty() or not line.startswith("\r"):
            return True
        now = time.monotonic()
        if line == self._last or now - self._fleeting_at < _LOG_INTERVAL_S:
            return False
        self._fleeting_at = now
        return True

    def _print(self, line: str) -> None:
        fleeting = line.startswith("\r")
        text = f"{time.monotonic() - self._began:6.1f} s  {line.lstrip(chr(13))}"
        if not sys.stderr.isatty():
            print(text, file=sys.stderr, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        end = "" if fleeting else "\n"
        print(
            f"{chr(13)}{text[:width]:<{width}}" if fleeting or self._open else text,
            end=end,
            file=sys.stderr,
            flush=True,
        )
        self._open = fleeting
