"""Settings, clock, logs and process plumbing."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
