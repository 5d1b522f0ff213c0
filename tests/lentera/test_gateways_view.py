"""`lentera gateways`: what its tables say, in both languages. test_client.py runs the commands against a cloud."""

from datetime import UTC, datetime

from lentera.answers import Delivery, EpochReceipts, Gateway, Hole
from lentera.cli.gateways import epoch_row, row_of, show_delivery, watching
from lentera.language import Words

AT = datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)
LOCAL = AT.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def test_a_gateway_that_was_never_heard_has_dashes():
    heard = Gateway(
        gateway_id="gw-1", name="Stabat", online=True, last_seen_at=AT, agent_version="1", journal_waiting=3
    )
    assert row_of(heard, Words("id")) == ["gw-1", "ya", "3", LOCAL, "1", "Stabat"]
    assert row_of(Gateway(gateway_id="gw-2", name=""), Words("en")) == ["gw-2", "?", "-", "-", "-", ""]


def test_holes_are_the_numbers_that_they_span():
    holes = [Hole(first=first, last=first + first % 2) for first in (4, 7, 12, 20, 31, 40)]
    row = epoch_row(EpochReceipts(epoch=7, high_water=3, newest=50, missing=8, holes=holes, changed_at=AT))
    assert row == ["7", "3", "50", "8", "4, 7-8, 12, 20, 31-32 ...", LOCAL]
    whole = EpochReceipts(epoch=7, high_water=50, newest=50, missing=0, holes=[], changed_at=AT)
    assert epoch_row(whole)[3:5] == ["0", "-"]


def test_a_delivery_says_what_is_set_and_what_the_quota_costs(capsys):
    show_delivery(
        Delivery(gateway_id="gw-1", quota_bytes=100_000_000, month_bytes=81_234_567, detail_s=60), Words("en")
    )
    out = capsys.readouterr().out
    assert [line.split("  ")[-1].strip() for line in out.splitlines()] == [
        *("gw-1", "as its own file says", "as its own file says", "100 MB", "as its own file says", "81.2 MB"),
        *("means of 60 s, for the quota", "-"),
    ]
    show_delivery(Delivery(gateway_id="gw-1", mode="live", rate_bytes_s=8000, watched_until=AT), Words("id"))
    out = capsys.readouterr().out
    assert "8000 B/s" in out
    assert "penuh" in out
    assert f"{AT.astimezone():%H:%M:%S}" in out


def test_who_watches_is_told_when_the_quota_keeps_the_gateway_in_economy():
    live = Delivery(gateway_id="gw-1", watched_until=AT)
    held = Delivery(gateway_id="gw-1", watched_until=AT, detail_s=60, held_back_by_quota=True)
    until = f"{AT.astimezone():%H:%M:%S}"
    assert watching(live, Words("en")) == f"gw-1 is live until {until}."
    assert watching(held, Words("en")).startswith(f"gw-1 is watched until {until}, but its quota keeps it in economy")
    assert watching(live, Words("id")) == f"gw-1 mengirim langsung sampai {until}."
    assert "kuotanya menahannya" in watching(held, Words("id"))
    for language in ("en", "id"):
        assert "lentera gateways delivery gw-1 --quota-mb" in watching(held, Words(language))
