"""Optional libraries, imported on first use."""
from __future__ import annotations

from importlib import import_module
from typing import Any


def need(module: str, purpose: str, *, install: str | None = None) -> Any:
    """The module, or an `ImportError` that says what needs the library and how to install it.

    An import that fails inside an installed library raises its own error.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as e:
        top = module.partition(".")[0]
        if e.name is None or e.name.partition(".")[0] != top:
            raise
        raise ImportError(f"{purpose} needs {top}, which is not installed: pip install {install or top}", name=top) from None
