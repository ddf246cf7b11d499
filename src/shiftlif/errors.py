"""What a user can do wrong, as ValueError subclasses.

Every message names the thing, says what it was, what was expected and what to do next.
"""


class ShiftLIFError(ValueError):
    """Base of every error that a user's input can cause."""


class ConfigurationError(ShiftLIFError):
    """A parameter is out of its range or does not fit another."""


class DataError(ShiftLIFError):
    """Samples, labels or files that hold them are unusable."""


class NetworkError(ShiftLIFError):
    """A network, or the input given to one, does not have the required form."""


class CompileError(ShiftLIFError):
    """A network that cannot become an integer program; the message names the layer."""


class ProgramError(ShiftLIFError):
    """An integer program, or the input given to one, is not valid; the message names the field."""


class RangeError(ProgramError):
    """An accumulator could leave its integer width; the message names the layer."""


class ModelFileError(ShiftLIFError):
    """A model file is truncated, altered, foreign or of another version."""


class VerificationError(ShiftLIFError):
    """Two renderings of one network differ; the message gives layer, step, channel and both values."""
