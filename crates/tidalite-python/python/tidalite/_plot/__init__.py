"""Pictures of selections and tables, drawn with matplotlib, which is imported when the first one is drawn."""
from .._optional import need

# Before the modules below, which need NumPy: matplotlib brings it, and is what to ask for where neither is there.
need("matplotlib", "plot()")

from .selections import plot_selection  # noqa: E402
from .tables import plot_table  # noqa: E402

__all__ = ["plot_selection", "plot_table"]
