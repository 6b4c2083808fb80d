"""The database: files as SQLAlchemy models, FileMan dates and numbers, locks, the store, the site file."""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
