"""Comparisons with the libraries themselves, which live in an environment of their own (`make originals`)."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("spikingjelly") and find_spec("snntorch") else ["test_*.py"]
