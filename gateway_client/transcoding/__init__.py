"""Objects brought into another transfer syntax for destinations that do not take their own, in processes of their own."""

from gateway_client.transcoding.syntaxes import SYNTAXES
from gateway_client.transcoding.transcoder import Transcoder
from gateway_client.transcoding.turns import Turns

__all__ = ["SYNTAXES", "Transcoder", "Turns"]
