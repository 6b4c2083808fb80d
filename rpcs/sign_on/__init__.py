"""Signing on and off: codes, tokens, locks, who the user is, and changing the verify code."""

from rpcs.sign_on import codes, tokens, users, verify_code
from rpcs.sign_on.sign_on_log import broker_leaves, broker_lives, close_forgotten, living_brokers, sign_off
from rpcs.sign_on.tokens import visitor

__all__ = [
    "broker_leaves",
    "broker_lives",
    "close_forgotten",
    "codes",
    "living_brokers",
    "sign_off",
    "tokens",
    "users",
    "verify_code",
    "visitor",
]
