"""Event cameras and spikes: readers of the field's files, and recordings as frames or lists of events."""

from shiftlif.data.events.frames import Binning, event_frames, event_lists, events_of
from shiftlif.data.events.read import binned, holds_events, read_events
from shiftlif.data.events.recording import EVENT, Recording, recording
from shiftlif.data.events.spikes_hdf5 import SpikeSet, binned_spikes, read_spikes

__all__ = [
    "EVENT",
    "Binning",
    "Recording",
    "SpikeSet",
    "binned",
    "binned_spikes",
    "event_frames",
    "event_lists",
    "events_of",
    "holds_events",
    "read_events",
    "read_spikes",
    "recording",
]
