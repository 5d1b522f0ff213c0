"""What `lentera gateway why` says: each verdict a sentence of its own in both languages, with the next thing to do."""

from dataclasses import asdict

import pytest

from lentera.cli.why import sentence
from lentera.language import Words
from lentera_drivers.driver import Outcome, OutcomeKind
from lentera_gateway.acquire.exception_report import LastStored
from lentera_gateway.acquire.lateness import LostCycles
from lentera_gateway.acquire.why import Because, Facts, Verdict, judge
from lentera_gateway.journal.delivery import Stage, Whereabouts
from lentera_model.readings import Quality

NOW = 1_000_000
OK = Outcome(OutcomeKind.OK, NOW - 2_000, NOW - 2_000)
WAITING = Whereabouts(Stage.WAITING)


def failed(kind: OutcomeKind, code: int | None = None) -> Outcome:
    return Outcome(kind, NOW - 3_000, NOW - 50_000, code, "unit 7: no answer")


CASES = {
    "stored": Facts(NOW, 10_000, OK),
    "queued": Facts(NOW, 10_000, OK, whereabouts=WAITING, waiting_batches=3),
    "queued without a link": Facts(NOW, 10_000, OK, whereabouts=WAITING, waiting_batches=3, link_up=False),
    "queued without the time": Facts(NOW, 10_000, OK, whereabouts=WAITING, waiting_batches=3, clock_known=False),
    "deadband": Facts(NOW, 10_000, OK, LastStored(230.0, NOW - 60_000, Quality.GOOD, 230.1, NOW - 2_000, 5)),
    "set_aside": Facts(NOW, 10_000, OK, whereabouts=Whereabouts(Stage.SET_ASIDE, "no such device")),
    "not_yet": Facts(NOW, 10_000, None),
    "no_value": Facts(NOW, 10_000, failed(OutcomeKind.NO_VALUE)),
    "late": Facts(NOW, 10_000, failed(OutcomeKind.LATE)),
    "late on a busy bus": Facts(NOW, 10_000, OK, lost=LostCycles(NOW - 600_000, 12), load_percent=130.4),
    "dead": Facts(NOW, 10_000, failed(OutcomeKind.DEAD)),
    "refused": Facts(NOW, 10_000, failed(OutcomeKind.REFUSED, 2)),
    "refused while busy": Facts(NOW, 10_000, failed(OutcomeKind.REFUSED, 6)),
    "device_fault": Facts(NOW, 10_000, failed(OutcomeKind.REFUSED, 4)),
    "absent": Facts(NOW, 10_000, failed(OutcomeKind.ABSENT, 2)),
    "unreadable": Facts(NOW, 10_000, failed(OutcomeKind.UNREADABLE)),
    "bus_down": Facts(NOW, 10_000, failed(OutcomeKind.BUS_DOWN)),
}


def said(case: str, language: str) -> str:
    return sentence(asdict(judge(CASES[case])) | {"interval_s": 10.0}, Words(language))


def test_every_verdict_is_a_case():
    assert {judge(facts).verdict for facts in CASES.values()} == set(Verdict)


def test_no_two_cases_are_told_alike_and_no_placeholder_is_left():
    sentences = [said(case, language) for case in CASES for language in ("en", "id")]
    assert len(set(sentences)) == len(sentences)
    assert not [text for text in sentences if "{" in text or "None" in text or "  " in text]


@pytest.mark.parametrize(
    ("case", "english", "indonesian"),
    [
        ("stored", ["2 s ago", "the cloud has it"], ["2 s lalu", "sudah ada di cloud"]),
        ("queued", ["on its way", "wait: 3"], ["sedang dikirim", "menunggu: 3"]),
        ("queued without a link", ["cannot be reached", "mobile link"], ["tak terjangkau", "sambungan seluler"]),
        ("queued without the time", ["does not know the time"], ["belum tahu waktu"]),
        ("deadband", ["230.1", "left out 5 times", "report.deadband"], ["230.1", "5 kali", "report.deadband"]),
        ("set_aside", ["the cloud refused it: No such device."], ["ditolak cloud: No such device."]),
        ("late", ["Late: 3 s ago", "gateway doctor", "50 s ago"], ["Terlambat: ", "gateway doctor", "50 s lalu"]),
        (
            "late on a busy bus",
            ["at 130 % of its time", "12 cycles of 10 s", "10 min", "every_s", "gateway plan"],
            ["130 % dari waktunya", "12 siklus 10 s", "10 min", "every_s", "gateway plan"],
        ),
        ("dead", ["silent", "power", "Unit 7: no answer."], ["diam", "listrik", "Unit 7: no answer."]),
        ("refused", ["exception 2", "meter's manual"], ["exception 2", "manual meter"]),
        ("refused while busy", ["no time", "exception 6"], ["sibuk", "exception 6"]),
        ("device_fault", ["at fault itself", "exception 4", "replaced"], ["dirinya rusak", "exception 4"]),
        ("absent", ["no such register", "plan --forget"], ["tidak punya register", "plan --forget"]),
    ],
)
def test_it_says_the_numbers_and_what_to_do(case, english, indonesian):
    for language, parts in (("en", english), ("id", indonesian)):
        text = said(case, language)
        assert not [part for part in parts if part not in text], text


def test_what_speaks_against_the_last_value_is_told_beside_the_verdict():
    doubted = Outcome(OutcomeKind.OK, NOW, NOW, quality=Quality.IMPLAUSIBLE, doubt="2301 is not between 0 and 500")
    answer = asdict(judge(Facts(NOW, 10_000, doubted))) | {"interval_s": 10.0}
    assert (answer["verdict"], answer["quality"]) == ("stored", "implausible")
    for language, beside in (("en", "failed a rule of its profile"), ("id", "melanggar aturan profilnya")):
        text = sentence(answer, Words(language))
        assert beside in text
        assert "(implausible): 2301 is not between 0 and 500." in text
    good = asdict(judge(Facts(NOW, 10_000, OK))) | {"interval_s": 10.0}
    assert good["quality"] == "good"
    assert "(" not in sentence(good, Words("en"))
    never = asdict(judge(Facts(NOW, 10_000, Outcome(OutcomeKind.DEAD, NOW)))) | {"interval_s": 10.0}
    assert never["quality"] is None


def test_a_value_that_never_came_is_told_so():
    never = asdict(Because(Verdict.DEAD, 3.0)) | {"interval_s": 10.0}
    assert "No value has come since the gateway started." in sentence(never, Words("en"))
    assert "Belum ada nilai sejak gateway mulai." in sentence(never, Words("id"))


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("meter-cabinet: no answer within 1 s", " meter-cabinet: no answer within 1 s. "),
        ("cabinet: no answer", " cabinet: no answer. "),
        ("cabinet says nothing.", " cabinet says nothing. "),
        ("unit 7: no answer", " Unit 7: no answer. "),
        ("no answer", " No answer. "),
    ],
)
def test_an_id_stays_as_it_is_at_the_beginning_of_a_sentence(detail, shown):
    answer = asdict(judge(CASES["dead"])) | {"interval_s": 10.0, "device": "cabinet", "detail": detail}
    assert shown in sentence(answer, Words("en"))
