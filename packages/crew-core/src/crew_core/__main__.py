"""Runs the command line: ``crew`` and ``python -m crew_core``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or become a worker."""
    # Launch commands run this on every worker, which must not wait for click and the like.
    if sys.argv[1:2] == ["worker"]:
        from crew_core._worker.__main__ import main as work

        sys.exit(work(sys.argv[2:]))
    from crew_core._cli.app import app

    app(prog_name="crew")


if __name__ == "__main__":
    main()
