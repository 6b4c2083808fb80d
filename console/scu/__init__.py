"""What the command line asks DICOM peers: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET as SCU."""
