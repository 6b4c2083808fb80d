"""Copying: the send queue's files, copied to routers' locations, and taken away again when these have kept them long enough."""
