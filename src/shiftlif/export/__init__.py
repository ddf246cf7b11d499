"""Programs as source code: what an integer program becomes outside of Python."""

from shiftlif.export.c_folder import CExport, export_c

__all__ = ["CExport", "export_c"]
