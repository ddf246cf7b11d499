"""``python -m shiftlif.cli`` is the ``shiftlif`` command."""

from shiftlif.cli import main

main()
