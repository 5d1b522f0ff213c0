"""The words of `lentera gateway doctor`, in Indonesian and English: a cause, then the next thing to do."""

from __future__ import annotations

from collections.abc import Mapping

DOCTOR: Mapping[str, tuple[str, str]] = {
    "help.doctor": (
        "Name the likely cause of trouble on a line, and the next thing to do.",
        "Sebutkan kemungkinan sebab gangguan pada jalur, dan langkah berikutnya.",
    ),
    "help.doctor.units": ("Unit ids that should be there.", "Nomor unit yang seharusnya ada."),
    "help.doctor.text": (
        "At most 600 characters, to be sent by phone.",
        "Paling banyak 600 huruf, untuk dikirim lewat telepon.",
    ),
    "epilog.doctor": (
        """Examples:

\b
  lentera gateway doctor /dev/ttyUSB0
  lentera gateway doctor /dev/ttyUSB0 --units 1-12 --text""",
        """Contoh:

\b
  lentera gateway doctor /dev/ttyUSB0
  lentera gateway doctor /dev/ttyUSB0 --units 1-12 --text""",
    ),
    "doctor.head": ("Line {port}, {settings}:", "Jalur {port}, {settings}:"),
    "doctor.sure": ("Cause", "Sebab"),
    "doctor.likely": ("Likely", "Mungkin"),
    "doctor.more": ("... ({count} more)", "... ({count} lagi)"),
    "cause.adapter_missing": (
        "the adapter is not there. Plug it in; look with `lentera gateway scan`.",
        "adaptor tidak ada. Pasang; lihat dengan `lentera gateway scan`.",
    ),
    "cause.no_permission": (
        "you may not open the port. Add your user to the group dialout and log in again.",
        "Anda tidak boleh membuka port. Masukkan pengguna ke grup dialout lalu masuk lagi.",
    ),
    "cause.port_in_use": (
        "another program has the port. Stop it (often the gateway itself), then look again.",
        "port dipakai program lain. Hentikan (sering gateway sendiri), lalu periksa lagi.",
    ),
    "cause.port_in_use.by": (
        "the port is held by {detail}. Stop that program (often the gateway itself), then look again.",
        "port dipakai oleh {detail}. Hentikan program itu (sering gateway sendiri), lalu periksa lagi.",
    ),
    "cause.port_broken": (
        "the port cannot be used: {detail}. Unplug the adapter, plug it in again; if that does not help, try another.",
        "port tidak dapat dipakai: {detail}. Cabut adaptor lalu pasang lagi; bila tetap begitu, coba adaptor lain.",
    ),
    "cause.swapped": (
        "A and B are swapped. If the displays of the meters are lit, swap the two wires at the adapter and look again.",
        "kabel A dan B tertukar. Bila layar meter menyala, tukar kedua kabel di adaptor lalu periksa lagi.",
    ),
    "cause.no_bias": (
        "the line floats: no bias ({detail}). Switch bias on at one place (adapter or a meter); join the GND wire.",
        "jalur diam mengambang: tanpa bias ({detail}). Nyalakan bias di satu tempat (adaptor atau meter); sambung GND.",
    ),
    "cause.no_termination": (
        "no terminator: frames break or vanish ({detail}). Put 120 ohm at both ends, none between; or lower the baud.",
        "tanpa terminator: pesan rusak atau hilang ({detail}). Pasang 120 ohm di kedua ujung saja; atau turunkan baud.",
    ),
    "cause.interference": (
        "interference or a bad joint: frames break ({detail}). Tighten the clamps, ground the shield at one end, keep "
        "away from mains cables.",
        "gangguan listrik atau sambungan buruk: pesan rusak ({detail}). Kencangkan klem, tanahkan pelindung di satu "
        "ujung, jauhkan dari kabel daya.",
    ),
    "cause.wrong_settings": (
        "wrong baud rate or parity: meters answer at {settings}. Set the bus to that.",
        "baud atau paritas salah: meter menjawab pada {settings}. Setel bus ke situ.",
    ),
    "cause.unit_elsewhere": (
        "unit {units} answers at {settings}, not at the line's setting. Set it on the meter to the line's.",
        "unit {units} menjawab pada {settings}, bukan setelan jalur. Ubah pada meter ke setelan jalur.",
    ),
    "cause.parity_or_baud": (
        "answers come but cannot be read: wrong baud or parity. Run `lentera gateway scan`.",
        "jawaban ada tetapi tak terbaca: baud atau paritas salah. Jalankan `lentera gateway scan`.",
    ),
    "cause.two_on_one_id": (
        "two devices have id {units}. Switch one off and give it another id.",
        "dua perangkat bernomor {units}. Matikan satu dan beri nomor lain.",
    ),
    "cause.other_master": (
        "somebody else talks on this line. Disconnect the other master or panel, then look again.",
        "ada yang lain bicara di jalur ini. Lepaskan master atau panel lain, lalu periksa lagi.",
    ),
    "cause.nothing_powered": (
        "nobody answers: meters without power, or the cable is cut. Look at their displays, check the breaker, then "
        "measure A-B (0.2 V or more).",
        "tidak ada jawaban: meter tanpa listrik atau kabel putus. Lihat layarnya, periksa MCB, lalu ukur A-B (0,2 V "
        "atau lebih).",
    ),
    "cause.unit_silent": (
        "unit {units} is silent, others answer. Check its power, its id and its stub.",
        "unit {units} diam, yang lain menjawab. Periksa listrik, nomor, dan cabang kabelnya.",
    ),
    "cause.echo_only": (
        "the adapter only echoes. Check RS-485 direction (rs485 in the configuration) and the wires.",
        "adaptor hanya menggema. Periksa arah RS-485 (rs485 di konfigurasi) dan kabelnya.",
    ),
    "cause.slow_adapter": (
        "the adapter keeps bytes back for {detail}. Set its latency timer to 1 ms.",
        "adaptor menahan byte {detail}. Setel latency timer ke 1 ms.",
    ),
    "cause.healthy": ("nothing is wrong: every unit answers well.", "tidak ada masalah: semua unit menjawab."),
}
