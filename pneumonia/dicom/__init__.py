"""What goes back into a clinic's systems: a reading as DICOM, in the study of its film."""
