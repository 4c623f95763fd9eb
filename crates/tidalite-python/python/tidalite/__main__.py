"""The command `tidalite`: `python -m tidalite`, and the script that pip installs. The compiled part runs it."""
from __future__ import annotations

import os
import signal
import sys

from ._tidalite import _command


def main() -> int:
    """Runs the command with this process's arguments and returns its exit code. The process belongs to the command."""
    # A standard stream that is closed leaves its number to the next file that is opened. Answers must not get into that file.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Python's own handler only makes a note, which nobody reads while compiled code runs. A process that was started to ignore
    # Ctrl-C has no such handler.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _command(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
