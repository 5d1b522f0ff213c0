"""The words of `lentera gateway why`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

WHY: Mapping[str, tuple[str, str]] = {
    "help.gateway.why": (
        "Say why a value of a device is there or is not.",
        "Jelaskan mengapa suatu nilai perangkat ada atau tidak ada.",
    ),
    "help.gateway.why.device": ("The device's id.", "ID perangkat."),
    "help.gateway.why.quantity": ("The quantity, such as voltage_l1.", "Besaran, misalnya voltage_l1."),
    "help.gateway.why.json": ("Print the answer as JSON.", "Cetak jawabannya sebagai JSON."),
    "epilog.gateway.why": (
        """Examples:

\b
  lentera gateway why gateway.yaml meter-cabinet voltage_l1
  lentera gateway why gateway.yaml meter-cabinet energy_active_import --json

The running gateway is asked, so run it on the board, as the gateway's user. The verdict is one of stored, queued,
deadband, not_yet, no_value, late, dead, refused, absent, unreadable, bus_down.""",
        """Contoh:

\b
  lentera gateway why gateway.yaml meter-cabinet voltage_l1
  lentera gateway why gateway.yaml meter-cabinet energy_active_import --json

Gateway yang sedang berjalan ditanya, jadi jalankan di papan itu sebagai pengguna gateway. Putusannya salah satu dari
stored, queued, deadband, not_yet, no_value, late, dead, refused, absent, unreadable, bus_down.""",
    ),
    "why.stored": (
        "Read {age} ago and delivered: nothing waits for the cloud.",
        "Dibaca {age} lalu dan sudah terkirim: tidak ada yang menunggu cloud.",
    ),
    "why.queued": (
        "Read {age} ago; it waits in the journal with {waiting} batches. Check the mobile link and the cloud; nothing "
        "is lost meanwhile.",
        "Dibaca {age} lalu; menunggu di jurnal bersama {waiting} kiriman. Periksa sambungan seluler dan cloud; "
        "sementara itu tidak ada yang hilang.",
    ),
    "why.deadband": (
        "Read {age} ago as {read}, and left out {left_out} times: it lies within the deadband of {stored}, stored "
        "{stored_age} ago. To store more, make `report.deadband` or `report.heartbeat_s` smaller.",
        "Dibaca {age} lalu sebagai {read}, dan tidak disimpan {left_out} kali: masih dalam deadband dari {stored} yang "
        "disimpan {stored_age} lalu. Agar lebih sering, kecilkan `report.deadband` atau `report.heartbeat_s`.",
    ),
    "why.not_yet": (
        "Not asked for since the gateway started; it is due every {interval}.",
        "Belum ditanyakan sejak gateway mulai; jadwalnya tiap {interval}.",
    ),
    "why.no_value": (
        "The device answered {age} ago and said that it has no such value now.",
        "Perangkat menjawab {age} lalu dan menyatakan tidak punya nilai ini sekarang.",
    ),
    "why.late": (
        "Late: {age} ago was the last try, it is due every {interval}. {detail} See how busy the bus is with "
        "`lentera gateway plan`, and the wiring with `lentera gateway doctor`.",
        "Terlambat: upaya terakhir {age} lalu, jadwalnya tiap {interval}. {detail} Lihat kesibukan bus dengan "
        "`lentera gateway plan`, dan kabelnya dengan `lentera gateway doctor`.",
    ),
    "why.dead": (
        "The device is silent; it is probed now and then. {detail} Check its power, its two wires and its id.",
        "Perangkat diam; sesekali dicoba lagi. {detail} Periksa listrik, dua kabel, dan ID-nya.",
    ),
    "why.refused": (
        "The device refuses it (exception {exception}). {detail} Compare the profile with the meter's manual.",
        "Perangkat menolaknya (exception {exception}). {detail} Bandingkan profil dengan manual meter.",
    ),
    "why.absent": (
        "This model has no such register. {detail} If it should, `lentera gateway plan --forget` has it asked again.",
        "Model ini tidak punya register itu. {detail} Jika seharusnya ada, `lentera gateway plan --forget` akan "
        "menanyakannya lagi.",
    ),
    "why.unreadable": (
        "What came did not fit the question and was not used. {detail} Check termination, bias and that each id is one "
        "device's.",
        "Jawabannya tidak cocok dengan pertanyaan dan tidak dipakai. {detail} Periksa terminasi, bias, dan satu ID "
        "untuk satu perangkat.",
    ),
    "why.bus_down": (
        "The bus cannot be reached. {detail}",
        "Bus tidak dapat dijangkau. {detail}",
    ),
    "why.last_read": ("A value last came {age} ago.", "Nilai terakhir datang {age} lalu."),
    "why.never_read": ("No value has come since the gateway started.", "Belum ada nilai sejak gateway mulai."),
    "why.not_running": (
        "The gateway is not running, so nothing is read. Its last word about {device}: {reason}.",
        "Gateway tidak berjalan, jadi tidak ada yang dibaca. Kata terakhirnya tentang {device}: {reason}.",
    ),
    "why.no_last_word": ("none", "tidak ada"),
}
