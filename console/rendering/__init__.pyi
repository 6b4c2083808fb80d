# The public names; see runtime/late_names.py.

from console.rendering.drawing import render
from console.rendering.errors import NoSuchFrame, NotShown, RendererBusy, RenderingError
from console.rendering.renderer import Renderer
from console.rendering.wanted import JPEG, PNG, Rendered, Rendering, Viewport

__all__ = [
    "JPEG",
    "PNG",
    "NoSuchFrame",
    "NotShown",
    "Rendered",
    "Renderer",
    "RendererBusy",
    "Rendering",
    "RenderingError",
    "Viewport",
    "render",
]
