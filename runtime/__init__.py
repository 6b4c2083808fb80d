"""Settings, clock, logs and process plumbing."""

from runtime.clock import Clock, FixedClock, SystemClock

__all__ = ["Clock", "FixedClock", "SystemClock"]
