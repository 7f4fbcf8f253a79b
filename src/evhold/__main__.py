"""The command ``evhold``."""

import sys


def main() -> None:
    """Run the command line; its exit code is the process's."""
    from evhold.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
