"""The cipher tables that a site has; apart from what serves, so that a command that signs on need not import a broker."""

from __future__ import annotations

from runtime import Settings
from xwb import Cipher


def ciphers_of(settings: Settings) -> tuple[Cipher, dict[str, Cipher]]:
    """Give the cipher of the site, and the others that are known by name. Raises BadCipherTable."""
    standard = Cipher.standard()
    others = {name: Cipher.from_file(path) for name, path in settings.known_cipher_tables.items()}
    if settings.cipher_table is None:
        return standard, others
    return Cipher.from_file(settings.cipher_table), {"VA (the standard one)": standard, **others}
