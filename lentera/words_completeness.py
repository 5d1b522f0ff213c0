"""The words of `lentera completeness`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

COMPLETENESS: Mapping[str, tuple[str, str]] = {
    "help.completeness": (
        "Show how many values of a device are there, and why the others are missing.",
        "Tampilkan berapa nilai perangkat yang ada, dan mengapa yang lain tidak ada.",
    ),
    "help.completeness.device": (
        "A device's id; without it all devices are listed, the worst first.",
        "ID perangkat; tanpa ini semua perangkat didaftar, yang terburuk lebih dulu.",
    ),
    "help.completeness.from": (
        "First hour: a time such as 2026-11-25T00:00:00Z, or before now such as -7d.",
        "Jam pertama: waktu seperti 2026-11-25T00:00:00Z, atau sebelum sekarang seperti -7d.",
    ),
    "help.completeness.to": ("Last hour, in the same way, or now.", "Jam terakhir, dengan cara yang sama, atau now."),
    "help.completeness.by": (
        "day: a strip a day. hour: also each hour in which something is missing.",
        "day: satu jalur sehari. hour: juga setiap jam yang ada nilai hilang.",
    ),
    "help.completeness.json": ("Print the API's answer as JSON.", "Cetak jawaban API sebagai JSON."),
    "epilog.completeness": (
        """Examples:

\b
  lentera completeness
  lentera completeness meter-cabinet
  lentera completeness lamp-003 --from -2d --by hour

In a strip each character is an hour of the day on this computer's clock: a full block is complete, a lower one is not,
a dot is an hour in which nothing was due or nobody knows what was.""",
        """Contoh:

\b
  lentera completeness
  lentera completeness meter-cabinet
  lentera completeness lamp-003 --from -2d --by hour

Pada jalur, setiap karakter adalah satu jam menurut jam komputer ini: balok penuh berarti lengkap, yang lebih rendah
tidak lengkap, titik berarti tidak ada yang ditunggu atau tidak diketahui.""",
    ),
    "completeness.none": ("There is nothing to show.", "Tidak ada yang dapat ditampilkan."),
    "completeness.undeclared": (
        "How many values are due is not known: the device's gateway does not tell how often it reads (update it). "
        "Stored values: {stored}.",
        "Tidak diketahui berapa nilai yang seharusnya ada: gateway perangkat ini tidak memberi tahu seberapa sering ia "
        "membaca (perbarui gateway). Nilai tersimpan: {stored}.",
    ),
    "completeness.sum": (
        "{percent} complete: {expected} values due, {received} received, {unchanged} unchanged, {estimated} as means, "
        "{missing} missing.",
        "{percent} lengkap: {expected} nilai seharusnya, {received} masuk, {unchanged} tak berubah, {estimated} "
        "sebagai rata-rata, {missing} hilang.",
    ),
    "completeness.more": (
        "These are the worst; all are in the answer with --json.",
        "Ini yang terburuk; semuanya ada pada jawaban dengan --json.",
    ),
    "column.day": ("Day", "Hari"),
    "column.hours": ("Hours 0 to 23", "Jam 0 sampai 23"),
    "column.complete": ("Complete", "Lengkap"),
    "column.missing": ("Missing", "Hilang"),
    "column.reason": ("Why", "Mengapa"),
    "missing.silent": (
        "the device gave no answer, or did not report",
        "perangkat tidak menjawab, atau tidak melapor",
    ),
    "missing.resting": (
        "the device was silent for so long that it was asked only now and then",
        "perangkat diam begitu lama sehingga hanya sesekali ditanya",
    ),
    "missing.refused": ("the device answered with an exception", "perangkat menjawab dengan exception"),
    "missing.device_fault": ("the device says that it is at fault", "perangkat menyatakan dirinya rusak"),
    "missing.unreadable": ("the answer did not fit the question", "jawabannya tidak cocok dengan pertanyaan"),
    "missing.no_value": ("the device answered without any value", "perangkat menjawab tanpa nilai apa pun"),
    "missing.not_given": ("the device answered without this quantity", "perangkat menjawab tanpa besaran ini"),
    "missing.bus_down": (
        "the port, host or broker could not be reached",
        "port, host, atau broker tidak dapat dijangkau",
    ),
    "missing.skipped": ("the bus had no time for the read", "bus tidak sempat membaca"),
    "missing.internal": ("the gateway failed; see its log", "gateway gagal; lihat lognya"),
    "missing.on_the_way": (
        "may still come: the gateway is not connected, or has values left to send",
        "mungkin masih datang: gateway tidak terhubung, atau masih punya nilai untuk dikirim",
    ),
    "missing.unknown": ("nobody has told why", "tidak diketahui sebabnya"),
    "missing.stopped": ("the gateway was stopped", "gateway dihentikan"),
    "missing.killed": ("the gateway's program was killed", "program gateway terbunuh"),
    "missing.power_cut": ("the gateway had no power", "listrik gateway padam"),
    "missing.quota": (
        "the month's data quota was nearly used up; less detail was sent",
        "kuota data bulan itu hampir habis; rincian yang dikirim berkurang",
    ),
    "missing.journal_thinned": (
        "the gateway's journal was full; less detail was kept",
        "jurnal gateway penuh; rincian yang disimpan berkurang",
    ),
    "missing.journal_dropped": (
        "the gateway's journal was full; its oldest values were given up",
        "jurnal gateway penuh; nilai tertua dilepas",
    ),
    "missing.samples_dropped": (
        "the gateway's journal could not keep up",
        "jurnal gateway tidak sanggup mengimbangi",
    ),
    "missing.damaged": ("part of the gateway's journal was damaged", "sebagian jurnal gateway rusak"),
    "missing.clock_unknown": (
        "the gateway never learnt what time it was",
        "gateway tidak pernah mengetahui waktu",
    ),
}
