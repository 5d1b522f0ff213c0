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
deadband, set_aside, not_yet, no_value, late, dead, refused, device_fault, absent, unreadable, bus_down.""",
        """Contoh:

\b
  lentera gateway why gateway.yaml meter-cabinet voltage_l1
  lentera gateway why gateway.yaml meter-cabinet energy_active_import --json

Gateway yang sedang berjalan ditanya, jadi jalankan di papan itu sebagai pengguna gateway. Putusannya salah satu dari
stored, queued, deadband, set_aside, not_yet, no_value, late, dead, refused, device_fault, absent, unreadable,
bus_down.""",
    ),
    "why.stored": (
        "Read {age} ago, and the cloud has it.",
        "Dibaca {age} lalu, dan sudah ada di cloud.",
    ),
    "why.queued": (
        "Read {age} ago and on its way: the cloud has not acknowledged it yet. Ask again in a minute; if it still "
        "waits, look at the cloud with `lentera devices`. Sealed batches that wait: {waiting}.",
        "Dibaca {age} lalu dan sedang dikirim: cloud belum mengonfirmasi. Tanyakan lagi semenit lagi; jika masih "
        "menunggu, periksa cloud dengan `lentera devices`. Kiriman tersegel yang menunggu: {waiting}.",
    ),
    "why.queued_no_link": (
        "Read {age} ago; it waits in the journal, because the cloud cannot be reached. Check the mobile link and the "
        "cloud; nothing is lost meanwhile. Sealed batches that wait: {waiting}.",
        "Dibaca {age} lalu; menunggu di jurnal karena cloud tak terjangkau. Periksa sambungan seluler dan cloud; "
        "sementara itu tidak ada yang hilang. Kiriman tersegel yang menunggu: {waiting}.",
    ),
    "why.queued_no_clock": (
        "Read {age} ago; it waits in the journal, because the board does not know the time yet. It learns it from the "
        "cloud or by NTP; nothing is lost meanwhile. Sealed batches that wait: {waiting}.",
        "Dibaca {age} lalu; menunggu di jurnal karena papan belum tahu waktu. Waktu didapat dari cloud atau NTP; "
        "sementara itu tidak ada yang hilang. Kiriman tersegel yang menunggu: {waiting}.",
    ),
    "why.set_aside": (
        "Read {age} ago and sent, but the cloud refused it: {detail} Tell the administrator; the values are kept in "
        "the gateway's quarantine.",
        "Dibaca {age} lalu dan dikirim, tetapi ditolak cloud: {detail} Beri tahu administrator; nilainya disimpan di "
        "karantina gateway.",
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
        "Late: {age} ago was the last try, it is due every {interval}. {detail} See the wiring with "
        "`lentera gateway doctor`.",
        "Terlambat: upaya terakhir {age} lalu, jadwalnya tiap {interval}. {detail} Periksa kabelnya dengan "
        "`lentera gateway doctor`.",
    ),
    "why.late_busy": (
        "Late: the bus is at {load} % of its time; {skipped} cycles of {interval} were skipped in the last "
        "{skipped_age}. {detail} Raise `every_s`, or share the meters between two buses; `lentera gateway plan` shows "
        "what each request costs.",
        "Terlambat: bus terisi {load} % dari waktunya; {skipped} siklus {interval} dilewati dalam {skipped_age} "
        "terakhir. {detail} Perbesar `every_s` atau bagi meternya ke dua bus; `lentera gateway plan` menunjukkan biaya "
        "tiap permintaan.",
    ),
    "why.dead": (
        "The device is silent; it is probed now and then. {detail} Check its power, its two wires and its id.",
        "Perangkat diam; sesekali dicoba lagi. {detail} Periksa listrik, dua kabel, dan ID-nya.",
    ),
    "why.refused": (
        "The device refuses it (exception {exception}). {detail} Compare the profile with the meter's manual.",
        "Perangkat menolaknya (exception {exception}). {detail} Bandingkan profil dengan manual meter.",
    ),
    "why.refused_busy": (
        "The device has no time to answer just now (exception {exception}) and is asked again at its next turn. "
        "{detail} If it stays so, raise `every_s`.",
        "Perangkat sedang sibuk (exception {exception}) dan ditanya lagi pada giliran berikutnya. {detail} Jika terus "
        "begitu, perbesar `every_s`.",
    ),
    "why.device_fault": (
        "The device says that it is at fault itself (exception {exception}). {detail} Switch it off and on; if the "
        "fault comes back, have it replaced.",
        "Perangkat menyatakan dirinya rusak (exception {exception}). {detail} Matikan lalu nyalakan; jika kembali "
        "rusak, mintalah penggantian.",
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
    "why.quality.suspect": (
        "The value that last came is uncertain (suspect): {doubt}. Compare it with the meter's display.",
        "Nilai terakhir meragukan (suspect): {doubt}. Bandingkan dengan layar meter.",
    ),
    "why.quality.stale": (
        "The value that last came is old (stale): {doubt}. See whether the device still reports.",
        "Nilai terakhir sudah lama (stale): {doubt}. Periksa apakah perangkat masih melapor.",
    ),
    "why.quality.implausible": (
        "The value that last came failed a rule of its profile (implausible): {doubt}. Compare it with the meter's "
        "display, then profile, word order and current transformers.",
        "Nilai terakhir melanggar aturan profilnya (implausible): {doubt}. Bandingkan dengan layar meter, lalu periksa "
        "profil, urutan word, dan trafo arus.",
    ),
    "why.quality.device_fault": (
        "The device was at fault when it gave the last value (device_fault): {doubt}. Switch it off and on; if the "
        "fault comes back, have it replaced.",
        "Perangkat sedang rusak saat memberi nilai terakhir (device_fault): {doubt}. Matikan lalu nyalakan; jika "
        "kembali rusak, mintalah penggantian.",
    ),
    "why.last_read": ("A value last came {age} ago.", "Nilai terakhir datang {age} lalu."),
    "why.never_read": ("No value has come since the gateway started.", "Belum ada nilai sejak gateway mulai."),
    "why.not_running": (
        "The gateway is not running, so nothing is read. Its last word about {device}: {reason}.",
        "Gateway tidak berjalan, jadi tidak ada yang dibaca. Kata terakhirnya tentang {device}: {reason}.",
    ),
    "why.no_last_word": ("none", "tidak ada"),
}
