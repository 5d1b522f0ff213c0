"""Errors in Indonesian and English, and the cloud's and the command line's own English ones in Indonesian."""

from __future__ import annotations

import re
from collections.abc import Mapping

# key: (English, Indonesian), part of the catalogue in language.py.
ERRORS: Mapping[str, tuple[str, str]] = {
    "error.no_cloud": (
        "No cloud to talk to: set LENTERA_URL and LENTERA_TOKEN, or start one in another shell with `lentera demo`.",
        "Tidak ada cloud yang dituju: isi LENTERA_URL dan LENTERA_TOKEN, atau jalankan `lentera demo` di shell lain.",
    ),
    "error.half_a_cloud": (
        "LENTERA_URL and LENTERA_TOKEN belong together, but {missing} is not set. Set both or neither.",
        "LENTERA_URL dan LENTERA_TOKEN berpasangan, tetapi {missing} belum diisi. Isi atau kosongkan keduanya.",
    ),
    "error.stale_session": (
        "The demo that wrote {path} has ended. Start it again with `lentera demo`, or set LENTERA_URL and "
        "LENTERA_TOKEN for another cloud.",
        "Demo yang menulis {path} sudah berakhir. Jalankan lagi `lentera demo`, atau isi LENTERA_URL dan LENTERA_TOKEN "
        "untuk cloud lain.",
    ),
    "error.no_session_file": (
        "{path} is not a session file of this version. Remove it.",
        "{path} bukan berkas sesi versi ini. Hapuslah.",
    ),
    "error.unsafe_session": (
        "{path} holds a token but is not yours alone; it is not used. Remove it and start `lentera demo` again.",
        "{path} berisi token tetapi bukan milik Anda sendiri; tidak dipakai. Hapus dan jalankan lagi `lentera demo`.",
    ),
    "error.span": (
        "{where}: {text!r} is no time span. Give a number and a unit: 30s, 15m, 1h or 2d.",
        "{where}: {text!r} bukan rentang waktu. Beri angka dan satuan: 30s, 15m, 1h, atau 2d.",
    ),
    "error.unreachable": (
        "The cloud at {url} cannot be reached: {reason}. Check LENTERA_URL and that `lentera cloud serve` or "
        "`lentera demo` is running there.",
        "Cloud di {url} tidak dapat dihubungi: {reason}. Periksa LENTERA_URL dan apakah `lentera cloud serve` atau "
        "`lentera demo` berjalan di sana.",
    ),
    "error.too_slow": ("it did not answer in time", "tidak menjawab tepat waktu"),
    "error.no_connection": ("no connection", "tidak ada sambungan"),
    "error.not_our_api": (
        "{method} {path} answered {status}, but not as Lentera's API does ({error}). Check that the URL is that of a "
        "Lentera cloud of the same version.",
        "{method} {path} menjawab {status}, tetapi tidak seperti API Lentera ({error}). Periksa apakah URL itu milik "
        "cloud Lentera dengan versi yang sama.",
    ),
    "error.no_explanation": (
        "{method} {path} answered {status} without an explanation. Check that the URL is that of a Lentera cloud.",
        "{method} {path} menjawab {status} tanpa penjelasan. Periksa apakah URL itu milik cloud Lentera.",
    ),
    "error.missing_extra": (
        "This command needs the extra `{extra}`, which is not installed here (missing: {modules}). Install it with: "
        "pip install 'lentera[{extra}]'",
        "Perintah ini memerlukan ekstra `{extra}` yang belum terpasang di sini (kurang: {modules}). Pasang dengan: "
        "pip install 'lentera[{extra}]'",
    ),
    "error.file": ("{name}: {reason}.", "{name}: {reason}."),
    "file.missing": (
        "there is no such file or folder, and none can be made there. Check the path",
        "file atau folder itu tidak ada dan tidak dapat dibuat di sana. Periksa jalurnya",
    ),
    "file.denied": (
        "this user may not use it. Give another path, or the user the right to it",
        "pengguna ini tidak boleh memakainya. Beri jalur lain, atau beri pengguna hak atasnya",
    ),
    "file.read_only": (
        "it lies on a disk that cannot be written to. Give a path on another disk",
        "letaknya di disk yang tidak dapat ditulis. Beri jalur di disk lain",
    ),
    "file.full": (
        "the disk is full. Free some space, or give a path on another disk",
        "disk penuh. Kosongkan sebagian, atau beri jalur di disk lain",
    ),
    "file.taken": (
        "it is there already, and of another kind than is needed. Move it away, or give another path",
        "sudah ada, tetapi jenisnya bukan yang diperlukan. Pindahkan, atau beri jalur lain",
    ),
    "file.other": (
        "{system}. Check the path, or give another one",
        "{system}. Periksa jalurnya, atau beri yang lain",
    ),
    "remedy.401": (
        "Check LENTERA_TOKEN, or make a token with `lentera cloud token`.",
        "Periksa LENTERA_TOKEN, atau buat token dengan `lentera cloud token`.",
    ),
    "remedy.403": ("Use a token whose role may do this.", "Pakai token dengan peran yang boleh melakukannya."),
    "remedy.404": (
        "List what there is with `lentera devices`.",
        "Lihat apa saja yang ada dengan `lentera devices`.",
    ),
    "remedy.429": ("Try again a little later.", "Coba lagi sebentar lagi."),
    "remedy.500": ("See the cloud's log, or try again later.", "Lihat log cloud, atau coba lagi nanti."),
}

