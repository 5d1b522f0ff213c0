"""The words of `lentera gateways`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

GATEWAYS: Mapping[str, tuple[str, str]] = {
    "help.gateways": (
        "The gateways as the cloud sees them: who is there, what waits, how they deliver.",
        "Gateway menurut cloud: siapa yang ada, apa yang menunggu, cara pengirimannya.",
    ),
    "help.gateways.json": ("Print it as JSON.", "Cetak sebagai JSON."),
    "help.gateways.id": ("The gateway's id.", "ID gateway."),
    "help.gateways.list": ("List the gateways.", "Daftar gateway."),
    "epilog.gateways.list": (
        """Examples:

\b
  lentera gateways list
  lentera gateways list --json

"Waiting" is how many sealed batches the gateway has not delivered yet, as it last told.""",
        """Contoh:

\b
  lentera gateways list
  lentera gateways list --json

"Menunggu" adalah banyaknya kiriman yang belum sampai, menurut kabar terakhir dari gateway.""",
    ),
    "help.gateways.receipts": (
        "Show up to which batch everything of a gateway is stored.",
        "Tampilkan sampai kiriman mana semua data gateway tersimpan.",
    ),
    "epilog.gateways.receipts": (
        """Examples:

\b
  lentera gateways receipts gw-stabat-01
  lentera gateways receipts gw-stabat-01 --json

Each start of a gateway begins an epoch, in which batches are numbered from 1. Up to "complete" every one is stored; a
hole is on its way, waits in the journal, or was given up: `lentera gaps` tells which.""",
        """Contoh:

\b
  lentera gateways receipts gw-stabat-01
  lentera gateways receipts gw-stabat-01 --json

Setiap kali gateway mulai, kiriman dinomori dari 1 dalam epoch baru. Sampai "lengkap" semuanya tersimpan; yang berlubang
sedang di jalan, menunggu di jurnal, atau dilepas: `lentera gaps` menyebutkannya.""",
    ),
    "help.gateways.delivery": (
        "Show or set a gateway's mode, rate and monthly quota.",
        "Tampilkan atau atur mode, laju, dan kuota bulanan gateway.",
    ),
    "help.gateways.delivery.mode": (
        "live: each second; economy: by age or size; own: as the gateway's own file says.",
        "live: tiap detik; economy: menurut umur atau ukuran; own: menurut berkas gateway sendiri.",
    ),
    "help.gateways.delivery.rate": (
        "Bytes a second on the air at most; 0: as the gateway's own file says.",
        "Paling banyak bita per detik di udara; 0: menurut berkas gateway sendiri.",
    ),
    "help.gateways.delivery.quota": (
        "Megabytes a month, both ways; 0: as the gateway's own file says.",
        "Megabita sebulan, dua arah; 0: menurut berkas gateway sendiri.",
    ),
    "help.gateways.delivery.day": (
        "On which day that month begins, 1 to 28; 0: as the gateway's own file says.",
        "Tanggal mulainya bulan itu, 1 sampai 28; 0: menurut berkas gateway sendiri.",
    ),
    "epilog.gateways.delivery": (
        """Examples:

\b
  lentera gateways delivery gw-stabat-01
  lentera gateways delivery gw-stabat-01 --quota-mb 100 --month-day 15
  lentera gateways delivery gw-stabat-01 --mode own

At 80 % of the quota values of the moment become means of a minute, at 95 % of a quarter of an hour; counters, commands
and alarms always travel. The gateway keeps what is set here, also without a link.""",
        """Contoh:

\b
  lentera gateways delivery gw-stabat-01
  lentera gateways delivery gw-stabat-01 --quota-mb 100 --month-day 15
  lentera gateways delivery gw-stabat-01 --mode own

Pada 80 % kuota nilai sesaat menjadi rata-rata semenit, pada 95 % seperempat jam; pencacah, perintah, dan alarm selalu
dikirim. Gateway menyimpan pengaturan ini, juga tanpa sambungan.""",
    ),
    "help.gateways.watch": (
        "Make a gateway live for a while, because somebody looks.",
        "Buat gateway mengirim langsung sebentar, karena ada yang melihat.",
    ),
    "help.gateways.watch.for": (
        "For so many seconds from now; 0 ends it.",
        "Selama sekian detik dari kini; 0 menghentikan.",
    ),
    "epilog.gateways.watch": (
        """Examples:

\b
  lentera gateways watch gw-stabat-01 --for 600
  lentera gateways watch gw-stabat-01 --for 0

It ends by itself: a live gateway takes about ten times as much of its SIM as an economical one. From 80 % of its quota
on a gateway stays in economy all the same, and the command says so.""",
        """Contoh:

\b
  lentera gateways watch gw-stabat-01 --for 600
  lentera gateways watch gw-stabat-01 --for 0

Berakhir sendiri: gateway yang mengirim langsung memakai sekitar sepuluh kali lipat kuota SIM. Mulai 80 % kuota gateway
tetap dalam mode economy, dan perintah ini mengatakannya.""",
    ),
    "gateways.none": ("There are no gateways yet.", "Belum ada gateway."),
    "gateways.no_batches": ("Nothing of this gateway is stored yet.", "Belum ada data gateway ini yang tersimpan."),
    "gateways.column.online": ("Online", "Terhubung"),
    "gateways.column.waiting": ("Waiting", "Menunggu"),
    "gateways.column.seen": ("Heard", "Kabar"),
    "gateways.column.version": ("Version", "Versi"),
    "gateways.column.name": ("Name", "Nama"),
    "gateways.column.epoch": ("Epoch", "Epoch"),
    "gateways.column.high_water": ("Complete", "Lengkap"),
    "gateways.column.newest": ("Newest", "Terbaru"),
    "gateways.column.missing": ("Missing", "Kurang"),
    "gateways.column.holes": ("Holes", "Lubang"),
    "gateways.column.changed": ("Changed", "Berubah"),
    "gateways.own": ("as its own file says", "menurut berkasnya sendiri"),
    "gateways.mode": ("Mode", "Mode"),
    "gateways.rate": ("Rate", "Laju"),
    "gateways.quota": ("Quota a month", "Kuota sebulan"),
    "gateways.month_day": ("Month begins", "Bulan mulai"),
    "gateways.month": ("Used so far", "Terpakai"),
    "gateways.detail": ("Detail", "Rincian"),
    "gateways.full_detail": ("in full", "penuh"),
    "gateways.means": ("means of {seconds} s, for the quota", "rata-rata {seconds} dtk, demi kuota"),
    "gateways.watched": ("Live until", "Langsung sampai"),
    "gateways.watching": ("{gateway} is live until {until}.", "{gateway} mengirim langsung sampai {until}."),
    "gateways.held_back": (
        "{gateway} is watched until {until}, but its quota keeps it in economy: raise it (lentera gateways delivery "
        "{gateway} --quota-mb MB), or wait for its new month.",
        "{gateway} diamati sampai {until}, tetapi kuotanya menahannya dalam mode economy: naikkan (lentera gateways "
        "delivery {gateway} --quota-mb MB), atau tunggu bulan barunya.",
    ),
    "gateways.watch_over": ("{gateway} delivers as set again.", "{gateway} kembali mengirim menurut pengaturan."),
}
