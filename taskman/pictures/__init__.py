"""Pictures of DICOM objects: abstracts and TARGA files, made in a process of their own, and what stands in their place."""

from taskman.pictures.painter import NoPainter, Painter
from taskman.pictures.requests import Kind, Painted, PictureFile

__all__ = ["Kind", "NoPainter", "Painted", "Painter", "PictureFile"]
