"""Nodes are written as $QUERY gives them: numbers bare and by size, texts quoted and after them."""

from __future__ import annotations

from rules.trials.nodes import Node, send_queue, study_cache

ENTRY = {
    "image": 2,
    "destination": "14;MAG(2005.2,",
    "file_type": "FULL",
    "mechanism": 1,
    "origin": 660,
    "transaction": "",
    "status": "WAITING",
    "priority": 500,
    "queued": "3261121.033805",
}


def test_numbers_are_bare_and_texts_are_quoted() -> None:
    node = Node(("A", 9.1, "9.10", "1.2.3", "", 'say "x"'), "v")
    assert node.text("^X") == '^X("A",9.1,"9.10","1.2.3","","say ""x""")=v'


def test_decisions_stand_in_the_order_of_m() -> None:
    decided = {(777, "1.2.10"): {1: True}, (777, "9.2"): {10: False, 2: True}, (777, "10.1"): {1: False}, (8, "9.2"): {1: True}}
    assert study_cache(decided) == [
        '^XTMP("MAGEVALSTUDY",8,9.2,1)=1',
        '^XTMP("MAGEVALSTUDY",777,9.2,2)=1',
        '^XTMP("MAGEVALSTUDY",777,9.2,10)=0',
        '^XTMP("MAGEVALSTUDY",777,10.1,1)=0',
        '^XTMP("MAGEVALSTUDY",777,"1.2.10",1)=1',
    ]


def test_entries_come_before_their_cross_references() -> None:
    nodes = send_queue([{"ien": 10, **ENTRY}, {"ien": 9, **ENTRY}])
    assert nodes[0] == "^MAGQUEUE(2006.035,9,0)=2^14;MAG(2005.2,^FULL^1^660^"
    assert nodes[3] == "^MAGQUEUE(2006.035,10,1)=WAITING^500^3261121.033805"
    assert nodes[4] == '^MAGQUEUE(2006.035,"DEST","14;MAG(2005.2,","WAITING",2,"FULL",9)='
    assert nodes[-1] == '^MAGQUEUE(2006.035,"STS",660,"WAITING",500,"14;MAG(2005.2,",10)='
