"""The words of commissioning (scan, readdress), in Indonesian and English."""

from __future__ import annotations

from collections.abc import Mapping

COMMISSION: Mapping[str, tuple[str, str]] = {
    "help.commission.port": (
        "Serial port, best as /dev/serial/by-id/...; without it the ports of this board are listed.",
        "Port serial, sebaiknya /dev/serial/by-id/...; tanpa itu port papan ini ditampilkan.",
    ),
    "help.commission.line": ("Serial port of the line.", "Port serial jalurnya."),
    "help.commission.json": ("Print JSON.", "Cetak JSON."),
    "help.commission.baud": ("Baud rate of the line.", "Kecepatan (baud) jalur."),
    "help.commission.parity": ("Parity: N, E or O.", "Paritas: N, E, atau O."),
    "help.commission.raw": ("Show the bytes sent and heard.", "Tampilkan byte yang dikirim dan didengar."),
    "help.scan": (
        "Find the meters on a line or host and name their models; nothing is written to them.",
        "Cari meter pada jalur atau host dan kenali modelnya; tidak ada yang ditulis ke meter.",
    ),
    "help.scan.host": ("Scan a Modbus TCP host instead of a port.", "Pindai host Modbus TCP, bukan port."),
    "help.scan.tcp_port": ("TCP port of the host.", "Port TCP host itu."),
    "help.scan.rtu_over_tcp": (
        "The host is a converter before a serial line, with frames of Modbus RTU.",
        "Host adalah konverter ke jalur serial, dengan bingkai Modbus RTU.",
    ),
    "help.scan.units": ("Only these unit ids, such as 1-32,40.", "Hanya nomor unit ini, misalnya 1-32,40."),
    "help.scan.parity": ("Parity: N, E or O; with --baud.", "Paritas: N, E, atau O; bersama --baud."),
    "help.scan.expect": ("End when this many are found.", "Selesai bila sebanyak ini ditemukan."),
    "help.scan.minutes": (
        "End after so many minutes; without it a uniform line takes 2, a mixed one up to 10.",
        "Selesai setelah sekian menit; tanpa ini jalur seragam 2 menit, jalur campuran paling lama 10.",
    ),
    "help.scan.write": (
        "Write a configuration with what was found to this file.",
        "Tulis konfigurasi dari yang ditemukan ke file ini.",
    ),
    "help.scan.gateway": ("Id of the gateway, for the configuration.", "ID gateway, untuk konfigurasi."),
    "help.scan.cloud": ("Address of the cloud's link, for the configuration.", "Alamat cloud, untuk konfigurasi."),
    "epilog.scan": (
        """Examples:

\b
  lentera gateway scan
  lentera gateway scan /dev/serial/by-id/usb-FTDI-if00 --write gateway.yaml
  lentera gateway scan /dev/ttyUSB0 --baud 9600 --parity N --units 1-32
  lentera gateway scan --host 192.168.10.20 --json
  lentera gateway scan --host 192.168.10.21 --tcp-port 4001 --rtu-over-tcp

By day, with the feeders off, every load is zero: what volts and hertz cannot decide is listed as `needs load`, never
guessed. Scan again when the lamps are on.""",
        """Contoh:

\b
  lentera gateway scan
  lentera gateway scan /dev/serial/by-id/usb-FTDI-if00 --write gateway.yaml
  lentera gateway scan /dev/ttyUSB0 --baud 9600 --parity N --units 1-32
  lentera gateway scan --host 192.168.10.20 --json
  lentera gateway scan --host 192.168.10.21 --tcp-port 4001 --rtu-over-tcp

Siang hari, saat penyulang padam, semua beban nol: yang tidak dapat dipastikan dari volt dan hertz ditandai
`perlu beban`, tidak pernah ditebak. Pindai lagi saat lampu menyala.""",
    ),
    "scan.ports": ("Ports of this board:", "Port pada papan ini:"),
    "scan.no_ports": (
        "No serial port was found. Plug the RS-485 adapter in and try again.",
        "Tidak ada port serial. Pasang adaptor RS-485 lalu coba lagi.",
    ),
    "scan.none": (
        "Nobody answered. Look for the cause with `lentera gateway doctor {port}`.",
        "Tidak ada yang menjawab. Cari sebabnya dengan `lentera gateway doctor {port}`.",
    ),
    "scan.none_host": (
        "Nobody answered at {port}. Check its TCP port; a converter that passes bytes on wants --rtu-over-tcp.",
        "Tidak ada yang menjawab di {port}. Periksa port TCP-nya; konverter serial perlu --rtu-over-tcp.",
    ),
    "scan.maybe": ("Unit {place} may be:", "Unit {place} mungkin:"),
    "scan.phases": ("phases: {count}", "fasa: {count}"),
    "undecided.no_load": (
        "No load now: scan again when the lamps are on, or look for one of these models on its nameplate.",
        "Sekarang tanpa beban: pindai lagi saat lampu menyala, atau cari salah satu model ini pada pelat namanya.",
    ),
    "undecided.dead_phase": (
        "{phases} without volts: only some phases are wired, or a fuse is out. Its nameplate and terminals tell.",
        "{phases} tanpa tegangan: hanya sebagian fasa tersambung, atau sekering putus. Lihat pelat nama dan terminal.",
    ),
    "undecided.same_answers": (
        "They answer alike under load too: only the nameplate tells.",
        "Jawabannya sama walau berbeban: hanya pelat nama yang memastikan.",
    ),
    "undecided.no_proof": (
        "Too little of what it measures can be checked: look at its nameplate.",
        "Terlalu sedikit yang dapat diperiksa: lihat pelat namanya.",
    ),
    "scan.done": (
        "{count} found in {seconds:.0f} s with {questions} questions.",
        "{count} ditemukan dalam {seconds:.0f} dtk dengan {questions} pertanyaan.",
    ),
    "units.of_line": (
        "{ids}: unit ids of a line are 1 to 247; 0 calls all units at once and none answers, 248 to 255 are reserved",
        "{ids}: nomor unit pada jalur 1 sampai 247; 0 memanggil semua unit dan tak satu pun menjawab, 248 sampai 255 "
        "dicadangkan",
    ),
    "units.of_host": (
        "{ids}: unit ids of a Modbus TCP host are 1 to 247, and 0 or 255 for the host itself; 248 to 254 are reserved",
        "{ids}: nomor unit host Modbus TCP 1 sampai 247, dan 0 atau 255 untuk host itu sendiri; 248 sampai 254 "
        "dicadangkan",
    ),
    "scan.port_or_host": (
        "--host and the port {port} exclude each other: give one of them",
        "--host dan port {port} tidak dapat bersama: beri salah satu",
    ),
    "scan.parity_alone": (
        "--parity needs --baud: without it every usual setting is tried",
        "--parity memerlukan --baud: tanpa itu semua setelan umum dicoba",
    ),
    "scan.file_taken": (
        "{file} is there already, nothing was asked yet; give another name, or move it away first.",
        "{file} sudah ada, belum ada yang ditanya; beri nama lain, atau pindahkan dulu.",
    ),
    "scan.no_folder": (
        "{file} cannot be written, nothing was asked yet: there is no folder {folder}. Make it first.",
        "{file} tidak dapat ditulis, belum ada yang ditanya: folder {folder} tidak ada. Buat dulu.",
    ),
    "scan.folder_closed": (
        "{file} cannot be written, nothing was asked yet: this user may not write into {folder}. Give another folder.",
        "{file} tidak dapat ditulis, belum ada yang ditanya: pengguna ini tidak boleh menulis ke {folder}. Beri folder "
        "lain.",
    ),
    "scan.stopped": (
        "The scan was stopped; the {count} found so far are listed. Scan again for the rest.",
        "Pemindaian dihentikan; {count} yang sudah ditemukan ada di daftar. Pindai lagi untuk sisanya.",
    ),
    "scan.port_gone": (
        "Scan ended early: {port} went away ({why}). The {count} found so far are listed. Plug the adapter in firmly, "
        "then scan again; if it goes again, try another cable or USB socket.",
        "Pemindaian berakhir lebih awal: {port} hilang ({why}). {count} yang sudah ditemukan ada di daftar. Pasang "
        "adaptor dengan kuat, lalu pindai lagi; bila hilang lagi, coba kabel atau soket USB lain.",
    ),
    "scan.host_gone": (
        "Scan ended early: {port} closed the connection ({why}). The {count} found so far are listed. Look whether "
        "somebody else is connected to it, then scan again.",
        "Pemindaian berakhir lebih awal: {port} menutup sambungan ({why}). {count} yang sudah ditemukan ada di daftar. "
        "Periksa apakah ada yang lain tersambung ke sana, lalu pindai lagi.",
    ),
    "scan.nothing_to_write": (
        "{file} was not written: no meter was identified yet.",
        "{file} tidak ditulis: belum ada meter yang dikenali.",
    ),
    "scan.noisy": (
        "Many answers were broken: look for the cause with `lentera gateway doctor {port}`, then scan again.",
        "Banyak jawaban rusak: cari sebabnya dengan `lentera gateway doctor {port}`, lalu pindai lagi.",
    ),
    "scan.not_asked": (
        "Not asked: {places}. Give --minutes 20 for everything.",
        "Belum ditanya: {places}. Beri --minutes 20 untuk semuanya.",
    ),
    "scan.reset": (
        "Unit {unit} is at {settings}; one line has one setting. Set it to {wanted} on the meter, then scan again.",
        "Unit {unit} memakai {settings}; satu jalur hanya satu setelan. Ubah ke {wanted} pada meter, lalu pindai lagi.",
    ),
    "scan.written": (
        "{file}: {count} meters, each every {every} s. Check it with `lentera gateway check {file}`.",
        "{file}: {count} meter, masing-masing tiap {every} dtk. Periksa dengan `lentera gateway check {file}`.",
    ),
    "scan.one_device": (
        "The host answers to every unit id: it is one device.",
        "Host menjawab setiap nomor unit: itu satu perangkat.",
    ),
    "outcome.identified": ("identified", "dikenali"),
    "outcome.needs_load": ("needs load", "perlu beban"),
    "outcome.ambiguous": ("ambiguous", "lebih dari satu"),
    "outcome.unknown": ("unknown model", "model tak dikenal"),
    "outcome.not_looked_at": ("not looked at yet", "belum diperiksa"),
    "outcome.clash": ("two devices on one id", "dua perangkat satu nomor"),
    "column.settings": ("Settings", "Setelan"),
    "column.outcome": ("Result", "Hasil"),
    "column.detail": ("Detail", "Rincian"),
    "scan.swapped": ("words swapped", "word ditukar"),
    "help.readdress": (
        "Give new meters their unit ids, one at a time, with read-back.",
        "Beri meter baru nomor unitnya, satu per satu, dengan baca ulang.",
    ),
    "help.readdress.ids": ("Ids to give, such as 1-12.", "Nomor yang diberikan, misalnya 1-12."),
    "help.readdress.factory": ("Id that new meters have.", "Nomor meter baru dari pabrik."),
    "epilog.readdress": (
        """Examples:

\b
  lentera gateway readdress /dev/ttyUSB0 --ids 1-12
  lentera gateway readdress /dev/ttyUSB0 --ids 1-12 --json

Switch all new meters off first. The factory's id is given last. Only models whose register for the id is known from
their maker are written to.""",
        """Contoh:

\b
  lentera gateway readdress /dev/ttyUSB0 --ids 1-12
  lentera gateway readdress /dev/ttyUSB0 --ids 1-12 --json

Matikan dulu semua meter baru. Nomor pabrik diberikan terakhir. Hanya model yang register nomornya diketahui dari
pembuatnya yang ditulisi.""",
    ),
    "readdress.taken": ("Taken already: {ids}.", "Sudah terpakai: {ids}."),
    "readdress.next": (
        "[{done}/{of}] Switch on the next meter; it will get id {unit}.",
        "[{done}/{of}] Nyalakan meter berikutnya; nomornya akan menjadi {unit}.",
    ),
    "readdress.given": ("The meter has id {unit} now.", "Meter kini bernomor {unit}."),
}
