"""The DICOM gateway: receives by C-STORE, files over the RPC broker, sends what the rules queue. A process of its own."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
