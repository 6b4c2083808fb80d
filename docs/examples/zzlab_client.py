"""Order two tests and print the laboratory's report: a client of the ZZLAB pack. Usage: python zzlab_client.py HOST PORT."""

import sys

from magbroker.client import BrokerClient


def order_and_report(client: BrokerClient, patient: str) -> str:
    """Order glucose and potassium; give the report's text."""
    number = client.call("ZZLAB ORDER", patient, {"1": "fasting", "3": ""}).text
    if number.startswith("-1^"):
        raise RuntimeError(number.removeprefix("-1^"))
    return client.call("ZZLAB REPORT", number).text


if __name__ == "__main__":
    host, port = sys.argv[1:]
    with BrokerClient(host, int(port)) as client:
        client.sign_on("TERRY1", "1LAB!@#$")
        client.create_context("ZZLAB CLIENT")
        print(order_and_report(client, "100"))
