"""The words of `lentera gateway read`, `watch` and `write`, in English and Indonesian; part of language.py."""

from __future__ import annotations

from collections.abc import Mapping

DEVICE: Mapping[str, tuple[str, str]] = {
    "help.read": (
        "Read meters now, by quantity or register; a running gateway asks them between its polls.",
        "Baca meter sekarang, per besaran atau register; gateway yang berjalan menanyainya di antara pembacaannya.",
    ),
    "help.read.where": (
        "A gateway's configuration (*.yaml), or a serial port.",
        "Konfigurasi gateway (*.yaml), atau port serial.",
    ),
    "help.read.who": (
        "With a configuration: device ids, none for every meter. With a port: the unit id, 1 to 247.",
        "Dengan konfigurasi: ID perangkat, kosong untuk semua meter. Dengan port: nomor unit, 1 sampai 247.",
    ),
    "help.read.profile": (
        "With a port: profile of the meter; see `lentera profile list`.",
        "Dengan port: profil meter; lihat `lentera profile list`.",
    ),
    "help.read.registers": (
        "Registers as FUNCTION:FIRST-LAST, such as 4:0-5.",
        "Register sebagai FUNGSI:AWAL-AKHIR, misalnya 4:0-5.",
    ),
    "help.read.quantity": ("Only this quantity; may be repeated.", "Hanya besaran ini; boleh diulang."),
    "help.read.baud": ("With a port: its baud rate (9600).", "Dengan port: kecepatannya (9600)."),
    "help.read.parity": ("With a port: parity N, E or O (N).", "Dengan port: paritas N, E, atau O (N)."),
    "epilog.read": (
        """Examples:

\b
  lentera gateway read gateway.yaml
  lentera gateway read gateway.yaml meter-cabinet meter-office --quantity voltage_l1 --json
  lentera gateway read gateway.yaml meter-cabinet --registers 4:0-5 --raw
  lentera gateway read /dev/ttyUSB0 5 --profile eastron_sdm630

Where a gateway runs on the configuration it is asked, as its user: it reads between two polls and stores what it reads.
Where none runs, the ports are opened with the configuration's settings. A port alone is refused while a gateway holds
it: give the configuration instead.""",
        """Contoh:

\b
  lentera gateway read gateway.yaml
  lentera gateway read gateway.yaml meter-cabinet meter-office --quantity voltage_l1 --json
  lentera gateway read gateway.yaml meter-cabinet --registers 4:0-5 --raw
  lentera gateway read /dev/ttyUSB0 5 --profile eastron_sdm630

Bila gateway berjalan dengan konfigurasi itu, gateway yang ditanya, sebagai penggunanya: ia membaca di antara dua
pembacaan dan menyimpan hasilnya. Bila tidak ada, port dibuka dengan setelan konfigurasi. Port saja ditolak selama
gateway memakainya: berikan konfigurasinya.""",
    ),
    "read.nothing": ("Give --profile or --registers.", "Beri --profile atau --registers."),
    "read.no_meter": (
        "{profile} is not a meter's profile; its devices report by themselves on MQTT. See `lentera profile list`.",
        "{profile} bukan profil meter; perangkatnya melapor sendiri lewat MQTT. Lihat `lentera profile list`.",
    ),
    "read.silent": (
        "Unit {unit} does not answer at {settings}. Check the meter's power, its two wires, its unit id, baud rate and "
        "parity; `lentera gateway doctor {port} --units {unit}` names the likely cause.",
        "Unit {unit} tidak menjawab pada {settings}. Periksa listrik meter, dua kabelnya, nomor unit, baud, dan "
        "paritasnya; `lentera gateway doctor {port} --units {unit}` menyebut kemungkinan sebabnya.",
    ),
    "usage.registers": (
        "{text!r} names no registers. Write FUNCTION:FIRST-LAST with function 3 or 4, such as 4:0-5.",
        "{text!r} bukan register. Tulis FUNGSI:AWAL-AKHIR dengan fungsi 3 atau 4, misalnya 4:0-5.",
    ),
    "usage.register_span": (
        "{text!r} cannot be asked at once. Write the first register before the last, {most} registers at most, up to "
        "65535, such as 4:0-5.",
        "{text!r} tidak dapat ditanyakan sekaligus. Tulis register awal sebelum akhir, paling banyak {most} register, "
        "sampai 65535, misalnya 4:0-5.",
    ),
    "usage.address": (
        "{text} is no register's address; addresses go from 0 to 65535.",
        "{text} bukan alamat register; alamat dari 0 sampai 65535.",
    ),
    "usage.ids": (
        "{text!r} is no list of unit ids. Write ids and ranges, such as 1-32,40.",
        "{text!r} bukan daftar nomor unit. Tulis nomor dan rentang, misalnya 1-32,40.",
    ),
    "usage.parity": (
        "{text!r} is no parity. Write N (none), E (even) or O (odd).",
        "{text!r} bukan paritas. Tulis N (tanpa), E (genap), atau O (ganjil).",
    ),
    "read.one_unit": (
        "a port goes with one unit id, 1 to 247; device ids go with a configuration (*.yaml)",
        "port disertai satu nomor unit, 1 sampai 247; ID perangkat disertai konfigurasi (*.yaml)",
    ),
    "read.file_says": (
        "{option} is for a port; the configuration says it already",
        "{option} untuk port; konfigurasi sudah menyebutkannya",
    ),
    "asked.gateway": ("The running gateway asks.", "Gateway yang berjalan bertanya."),
    "asked.directly": (
        "No gateway runs on this configuration; the port is opened here.",
        "Tidak ada gateway yang berjalan dengan konfigurasi ini; port dibuka di sini.",
    ),
    "help.watch": (
        "Read meters again and again until Ctrl-C, through the running gateway or directly.",
        "Baca meter berulang sampai Ctrl-C, lewat gateway yang berjalan atau langsung.",
    ),
    "help.watch.every": ("Seconds between two readings.", "Detik antara dua bacaan."),
    "help.watch.count": ("End after so many readings; 0: never.", "Selesai setelah sekian bacaan; 0: tidak pernah."),
    "epilog.watch": (
        """Examples:

\b
  lentera gateway watch gateway.yaml meter-cabinet --quantity voltage_l1 --quantity power_active_total
  lentera gateway watch gateway.yaml meter-cabinet --raw --every 5
  lentera gateway watch /dev/ttyUSB0 5 --profile eastron_sdm630 --quantity voltage_l1
  lentera gateway watch gateway.yaml --json

With --json each reading is one line.""",
        """Contoh:

\b
  lentera gateway watch gateway.yaml meter-cabinet --quantity voltage_l1 --quantity power_active_total
  lentera gateway watch gateway.yaml meter-cabinet --raw --every 5
  lentera gateway watch /dev/ttyUSB0 5 --profile eastron_sdm630 --quantity voltage_l1
  lentera gateway watch gateway.yaml --json

Dengan --json setiap bacaan satu baris.""",
    ),
    "help.write": (
        "Write a value or holding registers of one meter and read them back.",
        "Tulis nilai atau register satu meter dan baca ulang.",
    ),
    "help.write.who": (
        "With a configuration: the device's id. With a port: the unit id, 1 to 247.",
        "Dengan konfigurasi: ID perangkat. Dengan port: nomor unit, 1 sampai 247.",
    ),
    "help.write.what": (
        "Address of the first register, from 0; or a quantity that the profile lets be written.",
        "Alamat register pertama, dari 0; atau besaran yang boleh ditulis menurut profil.",
    ),
    "help.write.values": (
        "Values of the registers, 0 to 65535; or the quantity's value in its SI unit.",
        "Nilai register, 0 sampai 65535; atau nilai besaran dalam satuan SI.",
    ),
    "help.write.yes": ("Do not ask.", "Jangan bertanya."),
    "epilog.write": (
        """Examples:

\b
  lentera gateway write gateway.yaml meter-office 100 1 --raw
  lentera gateway write gateway.yaml meter-office tariff 2 --yes --json
  lentera gateway write /dev/ttyUSB0 5 tariff 2 --profile own.yaml

A quantity is written where the register has write_function_code in its profile. A running gateway writes before any
poll that waits, and its log says who wrote what. Where the profile is known a meter's unit id is not written: use
`lentera gateway readdress`.""",
        """Contoh:

\b
  lentera gateway write gateway.yaml meter-office 100 1 --raw
  lentera gateway write gateway.yaml meter-office tariff 2 --yes --json
  lentera gateway write /dev/ttyUSB0 5 tariff 2 --profile own.yaml

Besaran ditulis bila registernya punya write_function_code di profil. Gateway yang berjalan menulis sebelum pembacaan
yang menunggu, dan lognya mencatat siapa menulis apa. Bila profilnya diketahui nomor unit meter tidak ditulis: pakai
`lentera gateway readdress`.""",
    ),
    "write.sure": (
        "Write {words} to register {address} of unit {unit}?",
        "Tulis {words} ke register {address} unit {unit}?",
    ),
    "write.sure_device": (
        "Write {words} to register {address} of {device}?",
        "Tulis {words} ke register {address} milik {device}?",
    ),
    "write.sure_value": (
        "Set {quantity} of {device} to {value}?",
        "Setel {quantity} milik {device} ke {value}?",
    ),
    "write.done": ("Written and read back: {after}.", "Ditulis dan dibaca ulang: {after}."),
    "write.done_device": (
        "Written and read back: {after}. Before: {before}.",
        "Ditulis dan dibaca ulang: {after}. Sebelumnya: {before}.",
    ),
    "write.differs": (
        "Written, but {after} was read back instead of {words}. Is the meter locked against changes?",
        "Ditulis, tetapi terbaca {after}, bukan {words}. Apakah meter terkunci?",
    ),
    "write.not_read_back": (
        "The meter took the write, but it could not be read back: {why}",
        "Meter menerima tulisan, tetapi tidak dapat dibaca ulang: {why}",
    ),
    "write.gone": (
        "The meter took the write, but unit {unit} does not answer any more. If register {address} holds its unit id, "
        "baud rate or parity, the meter may have another one now: look for it with `lentera gateway scan {port}`.",
        "Meter menerima tulisan, tetapi unit {unit} tidak menjawab lagi. Bila register {address} menyimpan nomor unit, "
        "baud, atau paritas, setelan meter mungkin sudah berubah: cari dengan `lentera gateway scan {port}`.",
    ),
    "write.unit_id": (
        "Register {address} of {profile} is its unit id, which is not written here. Give the meter another id with "
        "`lentera gateway readdress {port} --ids NEW --factory-id {unit}`: it also makes sure that the id is free.",
        "Register {address} pada {profile} adalah nomor unitnya dan tidak ditulis di sini. Beri nomor lain dengan "
        "`lentera gateway readdress {port} --ids BARU --factory-id {unit}`: nomor itu juga dipastikan belum terpakai.",
    ),
    "write.no_word": ("{text!r} is no register's value, 0 to 65535", "{text!r} bukan nilai register, 0 sampai 65535"),
    "write.one_value": ("{quantity} takes one number in {unit}", "{quantity} memerlukan satu angka dalam {unit}"),
    "write.not_writable": (
        "Profile {profile} names no way to write {quantity}. If the meter's manual has one, add write_function_code to "
        "the register in a profile of your own, or give the register's address.",
        "Profil {profile} tidak menyebut cara menulis {quantity}. Bila ada di manual meter, tambahkan "
        "write_function_code pada register itu di profil sendiri, atau berikan alamat registernya.",
    ),
    "ask.no_devices": ("{file} has no meter that can be asked.", "{file} tidak punya meter yang dapat ditanya."),
    "ask.device_unknown": (
        "The configuration has no device {device!r}; {hint}",
        "Konfigurasi tidak punya perangkat {device!r}; {hint}",
    ),
    "ask.quantity_unknown": (
        "Profile {profile} has no {quantity!r}; {hint}",
        "Profil {profile} tidak punya {quantity!r}; {hint}",
    ),
    "ask.meant": ("did you mean {name}?", "maksudnya {name}?"),
    "ask.there_are": ("there are: {names}", "yang ada: {names}"),
    "ask.reports_itself": (
        "{device} reports by itself on MQTT and is not asked. See what it said last with `lentera devices {device}`, "
        "and why with `lentera gateway why`.",
        "{device} melapor sendiri lewat MQTT dan tidak ditanya. Lihat kabar terakhirnya dengan "
        "`lentera devices {device}`, dan sebabnya dengan `lentera gateway why`.",
    ),
    "remedy.device_timeout": (
        "Check the meter's power, its two wires and its unit id; `lentera gateway doctor` names the likely cause.",
        "Periksa listrik meter, dua kabelnya, dan nomor unitnya; `lentera gateway doctor` menyebut sebabnya.",
    ),
    "remedy.device_refused": (
        "Compare with the meter's manual; to write, some meters must be put into their set-up mode by a button first.",
        "Bandingkan dengan manual meter; untuk menulis, sebagian meter harus masuk mode setel lewat tombol dulu.",
    ),
    "remedy.device_reply": (
        "Nothing of it is used. Check termination, bias and that each id is one meter's.",
        "Jawabannya tidak dipakai. Periksa terminasi, bias, dan satu nomor untuk satu meter.",
    ),
    "remedy.bus_down": (
        "If a gateway holds the port, ask as its user with its own configuration; else stop the program that does.",
        "Bila gateway memakai port itu, tanyalah sebagai penggunanya dengan konfigurasinya sendiri; jika bukan, "
        "hentikan program yang memakainya.",
    ),
    "remedy.busy": (
        "Wait until the other commands have ended (an open `watch` is none of them).",
        "Tunggu sampai perintah lain selesai (`watch` yang terbuka tidak termasuk).",
    ),
    "remedy.unknown_request": (
        "It is of an older release: restart the gateway after an update.",
        "Gateway itu dari rilis lama: jalankan ulang setelah pembaruan.",
    ),
    "remedy.timed_out": (
        "The bus is busy or the meter slow; see `lentera gateway plan`, and ask for less.",
        "Bus sibuk atau meter lambat; lihat `lentera gateway plan`, dan minta lebih sedikit.",
    ),
    "remedy.control_timeout": (
        "See the gateway's log and status.json; it may hang.",
        "Lihat log gateway dan status.json; mungkin macet.",
    ),
    "remedy.gateway_not_running": (
        "It has stopped meanwhile; give the command again and the port is opened directly.",
        "Gateway berhenti sementara itu; beri perintah lagi, port akan dibuka langsung.",
    ),
}
