"""Administrative actions: one function each, with the key that it takes; procedures and commands call the same."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
