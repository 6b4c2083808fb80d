"""The groups of commands that are made of what actions declare, and what `magbroker --help` says of each."""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES: Mapping[str, str] = {
    "alerts": "See what needs a person, say that it is seen to, have nobody told for a while, try the channels.",
    "correct": "See what could not be filed, and fix it: the DICOM CORRECT list.",
    "images": "Find images, tell where one is and why, move, delete, reject and call back what was sent.",
    "patients": "Find patients, correct who they are, merge two that are one.",
    "queues": "See every queue, hold and release what is to be sent, let entries wait again, hurry, redirect and delete them.",
    "destinations": "See, change and ask where objects are sent to: transmit destinations.",
    "locations": "See, change and check where files lie: network locations, on line and off line.",
    "places": "See and change imaging places: what each writes to, and its namespace.",
    "institutions": "See and change institutions.",
    "users": "See and change users, set their codes, lift their locks.",
    "keys": "See who holds security keys, give them and take them away.",
    "contexts": "See and change contexts: their procedures, and who may create them.",
    "sessions": "See who is signed on, and end sessions.",
    "addresses": "See which addresses are locked after wrong codes, and unlock them.",
    "settings": "See and change the site's settings: kernel and imaging parameters.",
    "tokens": "Make, see and end tokens of the JSON API.",
}
