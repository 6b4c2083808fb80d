"""The RPC Broker wire: `[XWB]` in both directions, the caret text transport, the sign-on cipher and two clients.

`xwb.testing` has brokers for tests; it is apart because it needs Twisted's test helpers.
"""

from runtime.late_names import late_names

__getattr__, __dir__, __all__ = late_names(__name__, __file__)
