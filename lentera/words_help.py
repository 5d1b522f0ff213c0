"""The help of what operators and technicians use, in Indonesian and English; part of the catalogue in language.py.

The help of `demo`, `cloud` and `sim` is for developers and stays English.
"""

from __future__ import annotations

from collections.abc import Mapping

HELP: Mapping[str, tuple[str, str]] = {
    "help.lentera": (
        "Edge gateway, device management and time series for city street lighting and energy meters.",
        "Gateway, pengelolaan perangkat, dan deret waktu untuk lampu jalan dan meter energi kota.",
    ),
    "epilog.lentera": (
        """Start with `lentera demo`, then in a second shell `lentera devices`.

Settings: LENTERA_URL and LENTERA_TOKEN say which cloud; without them the running demo is used. LENTERA_LANG=id speaks
Indonesian.

Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage. With --json the reason is JSON too.""",
        """Mulailah dengan `lentera demo`, lalu di shell kedua `lentera devices`.

Pengaturan: LENTERA_URL dan LENTERA_TOKEN menentukan cloud; tanpa keduanya dipakai demo yang sedang berjalan.
LENTERA_LANG=en berbahasa Inggris.

Kode keluar: 0 selesai, 1 gagal (alasannya di stderr), 2 salah pakai. Dengan --json alasannya juga berupa JSON.""",
    ),
    "help.version": ("Print the version and exit.", "Tampilkan versi lalu keluar."),
    "help.devices": ("List the devices, or show one.", "Tampilkan daftar perangkat, atau satu perangkat."),
    "help.devices.id": ("Show this device with all its values.", "Tampilkan perangkat ini dengan semua nilainya."),
    "help.devices.kind": ("Only this kind: meter or luminaire.", "Hanya jenis ini: meter atau luminaire (lampu)."),
    "help.devices.json": ("Print JSON instead of a table.", "Cetak JSON, bukan tabel."),
    "epilog.devices": (
        """Examples:

\b
  lentera devices
  lentera devices lamp-003
  lentera devices --kind meter --json""",
        """Contoh:

\b
  lentera devices
  lentera devices lamp-003
  lentera devices --kind meter --json""",
    ),
    "help.dim": (
        "Dim one lamp and wait until it has proved its new level.",
        "Redupkan satu lampu dan tunggu sampai tingkat barunya terbukti.",
    ),
    "help.dim.lamp": (
        "The lamp's id, as `lentera devices` shows it.",
        "ID lampu, seperti ditampilkan `lentera devices`.",
    ),
    "help.dim.level": ("Percent of full output, 0 to 100.", "Persen dari terang penuh, 0 sampai 100."),
    "help.dim.ttl": (
        "Seconds after which the command is pointless.",
        "Batas waktu (detik); sesudahnya perintah tidak berguna lagi.",
    ),
    "help.dim.timeout": ("Seconds a try may take.", "Lama satu percobaan, detik."),
    "help.dim.retries": ("More tries after the first.", "Percobaan ulang setelah yang pertama."),
    "help.dim.wait": ("Seconds to wait for the proof.", "Lama menunggu bukti, detik."),
    "help.dim.json": ("Print the command as JSON.", "Cetak perintah sebagai JSON."),
    "epilog.dim": (
        """Examples:

\b
  lentera dim lamp-003 40
  lentera dim lamp-003 0 --ttl 60
  lentera dim lamp-003 100 --json

Exit code 0 only if the lamp proved its level by readback or measured power; an echo of the command is no proof. Exit
code 1 also if it ends as not proved: the lamp may then be at its new level, but nobody knows.""",
        """Contoh:

\b
  lentera dim lamp-003 40
  lentera dim lamp-003 0 --ttl 60
  lentera dim lamp-003 100 --json

Kode keluar 0 hanya jika lampu membuktikan tingkatnya lewat pembacaan ulang atau daya terukur; gema perintah bukan
bukti. Kode keluar 1 juga bila hasilnya tidak terbukti: lampu mungkin sudah berubah, tetapi tidak ada yang tahu.""",
    ),
    "help.series": (
        "Query a device's readings as a table, CSV, JSON or plot.",
        "Ambil data bacaan perangkat sebagai tabel, CSV, JSON, atau grafik.",
    ),
    "help.series.device": ("The device's id.", "ID perangkat."),
    "help.series.quantity": (
        "A quantity; may be given more than once. [default: power_active_total]",
        "Besaran; boleh diberikan lebih dari sekali. [bawaan: power_active_total]",
    ),
    "help.series.last": ("How far back: 30s, 15m, 1h, 2d.", "Seberapa jauh ke belakang: 30s, 15m, 1h, 2d."),
    "help.series.every": (
        "One row an interval: 10s, 1m, 15m; without it every reading.",
        "Satu baris tiap selang: 10s, 1m, 15m; tanpa ini setiap bacaan.",
    ),
    "help.series.aggregate": ("What a row shows of its interval.", "Yang ditampilkan baris dari selangnya."),
    "help.series.format": ("How to print it.", "Cara mencetaknya."),
    "help.series.json": ("The same as --format json.", "Sama dengan --format json."),
    "help.series.plot": ("Draw each quantity in the terminal.", "Gambar tiap besaran di terminal."),
    "epilog.series": (
        """Examples:

\b
  lentera series meter-cabinet --last 1h --every 1m
  lentera series meter-cabinet --quantity power_active_total --quantity voltage_l1 --format csv
  lentera series lamp-003 --last 10m --quantity power_active_total --plot

Times are shown in your local time in tables; in CSV and JSON they are UTC.""",
        """Contoh:

\b
  lentera series meter-cabinet --last 1h --every 1m
  lentera series meter-cabinet --quantity power_active_total --quantity voltage_l1 --format csv
  lentera series lamp-003 --last 10m --quantity power_active_total --plot

Waktu pada tabel adalah waktu setempat; pada CSV dan JSON UTC.""",
    ),
    "help.gateway": ("The program on the board.", "Program pada papan gateway."),
    "help.gateway.file": ("The gateway's YAML file.", "Berkas YAML gateway."),
    "help.gateway.run": ("Run the gateway until it is told to stop.", "Jalankan gateway sampai diminta berhenti."),
    "epilog.gateway.run": (
        """Examples:

\b
  lentera gateway run /etc/lentera/gateway.yaml

It runs until SIGTERM or Ctrl-C, writes JSON lines to stderr and status.json into journal.memory_dir each second.""",
        """Contoh:

\b
  lentera gateway run /etc/lentera/gateway.yaml

Berjalan sampai SIGTERM atau Ctrl-C, menulis baris JSON ke stderr dan status.json ke journal.memory_dir tiap detik.""",
    ),
    "help.gateway.check": (
        "Check a gateway's configuration and show what it would do.",
        "Periksa konfigurasi gateway dan tunjukkan apa yang akan dilakukannya.",
    ),
    "help.gateway.check.json": ("Print the outcome as JSON.", "Cetak hasilnya sebagai JSON."),
    "epilog.gateway.check": (
        """Examples:

\b
  lentera gateway check gateway.yaml
  lentera gateway check gateway.yaml --json

Nothing is started and no wire is touched. Exit code 1 if the gateway would not start.""",
        """Contoh:

\b
  lentera gateway check gateway.yaml
  lentera gateway check gateway.yaml --json

Tidak ada yang dijalankan dan tidak ada jalur yang disentuh. Kode keluar 1 jika gateway tidak akan berjalan. Setiap
kesalahan menyebut berkas, baris, dan kunci; penjelasannya berbahasa Inggris.""",
    ),
    "help.gateway.key": (
        "Make the gateway's private key and print its public half, which the cloud must know.",
        "Buat kunci pribadi gateway dan cetak bagian publiknya, yang harus diketahui cloud.",
    ),
    "help.gateway.key.file": (
        "Where the private key is or shall be.",
        "Tempat kunci pribadi berada atau akan dibuat.",
    ),
    "help.gateway.key.json": ("Print the public key as JSON.", "Cetak kunci publik sebagai JSON."),
    "epilog.gateway.key": (
        """Examples:

\b
  lentera gateway key /etc/lentera/key.pem
  lentera gateway key key.pem --json

An existing key is never replaced: its public half is printed again.""",
        """Contoh:

\b
  lentera gateway key /etc/lentera/key.pem
  lentera gateway key key.pem --json

Kunci yang sudah ada tidak pernah diganti: bagian publiknya dicetak lagi.""",
    ),
}
