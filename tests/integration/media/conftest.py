"""A broker with the demo site and a gateway beside it, as the gateway's own tests have them."""

from tests.integration.gateway.conftest import demo_broker, make_gateway

__all__ = ["demo_broker", "make_gateway"]
