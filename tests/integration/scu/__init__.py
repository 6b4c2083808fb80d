"""The DICOM commands at real peers, and at providers that refuse, abort and delay."""
