"""The web console: pages that show the flow and let people mend it. Everything that they do is an action."""

from console.web.pages.service import Pages, pages_of

__all__ = ["Pages", "pages_of"]
