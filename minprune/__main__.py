"""`python -m minprune`, and the command `minprune`; Ctrl-C is one line from the first import on."""

import os
import signal
import sys
from contextlib import suppress


def stop(*_: object) -> None:
    """Leave at once: imports do not survive an exception, and nothing has been written yet."""
    with suppress(OSError):
        os.write(2, b"minprune: stopped\n")
    os._exit(130)


def main() -> int:
    """Run the command that the arguments name; the exit code"""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, under nohup
        from minprune.cli import main as run

        return run()
    signal.signal(signal.SIGINT, stop)
    from minprune.cli import main as run

    try:
        return run(begin=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    except KeyboardInterrupt:  # once more, while the first one was told
        stop()
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done but for Python's own end


if __name__ == "__main__":
    sys.exit(main())
