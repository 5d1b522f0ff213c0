"""The words of `lentera gateway plan`, in Indonesian and English; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

PLAN: Mapping[str, tuple[str, str]] = {
    "help.gateway.plan": (
        "Show the requests that each bus would carry and how busy it would be; refuse what cannot work.",
        "Tampilkan permintaan yang akan dibawa tiap bus dan seberapa sibuk; tolak yang tidak mungkin.",
    ),
    "help.gateway.plan.json": ("Print the plan as JSON.", "Cetak rencananya sebagai JSON."),
    "help.gateway.plan.forget": (
        "Forget which registers meters refused, so that all of them are asked for again.",
        "Lupakan register yang pernah ditolak meter, sehingga semuanya ditanyakan lagi.",
    ),
    "epilog.gateway.plan": (
        """Examples:

\b
  lentera gateway plan gateway.yaml
  lentera gateway plan gateway.yaml --json
  lentera gateway plan gateway.yaml --forget

Nothing is started and no wire is touched. Times include the frames, the gaps between them and the time that a meter
takes before it answers; the running gateway measures that time and plans again where it differs. Exit code 1 if a bus
would need more than a second of each second: the gateway does not start then. With --forget the gateway must not run:
it would write down again what it knows.""",
        """Contoh:

\b
  lentera gateway plan gateway.yaml
  lentera gateway plan gateway.yaml --json
  lentera gateway plan gateway.yaml --forget

Tidak ada yang dijalankan dan tidak ada jalur yang disentuh. Waktu mencakup bingkai, jeda di antaranya, dan waktu yang
dibutuhkan meter sebelum menjawab; gateway yang berjalan mengukur waktu itu dan merencanakan ulang bila berbeda. Kode
keluar 1 jika sebuah bus memerlukan lebih dari satu detik tiap detik: gateway tidak akan berjalan. Dengan --forget
gateway harus berhenti dulu: kalau tidak, ia mencatat lagi yang diketahuinya.""",
    ),
    "plan.bus": (
        "{bus}: {address}; busy {load:.1%} of each second, {requests} requests",
        "{bus}: {address}; sibuk {load:.1%} dari tiap detik, {requests} permintaan",
    ),
    "plan.column.device": ("Device", "Perangkat"),
    "plan.column.request": ("Request", "Permintaan"),
    "plan.column.values": ("Values", "Nilai"),
    "plan.column.every": ("Every", "Setiap"),
    "plan.column.wire": ("On the wire", "Di jalur"),
    "plan.column.share": ("Of each second", "Dari tiap detik"),
    "plan.hole": (
        "A hole of up to {registers} registers is carried along: asking twice would cost more (turnaround {turnaround} "
        "ms).",
        "Celah hingga {registers} register ikut dibaca: bertanya dua kali lebih mahal (waktu jawab {turnaround} ms).",
    ),
    "plan.absent": ("{device} does not have: {quantities}", "{device} tidak memiliki: {quantities}"),
    "plan.full": (
        "{bus} cannot keep its promises: it would need {load:.2f} s of each second. Any one of these makes it fit:",
        "{bus} tidak mungkin: memerlukan {load:.2f} detik tiap detik. Salah satu dari ini membuatnya muat:",
    ),
    "plan.remedy.interval": (
        "read less often: every_s {value:g} where it is shortest now, the others in proportion ({load:.0%} busy)",
        "baca lebih jarang: every_s {value:g} di tempat yang kini terpendek, yang lain sebanding ({load:.0%} sibuk)",
    ),
    "plan.remedy.counters": (
        "read the energy counters each {value:g} s with `paces` ({load:.0%} busy)",
        "baca penghitung energi setiap {value:g} detik dengan `paces` ({load:.0%} sibuk)",
    ),
    "plan.remedy.baud": (
        "set meters and bus to baud {value:.0f} ({load:.0%} busy)",
        "atur meter dan bus ke baud {value:.0f} ({load:.0%} sibuk)",
    ),
    "plan.remedy.lines": (
        "divide the meters among {value:.0f} lines ({load:.0%} busy each)",
        "bagi meter ke {value:.0f} jalur (masing-masing {load:.0%} sibuk)",
    ),
    "plan.ok": ("{file}: every bus can keep its promises.", "{file}: setiap bus mampu memenuhi rencananya."),
    "plan.failed": (
        "{file}: {count} bus(es) cannot keep what the configuration promises; the gateway would not start.",
        "{file}: {count} bus tidak mampu memenuhi konfigurasi; gateway tidak akan berjalan.",
    ),
    "plan.forgot": ("{folder}: what meters refused is forgotten.", "{folder}: penolakan meter sudah dilupakan."),
    "plan.nothing_to_forget": (
        "{folder}: nothing was remembered about meters.",
        "{folder}: tidak ada catatan tentang meter.",
    ),
}
