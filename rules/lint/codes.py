"""The table of what lint finds: one entry per code. The reference page and `rules check --explain` are written from it."""

from __future__ import annotations

from dataclasses import dataclass

from rules.lint.finding import Severity

#: The options that some kinds of findings have to be asked for with.
FOR_COVER, FOR_VISTA = "cover", "target"
_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. `example` has it once, behind the mark @; it is text, or caret elements where `elements` is set.

    `severity` is what it counts where rules are judged as the manuals say; `under_vista` where they are for a VistA, None where
    that makes no difference. `asked` names the option without which it is not looked for; FOR_VISTA is given where rules are for
    a VistA.
    """

    severity: Severity
    title: str
    reason: str
    remedy: str
    example: str
    under_vista: Severity | None = None
    elements: bool = False
    needs_site: bool = False
    asked: str = ""

    def severity_for(self, target: str) -> Severity:
        """Say how bad it is where rules are meant for `documented` or for `vista`."""
        return self.under_vista if target == "vista" and self.under_vista is not None else self.severity


#: The families that codes belong to, by their first digit.
FAMILIES = {
    "R0": "Reading the file",
    "R1": "Rules and conditions that do nothing",
    "R2": "Dates and times",
    "R3": "Keywords and values",
    "R4": "Destinations, balances and names",
    "R5": "Validity",
    "R6": "What a real VistA would ignore or read otherwise",
}

CODES: dict[str, Kind] = {
    # ---- reading the file ------------------------------------------------------------------------------------------------
    "R001": Kind(
        _ERROR,
        "The file is not understood here.",
        "Nothing of a file with such an error is used.",
        "Write what was expected at the caret.",
        'send("KANSAS") when MODALITY @"CT"',
    ),
    "R002": Kind(
        _ERROR,
        "The file cannot be read.",
        "It is not there, is no text in UTF-8, or is longer than any rule file.",
        "Give a text file in UTF-8.",
        "",
    ),
    "R003": Kind(
        _WARNING,
        "An element is left out.",
        "VistA's evaluator logs it and goes on without it, and so does ours.",
        "Correct the element: its second piece is ACTION, CONDITION, PRIORITY or PRIORSTUDY.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^LO\n1^CONDITION^1^VA^CT\n"
        "1^COLOR",
        elements=True,
    ),
    # ---- rules and conditions that do nothing ----------------------------------------------------------------------------
    "R101": Kind(
        _ERROR,
        "The rule can never fire: its conditions contradict each other.",
        "Conditions that stand side by side must all hold, and no image can meet these. MODALITY and PROCEDURE are one field.",
        "Join the conditions by 'or', list the values with 'in (...)', or make two rules of it.",
        'send("KANSAS") when MODALITY=CT @PROCEDURE=MR',
    ),
    "R102": Kind(
        _ERROR,
        "The condition can never hold, so the rule can never fire.",
        "No value that the keyword can have meets it, alone or with what stands beside it in the same parentheses.",
        "Correct the condition, or take the rule out.",
        'send("KANSAS") when (@MODALITY=CT and MODALITY=MR) or (MODALITY=US and MODALITY=XA)',
    ),
    "R103": Kind(
        _NOTE,
        "The condition holds for every image that has the keyword.",
        "A lone * is how one writes a rule for all images; beside other conditions it says nothing more.",
        "Leave the condition out, or say what you mean more narrowly; a rule for all images may stay as it is.",
        'send("KANSAS") when @MODALITY="*" SOURCE="WICHITA"',
    ),
    "R104": Kind(
        _WARNING,
        "This alternative can never be what makes the rule fire.",
        "It contradicts itself or what must hold besides it.",
        "Take the alternative out, or correct it.",
        'send("KANSAS") when MODALITY=CT (SOURCE="WICHITA" or @MODALITY=MR)',
    ),
    "R105": Kind(
        _WARNING,
        "The rule is there twice.",
        "The second does nothing that the first does not do; two equal balances deal each study twice.",
        "Take one of them out.",
        'send("KANSAS") when MODALITY=CT\n@send("KANSAS") when MODALITY=CT',
    ),
    "R106": Kind(
        _WARNING,
        "The rule adds nothing: another one does the same for every image that it fires for.",
        "All rules that match fire, and what waits for a destination is not queued again; it keeps the higher priority.",
        "Take the rule out, or give it another destination or a higher priority.",
        'send("KANSAS") when MODALITY in (CT, MR) or SOURCE="WICHITA"\n@send("KANSAS") when MODALITY=CT priority LOW',
    ),
    "R107": Kind(
        _WARNING,
        "The condition adds nothing: what else the rule asks for implies it.",
        "An image that meets the rest of the rule meets it in any case.",
        "Leave the condition out, or correct what it was meant to say.",
        'send("KANSAS") when MODALITY=CT @MODALITY!=MR',
    ),
    "R108": Kind(
        _WARNING,
        "The rule has no conditions: it fires for every image.",
        "The rule file always asks for a condition; elements can leave them out.",
        'Add a condition; MODALITY="*" says that all images are meant.',
        "1^ACTION^SEND\n1^ACTION^1^KANSAS",
        elements=True,
    ),
    "R109": Kind(
        _NOTE,
        "Not all rules were compared with each other.",
        "There are more pairs of rules with one destination than are looked at: some rules that add nothing may not be shown.",
        "Check parts of the file by themselves if it matters.",
        "",
    ),
    # ---- dates and times -------------------------------------------------------------------------------------------------
    "R201": Kind(
        _ERROR,
        "The frame begins after its end: no moment is inside.",
        "A frame lies within one day.",
        "Write a night as two frames, one up to 23:59 and one from 00:00 of the next day; put dates in their order.",
        'send("KANSAS") when NOW={@MON 20:00 to 07:00; WED 08:00 to 17:00}',
    ),
    "R202": Kind(
        _WARNING,
        "The frame overlaps another one of its condition.",
        "One of several frames must hold, so that nothing is wrong but perhaps what was meant.",
        "Join the frames, or correct their begin or end.",
        'send("KANSAS") when NOW={MON 08:00 to 12:00; @MON 11:00 to 17:00}',
    ),
    "R203": Kind(
        _ERROR,
        "The date is not in the calendar.",
        "It is compared as a number all the same, or with nothing at all.",
        "Write a date that there is.",
        'send("KANSAS") when NOW={@3260230 to 3260331}',
    ),
    "R204": Kind(
        _WARNING,
        "No rule covers this part of the week.",
        "Asked for with --cover: the frames of all rules that have some on NOW (with --destination, of those for it) are put"
        " together over the coming week, holidays left out.",
        "Add a frame, or leave the gap if it is meant.",
        '@send("KANSAS") when NOW={MON 00:00 to 23:59; TUE 00:00 to 23:59; WED 00:00 to 23:59; THU 00:00 to 23:59;'
        " FRI 00:00 to 23:59; SAT 00:00 to 23:59; SUN 06:00 to 23:59}",
        asked=FOR_COVER,
    ),
    "R205": Kind(
        _ERROR,
        "This is no date or time to compare with: the condition is always undefined.",
        "Dates compare with frames, a weekday, a time of day, or a date as 2026-01-31 or FileMan's 3260131; weekdays have no"
        " order.",
        "Write a date, a time or a frame; frames take = and != only.",
        'send("KANSAS") when @EXAM_TIME="YESTERDAY"',
    ),
    "R206": Kind(
        _WARNING,
        "The frame adds nothing: another one of its condition has all of its moments.",
        "One of several frames must hold.",
        "Take the frame out, or correct it.",
        'send("KANSAS") when NOW={08:00 to 17:00; @MON 09:00 to 12:00}',
    ),
    "R207": Kind(
        _WARNING,
        "The frame is for holidays, and none are known from today on.",
        "HOL means the days of the site's HOLIDAY file (#40.5) and those that the rule file names.",
        'Add holidays to the site, or name some: holiday "Founders Day" = 2026-03-02.',
        'send("KANSAS") when NOW={@HOL 00:00 to 23:59}',
        needs_site=True,
    ),
    # ---- keywords and values ---------------------------------------------------------------------------------------------
    "R301": Kind(
        _WARNING,
        "Nobody knows this keyword.",
        "It is neither one of VistA's nor a DICOM element; the condition is undefined for every image.",
        "Correct the spelling, or give the element's tag: (gggg,eeee).",
        'send("KANSAS") when @MODALTY=CT',
    ),
    "R302": Kind(
        _ERROR,
        "URGENCY is ROUTINE, URGENT or STAT, and nothing else.",
        "It comes from the order; an image without one has none.",
        "Write ROUTINE, URGENT or STAT, in capitals.",
        'send("KANSAS") when @URGENCY="HIGH"',
    ),
    "R303": Kind(
        _WARNING,
        "No modality is called so.",
        "MODALITY holds DICOM's code, such as CT or MR, as the image has it.",
        "Write the code; wildcards * and ? are allowed.",
        'send("KANSAS") when @MODALITY=CTT',
    ),
    "R304": Kind(
        _WARNING,
        "This keyword holds the number of an entry, not its name.",
        "CLASS, TYPE, SPECIALTY, PROCEDURE_OR_EVENT and ACQUISITION_DEVICE are compared as they are stored, as pointers.",
        "Write the entry's number, such as CLASS=1.",
        'send("KANSAS") when @CLASS="CLIN"',
    ),
    "R305": Kind(
        _WARNING,
        "The value has small letters, and the field has capitals only.",
        "Letter case counts in values, not in keywords.",
        "Write the value in capitals.",
        'send("KANSAS") when @PATIENT="Smith*"',
    ),
    "R306": Kind(
        _WARNING,
        "No number lies in this range.",
        "An element with several values could meet each condition with another one; one number cannot.",
        "Turn the limits round, or join the conditions by 'or'.",
        'send("KANSAS") when SliceThickness>5 @SliceThickness<2',
    ),
    "R307": Kind(
        _WARNING,
        "A number is compared with a text.",
        "Where one side is no number both are compared as texts, letter by letter.",
        "Compare texts with = and !=, and numbers with numbers.",
        'send("KANSAS") when @SliceThickness>"THIN"',
    ),
    "R308": Kind(
        _WARNING,
        "The value is empty.",
        "An empty field is undefined: a condition on it is neither true nor false.",
        'Write a value; "?*" is any.',
        'send("KANSAS") when @SOURCE=""',
    ),
    "R309": Kind(
        _WARNING,
        "The priority has a word that means nothing.",
        "HIGH, NORMAL, MEDIUM and LOW are known; anything else counts as NORMAL.",
        "Write one of the four.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^LO\n"
        "1^CONDITION^1^VA^CT\n1^PRIORITY^URGENT",
        elements=True,
    ),
    "R310": Kind(
        _WARNING,
        "PRIORSTUDY has a word that means nothing.",
        "YES asks for prior studies; anything else does not.",
        "Write YES or NO.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^LO\n"
        "1^CONDITION^1^VA^CT\n1^PRIORSTUDY^MAYBE",
        elements=True,
    ),
    "R311": Kind(
        _WARNING,
        "PRIORSTUDY YES does nothing here: the rule fires for no radiology image.",
        "Prior studies are looked up for images of radiology reports only.",
        "Leave PRIORSTUDY out, or ask for radiology images.",
        '@send("KANSAS") when PARENT_DATA="TIU" priorstudy YES',
    ),
    "R312": Kind(
        _ERROR,
        "Nobody knows this operator.",
        "The condition is undefined for every image.",
        "Write = != < > <= or >=.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^~\n1^CONDITION^1^DT^LO\n1^CONDITION^1^VA^CT",
        elements=True,
    ),
    "R313": Kind(
        _WARNING,
        "No institution of the site is called so.",
        "SOURCE is the name of the institution that acquired the image.",
        "Write the name as the INSTITUTION file (#4) has it.",
        'send("KANSAS") when @SOURCE="WICHTIA"',
        needs_site=True,
    ),
    # ---- destinations, balances and names --------------------------------------------------------------------------------
    "R401": Kind(
        _ERROR,
        "There is no such destination.",
        "send and balance look among the network locations (#2005.2) that are routers, dicom among the DICOM transmit"
        " destinations (#2006.587); letter case counts.",
        "Correct the name, or add the destination to the site.",
        'send(@"KANSSAS") when MODALITY=CT',
        needs_site=True,
    ),
    "R402": Kind(
        _WARNING,
        "The destination is off line.",
        "Images are queued for it and wait until it is on line again.",
        "Bring the network location on line, or send elsewhere.",
        'send(@"FARAWAY") when MODALITY=CT',
        needs_site=True,
    ),
    "R403": Kind(
        _ERROR,
        "The destination is of the other sort.",
        "send copies files to a router's network location; dicom sends objects to a DICOM transmit destination.",
        "Write dicom(...) for a DICOM destination and send(...) for a network location.",
        'send(@"READING ROOM") when MODALITY=CT',
        needs_site=True,
    ),
    "R404": Kind(
        _ERROR,
        "The percentages do not sum to 100.",
        "Studies are dealt like a deck of 100 cards.",
        "Change the shares; what is to stay is <LOCAL>.",
        '@balance("KANSAS"=50%, "BACKUP"=40%) when MODALITY=CT',
    ),
    "R405": Kind(
        _WARNING,
        "A cap of 0: nothing is ever dealt to this destination.",
        "The number behind / is the most studies a day.",
        "Write a higher cap, or leave the destination out.",
        'balance("KANSAS"=50%, @"BACKUP"=50%/0) when MODALITY=CT',
    ),
    "R406": Kind(
        _WARNING,
        "The destination is in the balance twice.",
        "Each share is counted and capped by itself.",
        "Join the two shares.",
        'balance("KANSAS"=50%, @"KANSAS"=50%) when MODALITY=CT',
    ),
    "R407": Kind(
        _WARNING,
        "A share of 0%: nothing is ever dealt to this destination.",
        "The destination only looks as if it were used.",
        "Give it a share, or leave it out.",
        'balance("KANSAS"=100%, @"BACKUP"=0%) when MODALITY=CT',
    ),
    "R408": Kind(
        _ERROR,
        "The destination has no name.",
        "Nothing is queued for it.",
        "Write a destination.",
        'send(@"") when MODALITY=CT',
    ),
    "R409": Kind(
        _WARNING,
        "The name hides a destination of the site.",
        "Where the file says this name it means what the file says it stands for, and no longer the site's own.",
        "Choose another name.",
        'destination @BACKUP = "KANSAS"\nsend(BACKUP) when MODALITY=CT',
        needs_site=True,
    ),
    "R410": Kind(
        _ERROR,
        "The name stands for itself or for another name of the file.",
        "Names are followed once: what a name stands for is a destination of the site.",
        "Let the name stand for a destination of the site.",
        'destination @NIGHT = NIGHT\nsend("KANSAS") when MODALITY=CT',
    ),
    "R411": Kind(
        _NOTE,
        "No rule uses this named destination.",
        "Perhaps a rule that should still has the old name.",
        "Use the name, or take the statement out.",
        'destination @NIGHT = "KANSAS"\nsend("KANSAS") when MODALITY=CT',
    ),
    "R412": Kind(
        _NOTE,
        "No rule has a frame for holidays, so this named holiday says nothing.",
        "Holidays count in frames that begin with HOL.",
        "Add a HOL frame, or take the statement out.",
        'holiday @"Founders Day" = 2026-03-02\nsend("KANSAS") when MODALITY=CT',
    ),
    "R413": Kind(
        _ERROR,
        "The name is given twice.",
        "Only one of the two can be meant.",
        "Choose another name for one of them.",
        'destination NIGHT = "KANSAS"\ndestination @NIGHT = "BACKUP"\nsend(NIGHT) when MODALITY=CT',
    ),
    "R414": Kind(
        _WARNING,
        "Two balances deal the same studies to the same destinations.",
        "Each balance has a deck of its own: a study that both rules take is dealt by both, and may go to two destinations.",
        "Make the conditions of the two exclude each other, or join the rules.",
        'balance("KANSAS"=50%, "BACKUP"=50%) when MODALITY=CT\n@balance("KANSAS"=30%, "BACKUP"=70%) when SOURCE="WICHITA"',
    ),
    "R415": Kind(
        _WARNING,
        "The destination takes no type of file, so that nothing is queued for it.",
        "A router says which files it takes: ABSTRACT, FULL, BIG, TEXT, DICOM.",
        "Set the router's file types in the site.",
        'send(@"TAKES NOTHING") when MODALITY=CT',
        needs_site=True,
    ),
    "R416": Kind(
        _WARNING,
        "The balance sends nothing anywhere.",
        "<LOCAL> is the share that stays where it is.",
        "Add a destination, or take the rule out.",
        "@balance(<LOCAL>=100%) when MODALITY=CT",
    ),
    "R417": Kind(
        _ERROR,
        "A share of a balance has no percentage.",
        "VistA's evaluator never ends on such a rule; here it is logged and left out.",
        "Give each destination a percentage.",
        "1^ACTION^BALANCE\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^LO\n1^CONDITION^1^VA^CT",
        elements=True,
    ),
    "R418": Kind(
        _ERROR,
        "Only the first of these destinations is used.",
        "send and dicom go to one destination each.",
        "Write a rule for each destination.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^ACTION^2^BACKUP\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n"
        "1^CONDITION^1^DT^LO\n1^CONDITION^1^VA^CT",
        elements=True,
    ),
    # ---- validity --------------------------------------------------------------------------------------------------------
    "R501": Kind(
        _WARNING,
        "The rule's validity is over.",
        "It will not fire again.",
        "Take the rule out, or prolong its validity.",
        '@send("KANSAS") when MODALITY=CT valid until 2020-12-31',
    ),
    "R502": Kind(
        _NOTE,
        "The rule's validity has not begun.",
        "It will not fire before that day.",
        "Nothing, if that is meant.",
        '@send("KANSAS") when MODALITY=CT valid from 2090-01-01',
    ),
    "R503": Kind(
        _NOTE,
        "The rule is switched off.",
        "It stays in the file and does not fire.",
        "Take 'enabled NO' away when it is to work again, or take the rule out.",
        '@send("KANSAS") when MODALITY=CT enabled NO',
    ),
    # ---- what a real VistA would ignore or read otherwise ----------------------------------------------------------------
    "R601": Kind(
        _NOTE,
        "VistA would ignore the condition: it never finds a DICOM element's value.",
        "What VistA finds undefined passes, so that the rule would fire for more images there.",
        "Use one of VistA's keywords where the rules are for a VistA.",
        'send("KANSAS") when @BodyPartExamined="CHEST"',
        under_vista=_WARNING,
    ),
    "R602": Kind(
        _NOTE,
        "VistA would ignore the condition: of texts it knows = and != only.",
        "< > <= and >= pass for every image there, although the manuals list them.",
        "List the values, or use wildcards, where the rules are for a VistA.",
        'send("KANSAS") when @SHORT_DESCRIPTION>="A"',
        under_vista=_WARNING,
    ),
    "R603": Kind(
        _NOTE,
        "VistA would ignore the condition: of dates it knows = only.",
        "Any other operator passes for every image there.",
        "Write the frames that are left, with =, where the rules are for a VistA.",
        'send("KANSAS") when @NOW!={MON 08:00 to 17:00}',
        under_vista=_WARNING,
    ),
    "R604": Kind(
        _WARNING,
        "VistA would want at least one character for the * at the end.",
        '"CT*" does not match CT there; the manuals promise that it does, and so it is here.',
        "Add a rule for the value without the star where the rules are for a VistA.",
        'send("KANSAS") when @SHORT_DESCRIPTION="CHEST*"',
        asked=FOR_VISTA,
    ),
    "R605": Kind(
        _NOTE,
        "VistA does not know the priority MEDIUM and takes NORMAL.",
        "Both are 500.",
        "Write NORMAL.",
        '@send("KANSAS") when MODALITY=CT priority MEDIUM',
        asked=FOR_VISTA,
    ),
    "R606": Kind(
        _NOTE,
        "VistA would read the frame shifted: only NOW is written with the weekday first.",
        "The first three places of a date are never compared there, and those of an exam's date are its year.",
        "Use frames on NOW only where the rules are for a VistA.",
        'send("KANSAS") when EXAM_TIME={@2026-01-01 to 2026-12-31}',
        under_vista=_WARNING,
    ),
    "R607": Kind(
        _NOTE,
        "VistA would never find the condition true: dates are compared with frames there.",
        "A condition on a date without a frame fails.",
        "Write a frame, {... to ...}, where the rules are for a VistA.",
        'send("KANSAS") when @NOW="MON"',
        under_vista=_WARNING,
    ),
    "R608": Kind(
        _NOTE,
        "VistA would ignore the condition: it knows no such data type.",
        "What has no type of the two lists, texts and dates, passes for every image there.",
        "Give the data type of the keyword.",
        "1^ACTION^SEND\n1^ACTION^1^KANSAS\n1^CONDITION^1^KW^MODALITY\n1^CONDITION^1^OP^=\n1^CONDITION^1^DT^XX\n1^CONDITION^1^VA^CT",
        under_vista=_WARNING,
        elements=True,
    ),
    "R609": Kind(
        _WARNING,
        "These are many rules for a VistA.",
        "It tests each rule for each image, one after the other, and keeps all elements with the task.",
        "Join rules, or leave out what VistA need not decide.",
        "",
        asked=FOR_VISTA,
    ),
    "R610": Kind(
        _ERROR,
        "A VistA cannot be told this.",
        "Asked for with --target vista: the caret elements of MAG DICOM ROUTE EVAL START have no way to say it.",
        "Say it with what VistA has, or run the rules here.",
        '@balance("KANSAS"=50%, "BACKUP"=50%) when MODALITY=CT or SOURCE="WICHITA"',
        asked=FOR_VISTA,
    ),
}