# The cloud's problem codes in Indonesian; {thing} is what its English detail names in quotes or begins with.
PROBLEMS_ID: Mapping[str, str] = {
    "no_token": "Diperlukan token",
    "bad_token": "Token tidak berlaku",
    "not_allowed": "Peran token ini tidak mengizinkannya",
    "unknown_device": "Tidak ada perangkat {thing}",
    "unknown_gateway": "Tidak ada gateway {thing}",
    "unknown_command": "Tidak ada perintah {thing}",
    "not_a_luminaire": "{thing} bukan lampu: hanya lampu yang punya tingkat untuk diatur",
    "store_unavailable": "Penyimpanan cloud sedang tidak dapat dihubungi",
    "internal": "Ada gangguan di dalam cloud",
    "invalid_request": "Permintaan ini tidak dapat dipenuhi: {detail}",
}

# What other rooms say in English, as patterns, and the same in Indonesian.
_FOREIGN_ID: tuple[tuple[str, str], ...] = (
    (r"asked for (\S+ %), the lamp is at (\S+ %) after (\S+) s", r"diminta \1, lampu berada pada \2 setelah \3 dtk"),
    (
        r"asked for (\S+ %), but the lamp draws (\S+ W) after (\S+) s",
        r"diminta \1, tetapi daya lampu \2 setelah \3 dtk",
    ),
    (
        r"(\S+ %) was echoed, but nothing measured within (\S+) s shows that the lamp acted",
        r"\1 digemakan, tetapi dalam \2 dtk tidak ada pengukuran yang menunjukkan bahwa lampu berubah",
    ),
    (
        r"the lamp published nothing about its level within (\S+) s",
        r"lampu tidak mengirim kabar tentang tingkatnya dalam \1 dtk",
    ),
    (r"its gateway no longer lists it", "gateway tidak lagi mendaftarnya"),
    (r"its gateway has no link", "gateway-nya tidak tersambung"),
    (r"its gateway gets no answer from it", "gateway-nya tidak mendapat jawaban"),
)

_USAGE_ID: tuple[tuple[str, str], ...] = (
    (r"Invalid value for (.+?): ", r"Nilai salah untuk \1: "),
    (r"Invalid value: ", "Nilai salah: "),
    (r"Missing argument (.+?)\.", r"Argumen \1 belum diisi."),
    (r"Missing option (.+?)\.", r"Opsi \1 belum diisi."),
    (r"No such option: (\S+)", r"Tidak ada opsi \1"),
    (r"\(Possible options: (.+)\)", r"(Opsi yang mirip: \1)"),
    (r"Did you mean (.+)\?", r"Maksud Anda \1?"),
    (r"No such command (.+?)\.", r"Tidak ada perintah \1."),
    (r"(\S+) is not a valid (?:float|integer|int)\.", r"\1 bukan angka."),
    (r"(\S+) is not in the range (.+)\.", r"\1 di luar rentang \2."),
    (r"(\S+) is not one of (.+)\.", r"\1 bukan salah satu dari \2."),
    (r"Input should be less than or equal to (\S+)", r"nilainya paling besar \1"),
    (r"Input should be greater than or equal to (\S+)", r"nilainya paling kecil \1"),
    (
        r"Input should be a valid (?:number|integer)(?:, unable to parse string as an? (?:number|integer))?",
        "bukan angka",
    ),
    (r"Input should be ('.+') or ('.+')", r"harus \1 atau \2"),
    (r"Option (\S+) requires an argument\.", r"Opsi \1 memerlukan nilai."),
    (r"Got unexpected extra arguments? \((.+)\)", r"Argumen ini berlebih: \1"),
)


def problem_in_indonesian(code: str, detail: str) -> str | None:
    """The cloud's problem `code` with what its English `detail` names, None for a code that is not known here."""
    if code not in PROBLEMS_ID:
        return None
    quoted = re.search(r"'([^']*)'", detail)
    thing = quoted[1] if quoted else detail.split(" ", 1)[0]
    return PROBLEMS_ID[code].format(thing=thing, detail=detail.rstrip(". "))


def reason_in_indonesian(text: str) -> str:
    """A gateway's English explanation in Indonesian; one that is not known stays, marked as the gateway's words."""
    for pattern, translated in _FOREIGN_ID:
        if re.fullmatch(pattern, text):
            return re.sub(pattern, translated, text)
    return f"pesan gateway: {text}"


def usage_in_words(text: str, language: str) -> str:
    """The command line's own English complaint in the reader's `language`."""
    if language == "id":
        for pattern, translated in _USAGE_ID:
            text = re.sub(pattern, translated, text)
    return text
