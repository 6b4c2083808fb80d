"""What is accepted at each port, found out by proposing it to the offers by which associations are negotiated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID
from pynetdicom import AllStoragePresentationContexts, sop_class

from dul import AS_BOTH, AS_SCU, AssociateRequest, Policy, Roles
from gateway_client import Configuration, offers_of
from gateway_client.archive.offers import Offer, ServiceClass

#: Between the words of a keyword.
_WORDS = re.compile("(?<=[a-z])(?=[A-Z])")
_PRIVATE = {"1.3.12.2.1107.5.9.1": "CSA Non-Image Storage (private)"}
_SERVICES = frozenset(uid for service_class in ServiceClass for uid in service_class.value)
#: What pynetdicom calls SOP classes, of which it knows some that pydicom does not.
_KEYWORDS = {str(uid): keyword for keyword, uid in vars(sop_class).items() if isinstance(uid, sop_class.SOPClass)}
#: SOP classes that are proposed: of the standard those of storage and of our services, private ones of which more is known.
_SOP_CLASSES = dict.fromkeys(
    [
        *(
            uid
            for uid, (name, kind, *_rest) in UID_dictionary.items()
            if kind == "SOP Class" and (uid in _SERVICES or ("Storage" in name and "Commitment" not in name))
        ),
        *(str(context.abstract_syntax) for context in AllStoragePresentationContexts),
        *_PRIVATE,
    ]
)
_TRANSFER_SYNTAXES = tuple(uid for uid, (_name, kind, *_rest) in UID_dictionary.items() if kind == "Transfer Syntax")
#: A UID that nobody knows, as SOP class and as transfer syntax.
_UNKNOWN = "2.25.1"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A SOP class that a port accepts from a peer in a role, in transfer syntaxes, the preferred first.

    With `others` every other transfer syntax is accepted too, in the peer's order, when it proposes none of these.
    `extended` says what extended negotiation comes to.
    """

    uid: str
    role: str
    transfer_syntaxes: tuple[str, ...]
    others: bool
    extended: str


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is listened on; without AE titles every called one is taken.

    With `unknown` objects of SOP classes that nobody knows are accepted, too.
    """

    name: str
    ae_titles: tuple[str, ...]
    number: int
    associations: int
    maximum_length: int
    tls: bool
    unknown: bool
    accepted: tuple[Accepted, ...]

    @property
    def provided(self) -> frozenset[ServiceClass]:
        """The service classes of which it is SCP."""
        return frozenset(class_of(it.uid) for it in self.accepted if "SCU" in it.role)


def class_of(uid: str) -> ServiceClass:
    """Give the service class of a SOP class that is accepted: storage, unless it is one of another."""
    return next((it for it in ServiceClass if uid in it.value), ServiceClass.STORAGE)


def name_of(uid: str) -> str:
    """Give the name of a UID, itself where nobody has named it."""
    name = _PRIVATE.get(uid) or str(UID(uid).name).removesuffix(" SOP Class")
    return _WORDS.sub(" ", _KEYWORDS.get(uid, uid)) if name == uid else name


def ports_of(configuration: Configuration) -> list[Port]:
    """Tell of every port of a gateway, in the order in which they are opened."""
    ports = []
    for listener, offer in offers_of(configuration):
        policy = offer.policy(_request({}))
        ports.append(
            Port(
                str(listener.entity.role) if listener.entity is not None else listener.instrument or "default",
                listener.called_ae_titles,
                listener.port,
                listener.max_associations,
                policy.maximum_length,
                listener.tls is not None,
                policy.choose(_UNKNOWN, _TRANSFER_SYNTAXES) is not None,
                tuple(_accepted(offer)),
            )
        )
    return ports


def _accepted(offer: Offer) -> Iterator[Accepted]:
    """Propose every SOP class as a peer does that says nothing of roles, then as one that wants both."""
    plain, both = offer.policy(_request({})), offer.policy(_request(dict.fromkeys(_SOP_CLASSES, AS_BOTH)))
    for uid in _SOP_CLASSES:
        as_scu, as_scp = _syntaxes(plain, uid), _syntaxes(both, uid)
        if as_scp and (both.roles(uid, AS_BOTH) or AS_SCU)[1]:
            yield Accepted(uid, "SCU, SCP" if as_scu == as_scp else "SCP", *as_scp, _extended(both, uid))
            as_scu = None if as_scu == as_scp else as_scu
        if as_scu:
            yield Accepted(uid, "SCU", *as_scu, _extended(plain, uid))


def _request(roles: Mapping[str, Roles]) -> AssociateRequest:
    return AssociateRequest(called_ae_title="", calling_ae_title="", contexts=(), roles=roles)


def _syntaxes(policy: Policy, uid: str) -> tuple[tuple[str, ...], bool] | None:
    """Give the transfer syntaxes that are preferred whatever the peer's order, and whether all others will do; None for none."""
    each = [syntax for syntax in _TRANSFER_SYNTAXES if policy.choose(uid, (syntax,))]
    if not each:
        return None
    choose = partial(policy.choose, uid)
    both_ways = zip(_chosen(choose, each), _chosen(choose, each[::-1]), strict=True)
    preferred = tuple(one for one, _other in takewhile(lambda pair: pair[0] == pair[1], both_ways))
    return preferred, bool(policy.choose(uid, (_UNKNOWN,)))


def _chosen(choose: Callable[[tuple[str, ...]], str | None], proposed: Sequence[str]) -> Iterator[str]:
    """Give what is chosen out of all that is proposed, then out of the others, and so on."""
    left = list(proposed)
    while left:
        chosen = choose(tuple(left)) or left[0]
        left.remove(chosen)
        yield chosen


def _extended(policy: Policy, uid: str) -> str:
    """Say what a peer is answered that asks for the most."""
    if class_of(uid) is ServiceClass.STORAGE:
        answer = policy.extended(uid, bytes(6))
        return "" if answer is None else f"level of support {answer[0]}"
    return "relational" if (policy.extended(uid, b"\x01") or b"\x00")[0] else ""
