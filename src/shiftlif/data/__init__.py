"""Data sets: known ones by name, the user's own from files; needs numpy only until a set needs more."""

from shiftlif.data.cache import cache_folder, cached
from shiftlif.data.csv_table import read_csv, read_csv_windows
from shiftlif.data.dataset import Dataset
from shiftlif.data.features import log_mel, standardise_sample, sum_frames
from shiftlif.data.files import load_path
from shiftlif.data.front_ends import EVENT_FRAMES, FRONT_ENDS, FrontEnd, apply_front_end, resolve_front_end
from shiftlif.data.official import PROTOCOLS, fetch
from shiftlif.data.recordings import is_recording, is_wav, looks_raw, read_recordings
from shiftlif.data.registry import describe, load, names
from shiftlif.data.samples import read_samples
from shiftlif.data.split import identical_samples, split_validation

__all__ = [
    "EVENT_FRAMES",
    "FRONT_ENDS",
    "PROTOCOLS",
    "Dataset",
    "FrontEnd",
    "apply_front_end",
    "cache_folder",
    "cached",
    "describe",
    "fetch",
    "identical_samples",
    "is_recording",
    "is_wav",
    "load",
    "load_path",
    "log_mel",
    "looks_raw",
    "names",
    "read_csv",
    "read_csv_windows",
    "read_recordings",
    "read_samples",
    "resolve_front_end",
    "split_validation",
    "standardise_sample",
    "sum_frames",
]
