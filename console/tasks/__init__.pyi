# The public names; see runtime/late_names.py.

from console.tasks.desk import Desk, open_desk
from console.tasks.monitor import monitor_screen, watch
from console.tasks.screens import Screens

__all__ = ["Desk", "Screens", "monitor_screen", "open_desk", "watch"]
