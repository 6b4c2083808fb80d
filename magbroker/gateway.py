"""A DICOM gateway inside a program of yours: `run(settings, elements)` receives, files and sends until a signal."""

from gateway_client import run
from rules import parse_rules, to_elements
from runtime import GatewaySettings, Settings, load_settings

__all__ = ["GatewaySettings", "Settings", "load_settings", "parse_rules", "run", "to_elements"]
