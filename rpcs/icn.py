"""Integration control numbers (ICN) and their check digits."""

from __future__ import annotations

import functools

_PERMUTATIONS = tuple(
    tuple(line.split())
    for line in (
        "4593217608 9042368715 7621389054 4507921863 4137502869 4170962835 4256910387 0319278456 "
        "9672341508 9514836207 7301658492 7591046328 8703149526 4638920157 6521830497 8520134679",
        "4028519376 7160395428 3945781062 4281059367 6293715804 0628954137 0482916375 1763905482 "
        "2974650813 9801276543 5490123678 6930284517 2759861403 6801973245 1083479562 1740892536",
        "8914035276 5741068923 2340961785 3956024718 2903567481 7603142958 3047568912 4726380159 "
        "6528471309 3968017524 6413572098 1528743906 6183720954 4891270635 5681974023 0264398175",
        "5024736198 0935147862 3754206891 6751349802 4190682357 0324685719 6452391078 7564093218 "
        "1246095387 6947508231 4685972301 3612804975 5930248716 5641923078 6725908413 6143205987",
        "4827510936 4370169258 0615792834 2980731465 2039465817 9354610782 3921084765 2751890634 "
        "2416703589 6781549032 5697241038 1608237954 2498170365 7932506184 2063417895 7024983651",
        "6850279431 2137906854 8920135647 2395486710 7108963452 3612984570 3796402158 8947016352 "
        "4286137590 9475306128 2740953681 4567392108 4931027685 1679284350 6289531074 1094683572",
    )
)


@functools.lru_cache(maxsize=1024)
def icn_checksum(number: str) -> str:
    """Compute the six check digits of an ICN (the part before V), as $$CHECKDG^MPIFSPC does.

    Each check digit has a table of its own: sixteen permutations of the ten digits, one per place of the number
    (file 984.5). The number, zero-padded on the left to sixteen places, is walked from the left: add the digit to
    what the last place gave (0 before the first), take that modulo ten through the place's permutation. What the
    sixteenth place gives is the check digit.
    """
    padded = number.rjust(16, "0")[:16]
    digits = []
    for table in _PERMUTATIONS:
        last = "0"
        for digit, permutation in zip(padded, table, strict=True):
            last = permutation[(int(digit) + int(last)) % 10]
        digits.append(last)
    return "".join(digits)


def full_icn(stored: str) -> str:
    """Give a patient's ICN as $$GETICN^MPIF001 does: the check digits are computed anew, whatever was stored."""
    number = stored.partition("V")[0]
    return f"{number}V{icn_checksum(number)}" if number else "-1^NO MPI NODE"
