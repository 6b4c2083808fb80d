"""Correction: what somebody corrected on the DICOM CORRECT list is stored again, or removed."""
