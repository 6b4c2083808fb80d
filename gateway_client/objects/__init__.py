"""A DICOM object as bytes: elements found, read, changed and written, whatever a sender wrote there."""
