"""Names the modules of Python by which paths are asked about: they are nobody's code.

``pathlib`` is one module, or several by the names that each version of Python gives them.
"""

PATHLIB = frozenset({"pathlib", "pathlib._abc", "pathlib._local", "pathlib._os"})
PATHS = PATHLIB | {"genericpath", "posixpath", "ntpath"}
