"""A DICOM object as bytes: elements found, read, changed and written, whatever a sender wrote there."""

from gateway_client.objects.private_elements import know_private_elements

know_private_elements()  # whoever reads objects comes by here first
