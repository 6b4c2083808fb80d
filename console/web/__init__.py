"""The web: a JSON API of the administrative actions, its description, health, metrics, and a live feed of events."""

from console.web.service import WebService, web_service

__all__ = ["WebService", "web_service"]
