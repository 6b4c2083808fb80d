"""What brokers, and ports that are none, answer, and what that means: tables of words for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from xwb import CHARSET


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong when a text matches, and what to do about it; `{text}` stands for the text."""

    pattern: re.Pattern[str]
    found: str
    advice: str

    def words(self, text: str) -> tuple[str, str]:
        """Give both for one text."""
        return self.found.format(text=text), self.advice.format(text=text)


def _if(pattern: str, found: str, advice: str) -> Complaint:
    return Complaint(re.compile(pattern, re.IGNORECASE | re.DOTALL), found, advice)


SPEAKERS = (
    _if(r"\AHTTP/|\A\s*<(!DOCTYPE|html)", "A web server (HTTP) listens there.", "The broker has another port; 9430 is usual."),
    _if(r"\ASSH-", "An SSH server listens there.", "The broker has another port; 9430 is usual."),
    _if(
        r"\A[\x15\x16]\x03",
        "The port speaks TLS, and was spoken to in clear.",
        "Use --tls, or the port of the broker in clear.",
    ),
    _if(r"\A[\x02\x03\x07]\x00\x00\x00", "A DICOM application listens there.", "The broker has another port; 9430 is usual."),
    _if(
        r"\A(OK \d|ERROR [A-Z])",
        "The text transport of magbroker listens there.",
        "Use the port of [XWB], which the broker names when it starts; 9430 is usual.",
    ),
    _if(
        r"\A(\x0b|MSH\|)",
        "An HL7 listener is there.",
        "The broker has another port; 9430 is usual.",
    ),
    _if(r"\A220[ -]", "A mail or file server (SMTP, FTP) listens there.", "The broker has another port; 9430 is usual."),
    _if(
        r"\A<\?xml",
        "Something that speaks XML listens there.",
        "Use the port of [XWB]; 9430 is usual.",
    ),
)
"""Who answers a broker's greeting with what."""

SIGN_ON_REFUSALS = (
    _if(
        r"Not a valid ACCESS CODE",
        "The access code or the verify code is wrong.",
        "Check both codes; after some failures the broker locks this address. If they are right for sure, the broker may "
        "use another cipher table: see --cipher-table.",
    ),
    _if(
        r"Device/IP address is locked",
        "This address is locked after too many failed sign-ons.",
        "Wait until the lock ends (the site's lockout time, often 15 to 20 minutes), then try with the right codes.",
    ),
    _if(
        r"LOCKED OUT until",
        "The user is locked out: {text}",
        "Wait until then, or have a site manager release the user.",
    ),
    _if(
        r"VERIFY CODE must be changed",
        "The codes are right, but the verify code has expired.",
        "Sign on with a client that can change it (XUS CVC), or have a site manager set a new one.",
    ),
    _if(
        r"Signons not currently allowed",
        "Logons are inhibited on this system.",
        "Wait, or have a site manager allow logons again.",
    ),
    _if(
        r"Maximum number of users",
        "As many users are signed on as the system takes.",
        "Wait until one signs off, or have the limit raised.",
    ),
    _if(
        r"No access allowed",
        "The user may not sign on at all (DISUSER).",
        "Have a site manager lift the DISUSER flag, or use another user.",
    ),
    _if(r"has been terminated", "The user is terminated.", "Use another user, or have this one reactivated."),
    _if(
        r"MULTIPLE SIGNONS NOT ALLOWED",
        "The user is signed on already, and may be only once.",
        "End the other session, or have multiple sign-ons allowed.",
    ),
    _if(r"prohibited from", "The user may not sign on at this time of day: {text}", "Try again after that time."),
    _if(r"Null Verify Code", "The user has no verify code yet.", "Have a site manager set one."),
    _if(r"Client IP Address", "The broker does not know this client's address.", "Ask the site's manager to set it up."),
)
"""Line 3 of XUS AV CODE (dialogs 30810.xx)."""

CONTEXT_REFUSALS = (
    _if(
        r"does not exist on server",
        "There is no such context (option) there: {text}",
        "Check its spelling, letter case included; the package that brings it may not be installed. If the name comes back "
        "garbled, the broker uses another cipher table: see --cipher-table.",
    ),
    _if(
        r"does not have access to option",
        "The context exists but is not given to this user: {text}",
        "Have the option added to the user's secondary menu options; at a magbroker 'magbroker contexts grant' does it.",
    ),
    _if(r"out of order", "The option is out of order: {text}", "Ask the site's manager when it will be in order again."),
    _if(r"(Option locked|Reverse lock)", "A key decides on the option: {text}", "Have the key given to the user, or taken."),
    _if(r"time restricted", "The option may not be used at this time of day.", "Try again later, or ask for the hours."),
)
"""What XWB CREATE CONTEXT says."""

CALL_REFUSALS = (
    _if(
        r"doesn't exist on the server",
        "The broker does not know this procedure: {text}",
        "Check its spelling, letter case included; the package that brings it may not be installed.",
    ),
    _if(
        r"is not registered to the option",
        "The procedure is not registered to the context: {text}",
        "Have it added to the option's RPC multiple, or enter another context.",
    ),
    _if(r"cannot be run at this time", "The procedure is inactive: {text}", "Ask the site's manager why."),
    _if(
        r"context has not been created",
        "No context is entered, and this procedure needs one.",
        "Name the context of your application with --context.",
    ),
    _if(r"procedure is locked", "The user lacks the key of this procedure.", "Have the RPC key given to the user."),
)
"""What the security segment says of a call (CHKPRMIT^XWBSEC)."""


def explain(text: str, complaints: Iterable[Complaint], otherwise: str) -> tuple[str, str]:
    """Say in words what a text means and what to do; a text that no complaint knows is quoted after `otherwise`."""
    for complaint in complaints:
        if complaint.pattern.search(text):
            return complaint.words(text)
    return f"{otherwise}: {text}", "Ask the site's manager with these words."


def advised(text: str, complaints: Iterable[Complaint], otherwise: str) -> str:
    """Say both in sentences."""
    found, advice = explain(text, complaints, otherwise)
    return f"{found.rstrip('.')}. {advice}"


def speaker(data: bytes) -> tuple[str, str]:
    """Say who answered like this."""
    text = data.decode(CHARSET)
    for complaint in SPEAKERS:
        if complaint.pattern.search(text):
            return complaint.words("")
    return f"Something answers that is no RPC broker: {text[:60]!r}.", "Check host and port; 9430 is usual."
