"""The DICOM upper layer (PS3.8) without I/O: bytes in, events out; events in, bytes out."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
