"""The DICOM Conformance Statement of a configuration (PS3.2), made of the tables by which the gateway itself decides."""

from console.conformance.statement import statement

__all__ = ["statement"]
