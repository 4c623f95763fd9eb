"""What a run is run with, as far as Python knows it: versions and the script. The extension knows the rest.

Nothing is imported for it, no process is started, and no file is read.
"""
from __future__ import annotations

import os
import sys

_VERSION_MAX = 100


def python_environment() -> dict[str, object]:
    """The version of Python, the script, and the versions of the packages that are imported by now."""
    found: dict[str, object] = {"python": ".".join(map(str, sys.version_info[:3]))}
    script = vars(sys.modules.get("__main__", sys)).get("__file__")
    if isinstance(script, str):
        found["script"] = os.path.abspath(script)
    # `vars`, since an attribute that is missing may be a lazy import.
    modules = [(name, module) for name, module in list(sys.modules.items()) if "." not in name and not name.startswith("_")]
    versions = {name: getattr(module, "__dict__", {}).get("__version__") for name, module in modules}
    packages = {name: version for name, version in versions.items() if isinstance(version, str) and len(version) <= _VERSION_MAX}
    if packages:
        found["packages"] = packages
    return found
