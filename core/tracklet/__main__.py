"""``python -m tracklet`` is the command ``tracklet``."""

from tracklet.cli import main

main()
