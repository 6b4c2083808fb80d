"""A DICOM gateway inside a program of yours: `run(settings, elements)` receives, files and sends until a signal."""

from gateway_client import run
from rules import for_elements, for_vista, parse_rules, to_elements
from runtime import GatewaySettings, Settings, load_settings

__all__ = ["GatewaySettings", "Settings", "for_elements", "for_vista", "load_settings", "parse_rules", "run", "to_elements"]
