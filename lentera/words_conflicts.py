"""The words of `lentera conflicts`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

CONFLICTS: Mapping[str, tuple[str, str]] = {
    "help.conflicts": (
        "Show values that came for a time at which another was stored already.",
        "Tampilkan nilai yang datang untuk waktu yang sudah punya nilai lain.",
    ),
    "help.conflicts.device": ("Id of one device; without it, all.", "ID satu perangkat; tanpa itu, semuanya."),
    "help.conflicts.quantity": ("Of one quantity only.", "Hanya satu besaran."),
    "help.conflicts.from": (
        "Readings from this time on: RFC 3339, or a span before now like -7d.",
        "Bacaan mulai waktu ini: RFC 3339, atau rentang sebelum kini seperti -7d.",
    ),
    "help.conflicts.to": ("Readings before this time.", "Bacaan sebelum waktu ini."),
    "help.conflicts.json": ("Print it as JSON.", "Cetak sebagai JSON."),
    "epilog.conflicts": (
        """Examples:

\b
  lentera conflicts
  lentera conflicts meter-cabinet --from -30d
  lentera conflicts --json

What came first stays in the series; the other is kept beside it. Usual causes: two boards with one identity, two
gateways on one meter, a clock that was set back.""",
        """Contoh:

\b
  lentera conflicts
  lentera conflicts meter-cabinet --from -30d
  lentera conflicts --json

Yang datang dahulu tetap di deret; yang lain disimpan di sampingnya. Sebab yang lazim: dua papan dengan satu identitas,
dua gateway pada satu meter, jam yang dimundurkan.""",
    ),
    "conflicts.none": (
        "No values contradict each other in this time; over all time {kept} are kept.",
        "Tidak ada nilai yang bertentangan pada waktu ini; sepanjang masa tersimpan {kept}.",
    ),
    "conflicts.more": (
        "There are more: ask for a shorter time or for one device.",
        "Masih ada lagi: minta waktu yang lebih pendek atau satu perangkat.",
    ),
    "conflicts.column.device": ("Device", "Perangkat"),
    "conflicts.column.quantity": ("Quantity", "Besaran"),
    "conflicts.column.at": ("At", "Waktu"),
    "conflicts.column.stored": ("Stored", "Tersimpan"),
    "conflicts.column.other": ("Other", "Lainnya"),
    "conflicts.column.batch": ("Brought by", "Dibawa oleh"),
}
