"""The words of `lentera profile`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

PROFILE: Mapping[str, tuple[str, str]] = {
    "help.profile": (
        "Device models: list them, show one, check a new one.",
        "Model perangkat: tampilkan daftar, satu model, atau periksa yang baru.",
    ),
    "help.profile.list": (
        "List the device models that come with Lentera.",
        "Tampilkan model perangkat bawaan Lentera.",
    ),
    "help.profile.list.word": (
        "Only those with this word in id, manufacturer or model.",
        "Hanya yang memuat kata ini pada id, pabrikan, atau model.",
    ),
    "help.profile.json": ("Print JSON instead of text.", "Cetak JSON, bukan teks."),
    "epilog.profile.list": (
        """Examples:

\b
  lentera profile list
  lentera profile list eastron
  lentera profile list --json""",
        """Contoh:

\b
  lentera profile list
  lentera profile list eastron
  lentera profile list --json""",
    ),
    "help.profile.show": (
        "Show what is known of a device model.",
        "Tampilkan yang diketahui tentang satu model perangkat.",
    ),
    "help.profile.show.id": ("A model's id, or a YAML file.", "ID model, atau berkas YAML."),
    "epilog.profile.show": (
        """Examples:

\b
  lentera profile show eastron_sdm630
  lentera profile show ./my_meter.yaml --json

Addresses are those on the wire, counted from 0. A value is the raw number times its scale, in the unit shown.""",
        """Contoh:

\b
  lentera profile show eastron_sdm630
  lentera profile show ./meter_saya.yaml --json

Alamat adalah alamat di jalur, dihitung dari 0. Nilai adalah angka mentah dikali skala, dalam satuan yang tertera.""",
    ),
    "help.profile.check": (
        "Check a profile, then try it on a simulated device made from it.",
        "Periksa profil, lalu coba pada perangkat simulasi yang dibuat darinya.",
    ),
    "help.profile.check.file": ("The profile's YAML file.", "Berkas YAML profil."),
    "epilog.profile.check": (
        """Examples:

\b
  lentera profile check ./my_meter.yaml
  lentera profile check ./my_meter.yaml --json

A meter's profile is tried over a real TCP connection: the simulated meter writes down what it said, the gateway's own
driver reads it, and both must agree. The wire time is that of the profile's serial defaults. A value that agrees proves
the file, not the meter: whether the addresses are the meter's own, only the meter can tell (docs/profiles.md).

A sensor's profile is tried over a real MQTT broker in the same way: the simulated device publishes each message of the
profile and says that it is off and on line.

Exit code 1 if the file is refused (each fault with its line) or a value did not come back as the meter had it.""",
        """Contoh:

\b
  lentera profile check ./meter_saya.yaml
  lentera profile check ./meter_saya.yaml --json

Profil meter dicoba lewat sambungan TCP sungguhan: meter simulasi mencatat jawabannya, driver gateway membacanya, dan
keduanya harus sama. Waktu di jalur dihitung untuk setelan serial bawaan profil. Nilai yang sama membuktikan berkasnya,
bukan meternya: benar tidaknya alamat hanya dapat ditunjukkan oleh meter itu sendiri (docs/profiles.md).

Profil sensor dicoba lewat broker MQTT sungguhan dengan cara yang sama: perangkat simulasi mengirim tiap pesan menurut
profil dan memberi tahu saat luring dan daring.

