"""What a peer is asked as SCU: C-FIND, C-MOVE and C-GET (PS3.4 annex C), and the associations for it."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
