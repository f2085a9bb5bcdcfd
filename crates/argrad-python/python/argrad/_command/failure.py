"""What is wrong with a file."""

from __future__ import annotations


class MalformedFile(Exception):
    """A file, or an argument that names one, that cannot be used. Its message says where and why.

    The command prints it and exits with code 2.
    """