Kode keluar 1 jika berkas ditolak (tiap kesalahan dengan barisnya) atau ada nilai yang tidak kembali sama.""",
    ),
    "column.manufacturer": ("Manufacturer", "Pabrikan"),
    "column.model": ("Model", "Model"),
    "column.phases": ("Phases", "Fasa"),
    "column.transport": ("Transport", "Jalur"),
    "column.values": ("Values", "Besaran"),
    "column.type": ("Type", "Tipe"),
    "column.scale": ("Scale", "Skala"),
    "column.had": ("Meter had", "Isi meter"),
    "column.read": ("Read", "Terbaca"),
    "column.resolution": ("Step", "Langkah"),
    "column.agrees": ("Same", "Sama"),
    "profile.none": ("No device model has {word!r} in its name.", "Tidak ada model perangkat yang memuat {word!r}."),
    "profile.serial": ("Serial default", "Setelan serial bawaan"),
    "profile.unit_id": ("Factory unit id", "ID unit dari pabrik"),
    "profile.function": ("Function code", "Kode fungsi"),
    "profile.order": ("Byte, word order", "Urutan byte, kata"),
    "profile.limit": ("Registers per read", "Register per bacaan"),
    "profile.signs": ("Signs", "Tanda"),
    "profile.unknown": ("not known", "tidak diketahui"),
    "profile.power_sign": ("active power {sign}", "daya aktif {sign}"),
    "profile.factor_sign": ("power factor {sign}", "faktor daya {sign}"),
    "profile.identity": ("Tells of itself", "Keterangan diri"),
    "profile.notes": ("Notes", "Catatan"),
    "profile.conflicts": (
        "Sources that disagree (the profile follows the first)",
        "Sumber yang berbeda (profil mengikuti yang pertama)",
    ),
    "profile.sources": ("Sources", "Sumber"),
    "profile.good": ("{file} is a good profile of a {kind}.", "{file} adalah profil {kind} yang baik."),
    "profile.kind.meter": ("meter", "meter"),
    "profile.kind.lamp": ("lamp", "lampu"),
    "profile.kind.sensor": ("sensor", "sensor"),
    "profile.refused": (
        "{file} has {count} faults, listed above; no device can be read with it.",
        "{file} memiliki {count} kesalahan, lihat di atas; tidak ada perangkat yang dapat dibaca dengannya.",
    ),
    "profile.refused_once": (
        "{file} has 1 fault, shown above; no device can be read with it.",
        "{file} memiliki 1 kesalahan, lihat di atas; tidak ada perangkat yang dapat dibaca dengannya.",
    ),
    "profile.skipped": (
        "The dry run was skipped: {why}",
        "Uji coba dilewati: {why}",
    ),
    "profile.skipped.kind": (
        "only meters and sensors are tried on a simulated device.",
        "hanya meter dan sensor yang dicoba pada perangkat simulasi.",
    ),
    "profile.skipped.extra": (
        "the extra `sim` is not installed here (missing: {modules}). Install lentera[gateway,sim].",
        "ekstra `sim` tidak terpasang di sini (kurang: {modules}). Pasang lentera[gateway,sim].",
    ),
    "profile.tried": (
        "Dry run: {agreed} of {count} values came back as the simulated device had them.",
        "Uji coba: {agreed} dari {count} nilai kembali sama dengan isi perangkat simulasi.",
    ),
    "profile.cost": (
        "Requests a poll: {requests}, together {wire_ms:.0f} ms on {line}.",
        "Permintaan tiap bacaan: {requests}, seluruhnya {wire_ms:.0f} ms pada {line}.",
    ),
    "profile.topics": ("Topics listened to: {topics}.", "Topik yang didengarkan: {topics}."),
    "profile.rules": ("Rules that a scan recognises it by", "Aturan yang dipakai pemindaian untuk mengenalinya"),
    "profile.verdict.passed": ("passed", "lulus"),
    "profile.verdict.failed": ("failed", "gagal"),
    "profile.verdict.needs_load": ("needs load", "perlu beban"),
    "profile.verdict.unknown": ("cannot tell", "tidak dapat ditentukan"),
    "profile.trial_failed": (
        "{file}: the dry run failed: {count} values came back wrong, see `Same` above.",
        "{file}: uji coba gagal: {count} nilai tidak kembali sama, lihat `Sama` di atas.",
    ),
    "profile.trial_silent": (
        "{file}: the dry run read nothing: {why}",
        "{file}: uji coba tidak membaca apa pun: {why}",
    ),
    "profile.hint": ("Look again", "Periksa lagi"),
    "profile.hint.name": (
        "the file is called {file}, its id is {id}: to come with Lentera it must be called {id}.yaml.",
        "berkas bernama {file}, id-nya {id}: agar menjadi bawaan Lentera namanya harus {id}.yaml.",
    ),
    "profile.hint.taken": (
        "a profile that comes with Lentera has the id {id} already: choose another.",
        "id {id} sudah dipakai profil bawaan Lentera: pilih yang lain.",
    ),
    "profile.hint.recognition": (
        "without a voltage to neutral and a frequency a scan cannot recognise this meter.",
        "tanpa tegangan fasa-netral dan frekuensi, pemindaian tidak dapat mengenali meter ini.",
    ),
    "profile.hint.serial": (
        "the factory's baud rate is not known: write it under `serial` if the manual tells it.",
        "baud bawaan pabrik tidak diketahui: tulis di `serial` bila ada di manual.",
    ),
    "profile.hint.float_counter": (
        "{count} counters are float32: at 100 MWh one moves in steps of {step} Wh. Take integer or float64 registers "
        "if the meter has them.",
        "{count} penghitung bertipe float32: pada 100 MWh langkahnya {step} Wh. Pakai register bilangan bulat atau "
        "float64 bila meter memilikinya.",
    ),
    "profile.hint.narrow": (
        "{names} cannot carry what a small cabinet has, and was tried with less: check type and scale.",
        "{names} tidak dapat memuat nilai panel kecil, maka dicoba dengan nilai lebih kecil: periksa tipe dan skala.",
    ),
}
