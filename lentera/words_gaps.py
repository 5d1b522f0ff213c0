"""The words of `lentera gaps`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

GAPS: Mapping[str, tuple[str, str]] = {
    "help.gaps": (
        "Show when values of gateways may be missing, and why.",
        "Tampilkan kapan nilai dari gateway mungkin hilang, dan sebabnya.",
    ),
    "help.gaps.gateway": ("Id of one gateway; without it, all.", "Id satu gateway; tanpa itu, semuanya."),
    "help.gaps.from": (
        "Gaps that end after this: RFC 3339, or a span before now like -7d.",
        "Celah yang berakhir sesudah ini: RFC 3339, atau rentang sebelum kini seperti -7d.",
    ),
    "help.gaps.to": ("Gaps that begin before this.", "Celah yang mulai sebelum ini."),
    "help.gaps.json": ("Print the gaps as JSON.", "Cetak celahnya sebagai JSON."),
    "epilog.gaps": (
        """Examples:

\b
  lentera gaps
  lentera gaps gw-stabat-01 --from -30d
  lentera gaps --json

Each gateway tells after its start what its last end may have cost, and at any time what it had to give up. "Left" says
what is there all the same: nothing, or one value in a minute or a quarter of an hour.""",
        """Contoh:

\b
  lentera gaps
  lentera gaps gw-stabat-01 --from -30d
  lentera gaps --json

Setiap gateway melapor sesudah mulai apa yang mungkin hilang saat terakhir berhenti, dan kapan saja apa yang terpaksa
dilepas. "Tersisa" menyebut apa yang tetap ada: tidak ada, atau satu nilai per menit atau per seperempat jam.""",
    ),
    "gaps.none": ("No gap is known in this time.", "Tidak ada celah yang diketahui pada waktu ini."),
    "gaps.more": (
        "There are more: ask for a shorter time with --from and --to.",
        "Masih ada lagi: minta waktu yang lebih pendek dengan --from dan --to.",
    ),
    "gaps.column.from": ("From", "Dari"),
    "gaps.column.to": ("To", "Sampai"),
    "gaps.column.why": ("Why", "Sebab"),
    "gaps.column.left": ("Left", "Tersisa"),
    "gaps.column.devices": ("Devices", "Perangkat"),
    "gaps.all": ("all", "semua"),
    "gaps.nothing": ("nothing", "tidak ada"),
    "gaps.one_in": ("one in {seconds} s", "satu per {seconds} dtk"),
    "gap.killed": ("the program was killed or crashed", "program dimatikan paksa atau rusak"),
    "gap.power_cut": ("the board had no power, or hung", "papan tanpa listrik, atau macet"),
    "gap.stopped": ("the program was stopped", "program dihentikan"),
    "gap.journal_thinned": ("the journal was full: thinned", "jurnal penuh: dijarangkan"),
    "gap.journal_dropped": ("the journal was full: given up", "jurnal penuh: dilepas"),
    "gap.samples_dropped": ("the journal could not keep up", "jurnal tidak sanggup mengikuti"),
    "gap.damaged": ("bytes of the journal do not read", "bita jurnal tidak terbaca"),
    "gap.clock_unknown": ("the board did not know the time", "papan tidak tahu waktu"),
    "gap.quota": ("the month's bytes are used up", "kuota bulan ini habis"),
    "gap.refused": ("the cloud refused them", "ditolak oleh cloud"),
    "gaps.untold": ("Known gaps", "Celah yang diketahui"),
    "gaps.untold_count": ("{count} not told to the cloud yet", "{count} belum dilaporkan ke cloud"),
}
