"""The remote procedures: file #8994 in code, a module per family."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
