"""The roll-and-scroll console: options by name, parameters one by one, procedures called, events above the prompt."""

from console.shell.opening import Opening

__all__ = ["Opening"]
