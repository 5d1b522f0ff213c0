"""The words of `lentera gateway journal`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

JOURNAL: Mapping[str, tuple[str, str]] = {
    "help.gateway.journal": (
        "Show which readings wait for the cloud, or carry them home in a file.",
        "Tampilkan bacaan yang menunggu cloud, atau bawa pulang dalam sebuah file.",
    ),
    "help.gateway.journal.export": (
        "Write every waiting value as a row into this new file.",
        "Tulis setiap nilai yang menunggu sebagai satu baris ke file baru ini.",
    ),
    "help.gateway.journal.json": ("Print the facts as JSON.", "Cetak faktanya sebagai JSON."),
    "epilog.gateway.journal": (
        """Examples:

\b
  lentera gateway journal gateway.yaml
  lentera gateway journal gateway.yaml --json
  lentera gateway journal gateway.yaml --export /media/stick/cabinet.csv

It only reads, beside a running gateway or after one, so run it on the board as the gateway's user. Parquet needs
pyarrow, which a board does not have: take the CSV home and convert it there. Rates and the card's estimate are means
since the gateway's start. Exit code 1 if there is no journal, it may not be read, or the file could not be written.""",
        """Contoh:

\b
  lentera gateway journal gateway.yaml
  lentera gateway journal gateway.yaml --json
  lentera gateway journal gateway.yaml --export /media/stick/cabinet.csv

Hanya membaca, di samping gateway yang berjalan atau yang sudah berhenti: jalankan di papan sebagai pengguna gateway.
Parquet memerlukan pyarrow, yang tidak ada di papan: bawa CSV dan ubah di kantor. Laju dan perkiraan kartu adalah
rata-rata sejak gateway mulai. Kode keluar 1 bila jurnal tidak ada atau tidak boleh dibaca, atau file gagal ditulis.""",
    ),
    "journal.column.where": ("Waits", "Menunggu"),
    "journal.column.batches": ("Batches", "Kiriman"),
    "journal.column.values": ("Values", "Nilai"),
    "journal.column.size": ("Bytes", "Bita"),
    "journal.column.oldest": ("Oldest", "Tertua"),
    "journal.column.newest": ("Newest", "Terbaru"),
    "journal.column.damaged": ("Damaged", "Rusak"),
    "journal.where.memory": ("in memory", "di memori"),
    "journal.where.card": ("on the card", "di kartu"),
    "journal.where.quarantine": ("in quarantine", "di karantina"),
    "journal.where.unsealed": ("not sealed yet", "belum disegel"),
    "journal.not_running": ("unknown: no gateway runs here", "tidak diketahui: tidak ada gateway berjalan di sini"),
    "journal.rate": ("Values", "Nilai"),
    "journal.rates": (
        "{taken} a second in, {sent} a second out (mean of {basis} since the start)",
        "{taken} per detik masuk, {sent} per detik keluar (rata-rata {basis} sejak mulai)",
    ),
    "journal.card_day": ("Card", "Kartu"),
    "journal.card_estimate": (
        "about {megabytes} MB written a day (from {written} MB in {basis} since the start)",
        "sekitar {megabytes} MB ditulis per hari (dari {written} MB dalam {basis} sejak mulai)",
    ),
    "journal.given_up": ("Given up", "Dilepas"),
    "journal.given_up_values": (
        "since the start, for want of room: {minute} values thinned to one a minute, {quarter} to one in 15 minutes, "
        "{counters} of counters to one in 15 minutes; {dropped} values and {samples} unsealed samples dropped",
        "sejak mulai, karena penuh: {minute} nilai dijarangkan jadi satu per menit, {quarter} jadi satu per 15 menit, "
        "{counters} nilai pencacah jadi satu per 15 menit; {dropped} nilai dan {samples} sampel dibuang",
    ),
    "journal.reading": ("Reading the journal", "Membaca jurnal"),
    "journal.exported": (
        "{count} values are in {path}. They also stay in the journal; readings that reach the cloud twice count once.",
        "{count} nilai ada di {path}. Nilai itu tetap ada di jurnal; yang sampai dua kali di cloud dihitung sekali.",
    ),
    "journal.gone": (
        "{count} files were delivered or moved on while they were looked for; they are left out.",
        "{count} file terkirim atau berpindah saat dicari; file itu dilewati.",
    ),
    "journal.undated": (
        "{count} values have no time yet: the board did not know it. In a file their time is empty.",
        "{count} nilai belum punya waktu: papan belum mengetahuinya. Dalam file, waktunya kosong.",
    ),
    "journal.skipped": (
        "{path} was left out: {reason}. If that is an input/output error, replace the card soon.",
        "{path} dilewati: {reason}. Bila itu kesalahan masukan/keluaran, segera ganti kartunya.",
    ),
    "journal.damaged": (
        "{path}: bytes {start} to {end} do not read and were left out: {reason}.",
        "{path}: bita {start} sampai {end} tidak terbaca dan dilewati: {reason}.",
    ),
    "journal.damage_kept": (
        "Copies of damaged bytes are kept in {folder}: {count}, from {files}.",
        "Salinan bita yang rusak disimpan di {folder}: {count}, dari {files}.",
    ),
    "journal.more_damage": ("... and {count} such places more.", "... dan {count} tempat lain seperti itu."),
    "journal.damage.checksum": ("their checksum is wrong", "checksum-nya salah"),
    "journal.damage.oversized": ("the batch is larger than any may be", "kiriman lebih besar daripada yang boleh"),
    "journal.damage.unsupported_version": (
        "a newer version of Lentera wrote the batch",
        "kiriman ditulis oleh versi Lentera yang lebih baru",
    ),
    "journal.damage.torn": (
        "the last record is not whole, as after a power cut",
        "catatan terakhir tidak utuh, seperti setelah listrik padam",
    ),
    "journal.damage.corrupt": ("the batch contradicts itself", "isi kiriman tidak cocok dengan dirinya sendiri"),
    "journal.damage.truncated": ("the batch is not whole", "kiriman tidak utuh"),
    "journal.damage.unknown": (
        "a newer version of Lentera wrote them",
        "ditulis oleh versi Lentera yang lebih baru",
    ),
    "journal.export.suffix": (
        "{path}: the name says which kind of file it is to be; end it in .csv or .parquet.",
        "{path}: nama menentukan jenis file; akhiri dengan .csv atau .parquet.",
    ),
    "journal.export.no_pyarrow": (
        "{path}: Parquet needs pyarrow, which is not installed here. Export {csv} and convert it in the office, or "
        "install pyarrow on a machine that reads this journal's folders.",
        "{path}: Parquet memerlukan pyarrow, yang tidak terpasang di sini. Ekspor {csv} lalu ubah di kantor, atau "
        "pasang pyarrow di mesin yang membaca folder jurnal ini.",
    ),
    "journal.export.exists": (
        "{path} is there already and is left as it is. Give another name.",
        "{path} sudah ada dan dibiarkan apa adanya. Beri nama lain.",
    ),
    "journal.export.inside": (
        "{path} lies in the journal, where only the gateway writes. Name a folder elsewhere, such as the stick's.",
        "{path} terletak di dalam jurnal, yang hanya ditulis gateway. Pilih folder lain, misalnya di stick.",
    ),
    "journal.export.full": (
        "{path} was not written: {folder} is full ({error}). Make room there or name another stick; nothing half is "
        "left, and the journal still has everything.",
        "{path} tidak ditulis: {folder} penuh ({error}). Kosongkan tempat atau pakai stick lain; tidak ada file "
        "setengah jadi, dan jurnal masih menyimpan semuanya.",
    ),
    "journal.export.refused": (
        "{path} was not written: {error}. Check that {folder} is there and that this user may write in it; the journal "
        "still has everything.",
        "{path} tidak ditulis: {error}. Periksa apakah {folder} ada dan boleh ditulis pengguna ini; jurnal masih "
        "menyimpan semuanya.",
    ),
    "journal.next.not_allowed": (
        "This user may not read all of the journal in {memory} and {card}. Run it as the gateway's user, "
        "such as `sudo -u lentera lentera gateway journal {file}`.",
        "Pengguna ini tidak boleh membaca seluruh jurnal di {memory} dan {card}. Jalankan sebagai pengguna gateway, "
        "misalnya `sudo -u lentera lentera gateway journal {file}`.",
    ),
    "journal.next.nothing_there": (
        "There is no journal in {memory} or {card}: no gateway has run with {file} yet. Check the folders named there, "
        "or start it with `lentera gateway run {file}`.",
        "Tidak ada jurnal di {memory} atau {card}: belum ada gateway yang berjalan dengan {file}. Periksa folder di "
        "dalamnya, atau jalankan dengan `lentera gateway run {file}`.",
    ),
    "journal.next.start": (
        "Next: start the gateway with `lentera gateway run {file}` so that it delivers this, or carry it home with "
        "--export.",
        "Berikutnya: jalankan gateway dengan `lentera gateway run {file}` agar ini terkirim, atau bawa pulang dengan "
        "--export.",
    ),
    "journal.next.start_empty": (
        "Next: nothing waits; start the gateway with `lentera gateway run {file}`, for nothing is read meanwhile.",
        "Berikutnya: tidak ada yang menunggu; jalankan gateway dengan `lentera gateway run {file}`, sebab sekarang "
        "tidak ada yang dibaca.",
    ),
    "journal.next.full": (
        "Next: carry this home with --export now and bring the link back ({link_error}): the journal is full, has "
        "thinned its oldest readings by {thinned} values and given up {dropped} batches.",
        "Berikutnya: bawa pulang dengan --export sekarang dan pulihkan sambungan ({link_error}): jurnal penuh, "
        "{thinned} nilai tertua sudah dijarangkan dan {dropped} kiriman tertua dilepas.",
    ),
    "journal.next.card": (
        "Next: check or replace the card: it takes no data ({card_error}), and a power cut would cost what is in "
        "memory.",
        "Berikutnya: periksa atau ganti kartu: kartu tidak menerima data ({card_error}), dan listrik padam akan "
        "menghilangkan isi memori.",
    ),
    "journal.next.clock": (
        "Next: bring the network or NTP back: the board does not know the time, so nothing is sent; nothing is lost.",
        "Berikutnya: pulihkan jaringan atau NTP: papan belum tahu waktu, jadi belum ada yang dikirim; tidak ada yang "
        "hilang.",
    ),
    "journal.next.link": (
        "Next: check the mobile link ({link_error}); nothing is lost. If it stays down, carry this home with --export.",
        "Berikutnya: periksa sambungan seluler ({link_error}); tidak ada yang hilang. Bila tetap putus, bawa pulang "
        "dengan --export.",
    ),
    "journal.next.damage": (
        "Next: plan to replace the card: what is listed as damaged cannot be read; all else is whole.",
        "Berikutnya: rencanakan penggantian kartu: yang disebut rusak tidak terbaca; selebihnya utuh.",
    ),
    "journal.next.refused": (
        "Next: send the .json files in {card}/quarantine to your administrator: the cloud refused these batches.",
        "Berikutnya: kirim file .json di {card}/quarantine kepada administrator: cloud menolak kiriman ini.",
    ),
    "journal.next.draining": (
        "Next: wait: the link is up and the backlog is on its way, after the live readings.",
        "Berikutnya: tunggu: sambungan hidup dan tunggakan sedang dikirim, setelah bacaan terbaru.",
    ),
    "journal.next.nothing": (
        "Next: nothing; what waits is only what is on its way.",
        "Berikutnya: tidak perlu apa-apa; yang menunggu hanya yang sedang dikirim.",
    ),
}
