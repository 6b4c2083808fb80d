"""Messages by e-mail (RFC 5321, 5322), over TLS unless the settings say that the way is safe."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from console.alerts.errors import NotTold, Refused
from console.alerts.message import Message
from console.alerts.tls import client_context
from runtime import MailSettings

#: Characters of a subject.
SUBJECT_LIMIT = 150


def written(message: Message, settings: MailSettings) -> EmailMessage:
    """Write a message as an e-mail; its Message-ID stays the same when it is sent again."""
    mail = EmailMessage()
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Subject"] = " ".join(f"[magbroker {message.site}] {message.subject}".split())[:SUBJECT_LIMIT]
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.sent_at, UTC))
    mail["Message-ID"] = f"<{message.id}@{settings.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Precedence"] = "bulk"
    mail.set_content(message.text())
    return mail


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends messages to an SMTP server."""

    settings: MailSettings

    def tell(self, message: Message) -> str:
        """Send a message, and give what is to be remarked. Raises NotTold, and Refused where it is no use to try again."""
        mail = written(message, self.settings)
        try:
            with self._connected() as server:
                refused = server.send_message(mail, self.settings.sender, list(self.settings.to))
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(error.recipients) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _failed(f"{_text(error.smtp_error)}", error.smtp_code) from error
        except smtplib.SMTPAuthenticationError as error:
            raise NotTold(f"The mail server does not let {self.settings.user} in: {_text(error.smtp_error)}") from error
        except smtplib.SMTPException as error:
            raise NotTold(f"The mail server {self.settings.host} does not take it: {error}") from error
        except (OSError, ValueError) as error:
            raise NotTold(f"The mail server {self.settings.host}, port {self.settings.port}: {error}") from error
        return "; ".join(f"{who} was refused: {_text(why)}" for who, (_code, why) in refused.items())

    def _connected(self) -> smtplib.SMTP:
        settings = self.settings
        context = client_context(settings.authorities) if settings.security != "none" else None
        if settings.security == "tls" and context is not None:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout_seconds, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, settings.password)
        except BaseException:
            server.close()
            raise
        return server

    @staticmethod
    def _refused(recipients: dict[str, tuple[int, bytes]]) -> NotTold:
        words = "; ".join(f"{who}: {_text(why)}" for who, (_code, why) in recipients.items())
        return _failed(f"nobody is taken as recipient: {words}", min(code for code, _why in recipients.values()))


def _failed(words: str, code: int) -> NotTold:
    """Say why it was not taken: what begins with 5 will not be taken later either (RFC 5321 4.2.1)."""
    return (Refused if code >= 500 else NotTold)(f"The mail server refuses it, {code}: {words}")


def _text(answer: bytes | str) -> str:
    return (answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer).strip()
