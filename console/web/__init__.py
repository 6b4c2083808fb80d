"""The web: a JSON API of the administrative actions, its description, health, metrics, and a live feed of events."""

from console.web.dicomweb import dicom_web_settings
from console.web.service import WebService, web_service

__all__ = ["WebService", "dicom_web_settings", "web_service"]
