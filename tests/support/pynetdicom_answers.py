"""Answers that pynetdicom keeps from whom they are for: mended for the tests, which would fail now and then without it."""

from __future__ import annotations

from typing import Any

from pynetdicom.association import Association


def keep_answers() -> None:
    """Have pynetdicom's associations give an answer to who asked, also where their own thread took it first.

    That thread looks for requests of the peer. It is to pause while somebody asks, but may look once more after `send_c_store`
    and the like believe that it pauses; it drops the answer that it finds then ("Received unexpected C-STORE service message"),
    and the asker waits for `dimse_timeout`. The sooner a peer answers, and the busier the machine is, the likelier it is.
    """
    serve = Association._serve_request

    def serve_or_give_back(association: Association, message: Any, context: int) -> None:
        if message.is_valid_response:
            association.dimse.msg_queue.put((context, message))
        else:
            serve(association, message, context)

    Association._serve_request = serve_or_give_back  # type: ignore[method-assign]  # it is what this function is for
