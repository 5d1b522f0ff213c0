"""What readers of Modbus TCP meters asked for, what they owe, and what it cost them."""

import json

import pytest

from bench.board import sum_in
from bench.light_reader import figures as read_figures
from bench.light_reader import question, whole_replies
from bench.processes import Span, spread
from bench.progress import bar
from bench.sim_cost import counted, requests
from bench.sim_cost import figures as cost_figures
from bench.tcp100 import against, missed, per_million
from bench.tcp_meters import Meters, read_log


def test_a_poll_is_owed_for_each_whole_interval():
    asked = {0: [0.1, 1.1, 2.1], 1: [0.5, 1.5]}
    assert missed(asked, 2, 1.0, 3.2) == 1
    assert missed(asked, 3, 1.0, 3.2) == 4, "the third meter was never asked"
    assert missed({0: [0.1, 0.2, 0.3, 0.4]}, 1, 1.0, 3.0) == 0, "more than was due"


def test_a_poll_of_several_questions_is_owed_until_all_were_asked():
    assert missed({0: [0.1] * 79}, 1, 1.0, 2.0, questions_a_poll=40) == 1
    assert missed({0: [0.1] * 80}, 1, 1.0, 2.0, questions_a_poll=40) == 0


def test_cost_is_per_million_values():
    assert per_million(0.5, 100_000) == 5.0
    assert per_million(0.5, 0) is None


def test_ours_is_held_against_every_peer_that_was_measured():
    cost = "cpu_s_per_million_values"
    found = {"lentera": {cost: 4.0}, "telegraf": {cost: 10.0}, "thingsboard": {"not_measured": "it is not installed"}}
    assert against(found) == {"ours_against_telegraf": 0.4}
    assert against({"lentera": {"not_measured": "no InfluxDB"}, "telegraf": {cost: 10.0}}) == {}


def test_a_spread_leaves_out_what_is_missing():
    assert spread([3.0, None, 1.25]) == "1.25 to 3.00"
    assert spread([None]) == "none"


def test_a_log_of_questions_is_cut_to_the_span(tmp_path):
    log = tmp_path / "log"
    log.write_text("0 1.000000\n1 1.500000\n0 2.000000\n0 3.000000\n")
    assert read_log(log, 1.0, 3.0) == {0: [1.0, 2.0], 1: [1.5]}


def test_influx_counts_are_summed_over_all_tables():
    head = "#datatype,string,long,long\r\n,result,table,_value\r\n"
    assert sum_in(",result,table,_value\r\n,_result,0,40\r\n,_result,1,2\r\n\r\n") == 42
    assert sum_in("\r\n") == 0
    assert sum_in(head.split("\r\n", 1)[1]) == 0


def test_the_meters_answer_the_light_reader():
    meters = Meters({"meters": 2, "values": 40})
    heard = b"".join(
        meters.reply(1, question(at, 1, 3, address, count)) for at, address, count in ((7, 0, 80), (8, 78, 4))
    )
    frames, rest = whole_replies(heard + b"\x00\x01")
    assert rest == b"\x00\x01"
    assert [len(frame) for frame in frames] == [9 + 160, 9]
    assert [frame[:2] for frame in frames] == [b"\x00\x07", b"\x00\x08"]
    assert frames[1][7:] == b"\x83\x02", "registers 80 and 81 do not exist"
    assert list(meters.asked_meter) == [1, 1]


def test_half_a_reply_waits_for_its_rest():
    reply = question(1, 1, 3, 0, 2)
    assert whole_replies(reply[:7]) == ([], reply[:7])
    assert whole_replies(reply[:3]) == ([], reply[:3])


def test_nobody_read_anything():
    assert read_figures([]) == {"polls": 0, "missed": 0, "refused": 0, "slowest_ms": 0.0}


def test_the_light_reader_asks_for_all_registers_within_the_limits():
    wanted = requests()
    assert 1 < len(wanted) < 6
    assert all(function == 4 and 1 <= count <= 125 for function, _, count in wanted)


def test_the_ledger_tells_what_was_answered_in_the_span(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    rows = [
        {"k": "answered", "device": "meter-004", "at_ms": 1000, "values": {"voltage_l1": 230.0, "voltage_l2": 231.0}},
        {"k": "answered", "device": "lamp-001", "at_ms": 1500, "values": {"level_percent": 40.0}},
        {"k": "unsure", "device": "meter-004", "at_ms": 1600, "values": {"voltage_l1": 230.0}},
        {"k": "acted", "device": "lamp-001", "at_ms": 1700, "level_percent": 40.0},
        {"k": "answered", "device": "meter-004", "at_ms": 2000, "values": {"voltage_l1": 230.0}},
    ]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert counted(ledger, 1000, 2000) == {"meters": 2, "lamps": 1}


@pytest.mark.parametrize(("cpu_s", "rss_mb", "met"), [(2.4, 149.0, True), (2.6, 149.0, False), (2.4, 151.0, False)])
def test_the_simulator_is_held_to_its_aim(cpu_s, rss_mb, met):
    used = {"simulator": cpu_s, "broker": 0.1, "reader": 0.2}
    span = Span(0.0, 10.0, used, dict.fromkeys(used, rss_mb))
    found = cost_figures(span, {"missed": 0}, {"meters": 40_000, "lamps": 300})
    assert found["met"] is met
    assert found["simulator_core_percent"] == pytest.approx(10 * cpu_s)
    assert (found["meter_values_per_s"], found["lamp_values_per_s"], found["reader_missed"]) == (4000.0, 30.0, 0)


def test_a_bar_shows_how_far_and_how_long():
    assert bar("x", 25, 100, 10.0) == "  x [########......................]  25 %, about 30 s left"
    assert bar("x", 0, 100, 10.0).endswith("[..............................]   0 %")
    assert bar("x", 120, 100, 10.0).endswith("[##############################] 100 %, about 0 s left")
