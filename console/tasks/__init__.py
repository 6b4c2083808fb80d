"""TaskMan on a terminal: the way to it, and its screens."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
