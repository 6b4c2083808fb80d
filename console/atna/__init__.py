"""ATNA: what happened, told to an Audit Record Repository as DICOM audit messages (PS3.15 A.5) by syslog."""
