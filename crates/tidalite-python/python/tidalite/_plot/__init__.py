"""Plots of selections, tables and sweeps, drawn with matplotlib, which is imported on first use."""
from .._optional import need

# Before the modules below, which need NumPy: if both are missing, the error names matplotlib, which installs NumPy.
need("matplotlib", "plot()")

from .selections import plot_selection  # noqa: E402
from .sweeps import plot_parallel, plot_scatter  # noqa: E402
from .tables import plot_table  # noqa: E402

__all__ = ["plot_parallel", "plot_scatter", "plot_selection", "plot_table"]
