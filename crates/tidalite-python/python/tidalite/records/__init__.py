"""What a store reports about itself: its runs, its size, its health. The compiled part makes most of these objects."""
from .importance import Importance, ParamImportance
from .part_files import PartFiles
from .report import Finding, Report, Salvaged, Unread
from .imported import Imported
from .reopened import Reopened
from .run_info import Participant, RunInfo
from .runs import Runs
from .stats import CompactStats, Explain, FlushStats, MergeStats, Stats, ThinStats

__all__ = [
    "CompactStats",
    "Explain",
    "Finding",
    "FlushStats",
    "Importance",
    "Imported",
    "MergeStats",
    "ParamImportance",
    "PartFiles",
    "Participant",
    "Reopened",
    "Report",
    "RunInfo",
    "Runs",
    "Salvaged",
    "Stats",
    "ThinStats",
    "Unread",
]
