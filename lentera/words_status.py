"""The words of `lentera gateway status`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

STATUS: Mapping[str, tuple[str, str]] = {
    "help.gateway.status": (
        "Show how a gateway, its buses and its devices do.",
        "Tampilkan keadaan gateway, bus, dan perangkatnya.",
    ),
    "help.gateway.status.json": ("Print status.json as it is.", "Cetak status.json apa adanya."),
    "epilog.gateway.status": (
        """Examples:

\b
  lentera gateway status gateway.yaml
  lentera gateway status gateway.yaml --json

Late cycles began more than a tenth of their interval after their instant; skipped ones found the bus busy and are not
made up for. Load is how much of its time a bus needs for all its polls, as measured.
Exit code 1 if nothing is known.""",
        """Contoh:

\b
  lentera gateway status gateway.yaml
  lentera gateway status gateway.yaml --json

Siklus terlambat dimulai lebih dari sepersepuluh interval setelah saatnya; yang dilewati mendapati bus sibuk dan tidak
dikejar. Beban adalah bagian waktu yang dibutuhkan bus untuk semua pembacaannya, hasil pengukuran. Kode keluar 1 bila
tidak ada yang diketahui.""",
    ),
    "status.link": ("Cloud", "Cloud"),
    "status.link_up": ("connected", "tersambung"),
    "status.link_down": ("not connected: {error}", "tidak tersambung: {error}"),
    "status.no_error": ("no reason known", "sebab tidak diketahui"),
    "status.journal": ("Journal", "Jurnal"),
    "status.waiting": ("{batches} batches wait for the cloud", "{batches} kiriman menunggu cloud"),
    "status.air": ("Air", "Data"),
    "status.air_since": ("{megabytes} MB since {month}", "{megabytes} MB sejak {month}"),
    "status.air_undated": ("{megabytes} MB", "{megabytes} MB"),
    "status.clock": ("Clock", "Waktu"),
    "status.clock_unknown": ("not known yet: nothing is sent", "belum diketahui: belum ada yang dikirim"),
    "status.clock_ahead": (
        "{source}; the board's own clock is {seconds} s ahead of it and is not believed",
        "{source}; jam papan sendiri lebih cepat {seconds} dtk dan tidak dipercaya",
    ),
    "status.clock_behind": (
        "{source}; the board's own clock is {seconds} s behind it and is not believed",
        "{source}; jam papan sendiri lebih lambat {seconds} dtk dan tidak dipercaya",
    ),
    "status.column.load": ("Load", "Beban"),
    "status.column.polls": ("Polls", "Bacaan"),
    "status.column.failures": ("Failed", "Gagal"),
    "status.column.late": ("Late", "Terlambat"),
    "status.column.skipped": ("Skipped", "Dilewati"),
    "status.column.reason": ("Reason", "Alasan"),
    "status.old": (
        "This was written {age} ago: the gateway does not run, or hangs. Start it with `lentera gateway run {file}`.",
        "Ini ditulis {age} lalu: gateway tidak berjalan, atau macet. Jalankan dengan `lentera gateway run {file}`.",
    ),
    "status.none": (
        "{path} is not there or does not read: has this gateway run since the board started? Start it with "
        "`lentera gateway run {file}`.",
        "{path} tidak ada atau tidak terbaca: apakah gateway ini pernah berjalan sejak papan menyala? Jalankan dengan "
        "`lentera gateway run {file}`.",
    ),
}
