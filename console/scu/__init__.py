"""What the command line asks DICOM peers: C-ECHO, C-STORE of many files, and where objects of a C-GET go."""
