"""DICOMweb (PS3.18) over the archive's procedures: queries, retrievals, pictures, and objects that are stored."""

from console.web.dicomweb.archive import Archive, Asking, Wanted
from console.web.dicomweb.errors import DicomWebError
from console.web.dicomweb.service import DicomWeb
from console.web.dicomweb.settings import DicomWebSettings, dicom_web_settings

__all__ = ["Archive", "Asking", "DicomWeb", "DicomWebError", "DicomWebSettings", "Wanted", "dicom_web_settings"]
