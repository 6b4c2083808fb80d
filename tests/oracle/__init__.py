"""What a real VistA answered, replayed against this broker."""
