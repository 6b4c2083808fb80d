"""Frames of objects as JPEG or PNG, for people to look at: windowed, cut, scaled, in processes of their own."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
