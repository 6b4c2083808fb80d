"""ZZLAB, a small laboratory package: an RPC pack to copy from. Tests and patients are invented."""

from dataclasses import dataclass

from magbroker.rpc_pack import Call, LocalArray, Pack, ResultType

TESTS = {"1": ("GLUCOSE", "70-110 mg/dL"), "2": ("SODIUM", "135-145 mEq/L"), "3": ("POTASSIUM", "3.5-5.0 mEq/L")}
MOST_ORDERS = 1000


@dataclass(frozen=True)
class Order:
    """What was ordered for whom, test numbers to comments, by the user with this DUZ."""

    patient: str
    tests: dict[str, str]
    duz: int


pack = Pack("ZZLAB")
orders: dict[int, Order] = {}


@pack.procedure("ZZLAB VERSION")
def version(_call: Call) -> str:
    """Answer the version of the package."""
    return "1.0"


@pack.procedure("ZZLAB TESTS", returns=ResultType.ARRAY)
def tests(_call: Call) -> list[str]:
    """Answer `number^name^range` of every test."""
    return [f"{number}^{name}^{normal}" for number, (name, normal) in TESTS.items()]


@pack.procedure("ZZLAB ORDER", parameters=("PATIENT", "TESTS"))
def order(call: Call) -> str:
    """Order tests for a patient and answer the number of the order, or `-1^reason`.

    TESTS is a list: the subscript is the number of a test, the value a comment for the laboratory.
    """
    patient = call.text(0)
    wanted = {number: comment or "" for number, comment in call.list(1).first_level()}
    unknown = [number for number in wanted if number not in TESTS]
    if not patient or not wanted:
        return "-1^A patient and at least one test are needed"
    if unknown:
        return f"-1^There is no test {unknown[0]}"
    if len(orders) >= MOST_ORDERS:
        return "-1^The laboratory takes no more orders"
    number = len(orders) + 1
    orders[number] = Order(patient, wanted, call.session.duz)
    return str(number)


@pack.procedure("ZZLAB REPORT", returns=ResultType.WORD_PROCESSING, parameters=("ORDER",))
def report(call: Call) -> list[str]:
    """Answer an order as a text."""
    number = call.text(0)
    found = orders.get(int(number)) if number.isdigit() else None
    if found is None:
        return [f"There is no order {number}."]
    heading = f"Order {number} for patient {found.patient}"
    lines = [f"{TESTS[test][0]} ({TESTS[test][1]}) {comment}".rstrip() for test, comment in found.tests.items()]
    return [heading, "=" * len(heading), *lines]


@pack.procedure("ZZLAB ORDERS", returns=ResultType.GLOBAL_ARRAY, parameters=("PATIENT",))
def orders_of(call: Call) -> LocalArray[str]:
    """Answer a patient's orders as nodes of a global: (order) holds `patient^DUZ`, (order,test) the comment."""
    nodes: dict[str | int | tuple[str | int, ...], str] = {}
    for number, found in orders.items():
        if found.patient == call.text(0):
            nodes[number] = f"{found.patient}^{found.duz}"
            nodes |= {(number, test): comment for test, comment in found.tests.items()}
    return LocalArray.from_mapping(nodes)


register = pack.register
