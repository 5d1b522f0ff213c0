"""The words of the command line in Indonesian and English: for operators and technicians, who need not read English.

The language is LENTERA_LANG (id or en), else that of LC_ALL, LC_MESSAGES or LANG, else English.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from lentera.words_commission import COMMISSION
from lentera.words_completeness import COMPLETENESS
from lentera.words_conflicts import CONFLICTS
from lentera.words_device import DEVICE
from lentera.words_doctor import DOCTOR
from lentera.words_errors import ERRORS
from lentera.words_gaps import GAPS
from lentera.words_gateways import GATEWAYS
from lentera.words_help import HELP
from lentera.words_journal import JOURNAL
from lentera.words_malformed import MALFORMED
from lentera.words_plan import PLAN
from lentera.words_profile import PROFILE
from lentera.words_status import STATUS
from lentera.words_why import WHY

LANGUAGES = ("en", "id")

# key: (English, Indonesian). Placeholders are those of str.format.
CATALOGUE: Mapping[str, tuple[str, str]] = {
    **HELP,
    **ERRORS,
    **COMMISSION,
    **COMPLETENESS,
    **CONFLICTS,
    **DOCTOR,
    **DEVICE,
    **GAPS,
    **GATEWAYS,
    **JOURNAL,
    **MALFORMED,
    **PLAN,
    **PROFILE,
    **STATUS,
    **WHY,
    "column.id": ("ID", "ID"),
    "column.name": ("Name", "Nama"),
    "column.kind": ("Kind", "Jenis"),
    "column.level": ("Level", "Tingkat"),
    "column.commanded": ("Commanded", "Diminta"),
    "column.power": ("Power", "Daya"),
    "column.age": ("Last reading", "Bacaan terakhir"),
    "column.online": ("Online", "Terhubung"),
    "column.quantity": ("Quantity", "Besaran"),
    "column.value": ("Value", "Nilai"),
    "column.unit": ("Unit", "Satuan"),
    "column.quality": ("Quality", "Mutu"),
    "column.at": ("Time", "Waktu"),
    "kind.meter": ("meter", "meter"),
    "kind.luminaire": ("luminaire", "lampu"),
    "online.true": ("yes", "ya"),
    "online.false": ("no", "tidak"),
    "online.none": ("?", "?"),
    "age.ago": ("{age} ago", "{age} lalu"),
    "devices.none": ("There are no devices yet.", "Belum ada perangkat."),
    "series.none": ("No readings in this time.", "Tidak ada bacaan pada waktu ini."),
    "series.truncated": (
        "The answer was cut at the cloud's limit; ask for a shorter time or a longer interval (--every).",
        "Jawaban dipotong pada batas cloud; minta waktu yang lebih pendek atau selang yang lebih panjang (--every).",
    ),
    "state.queued": ("waiting in the cloud", "menunggu di cloud"),
    "state.sent": ("sent to the gateway", "dikirim ke gateway"),
    "state.accepted": ("accepted by the gateway", "diterima gateway"),
    "state.running": ("the lamp is being driven", "lampu sedang diatur"),
    "state.succeeded": ("done", "berhasil"),
    "state.unproved": ("not proved", "tidak terbukti"),
    "state.failed": ("failed", "gagal"),
    "state.rejected": ("refused", "ditolak"),
    "state.expired": ("expired", "kedaluwarsa"),
    "state.cancelled": ("cancelled", "dibatalkan"),
    "confirmed.readback": (
        "confirmed by reading the level back from the lamp",
        "dipastikan dengan membaca ulang tingkat dari lampu",
    ),
    "confirmed.power": ("confirmed by the measured power", "dipastikan dari daya yang terukur"),
    "confirmed.echo": ("only an echo of the command, which proves nothing", "hanya gema perintah, bukan bukti"),
    "dim.start": ("{lamp}: {level:g} % asked for", "{lamp}: diminta {level:g} %"),
    "dim.done": ("{lamp} is at {level:g} %: {how}.", "{lamp} pada {level:g} %: {how}."),
    "dim.failed": ("{lamp} was not dimmed ({state}): {reason}", "{lamp} tidak diredupkan ({state}): {reason}"),
    "dim.unproved": (
        "{lamp}: not proved; the lamp may or may not be at {level:g} %. Only its echo was seen: {reason} {measured}",
        "{lamp}: tidak terbukti; lampu mungkin sudah atau belum pada {level:g} %. Hanya gemanya yang terlihat: "
        "{reason} {measured}",
    ),
    "dim.measured": ("Heard from it last: {values}.", "Kabar terakhirnya: {values}."),
    "dim.measured_nothing": ("It reported nothing else.", "Tidak ada kabar lain darinya."),
    "dim.waiting": (
        "The command is still under way after {seconds:g} s. Its id is {command}; the lamp may yet follow.",
        "Perintah masih berjalan setelah {seconds:g} dtk. ID-nya {command}; lampu mungkin masih menyusul.",
    ),
    "reason.device_offline": (
        "the lamp is offline. Check its power and the radio or bus of its gateway.",
        "lampu tidak terhubung. Periksa listriknya dan radio atau bus gateway-nya.",
    ),
    "reason.device_unknown": (
        "the gateway does not know this lamp. Compare the gateway's configuration with the device list.",
        "gateway tidak mengenal lampu ini. Bandingkan konfigurasi gateway dengan daftar perangkat.",
    ),
    "reason.bus_timeout": (
        "the lamp did not answer in time. Check the wire or broker and try again.",
        "lampu tidak menjawab tepat waktu. Periksa kabel atau broker lalu coba lagi.",
    ),
    "reason.device_refused": ("the lamp refused the command.", "lampu menolak perintah."),
    "reason.level_mismatch": (
        "the lamp reports another level than the one asked for.",
        "lampu melaporkan tingkat yang berbeda dari yang diminta.",
    ),
    "reason.unproved": (
        "the lamp only echoed the command; nothing that was measured shows that it acted.",
        "lampu hanya menggemakan perintah; tidak ada pengukuran yang menunjukkan bahwa lampu berubah.",
    ),
    "reason.expired": (
        "the command was not delivered before it expired. Is the gateway online?",
        "perintah tidak tersampaikan sebelum kedaluwarsa. Apakah gateway terhubung?",
    ),
    "reason.timed_out": ("nothing was heard in time. Try again.", "tidak ada kabar tepat waktu. Coba lagi."),
    "reason.cancelled": ("somebody cancelled it.", "ada yang membatalkannya."),
    "reason.invalid_arguments": ("the level is not possible.", "tingkat itu tidak mungkin."),
    "reason.not_supported": ("this device cannot be dimmed.", "perangkat ini tidak dapat diredupkan."),
    "reason.superseded": ("a newer command took its place.", "perintah yang lebih baru menggantikannya."),
    "reason.gateway_restarted": (
        "the gateway restarted in between. Try again.",
        "gateway memulai ulang di tengah jalan. Coba lagi.",
    ),
    "reason.internal": (
        "an internal fault; see the gateway's and the cloud's log.",
        "gangguan internal; lihat log gateway dan cloud.",
    ),
    "reason.none": ("no reason was given.", "tidak ada alasan."),
    "column.profile": ("Profile", "Profil"),
    "column.bus": ("Bus", "Bus"),
    "column.address": ("Address", "Alamat"),
    "column.every": ("Every", "Setiap"),
    "column.request": ("Request", "Permintaan"),
    "column.wire": ("On the wire", "Di jalur"),
    "check.ok": ("{file} is good: the gateway would start.", "{file} sudah benar: gateway akan berjalan."),
    "check.failed": (
        "{file} has {count} faults, listed above; the gateway would not start.",
        "{file} memiliki {count} kesalahan, lihat di atas; gateway tidak akan berjalan.",
    ),
    "check.failed_once": (
        "{file} has 1 fault, shown above; the gateway would not start.",
        "{file} memiliki 1 kesalahan, lihat di atas; gateway tidak akan berjalan.",
    ),
    "check.gateway": ("Gateway", "Gateway"),
    "check.cloud": ("Cloud", "Cloud"),
    "check.journal": ("Journal", "Jurnal"),
    "check.devices": ("Devices", "Perangkat"),
    "check.load": ("{load:.0%} busy", "{load:.0%} sibuk"),
    "check.warning": ("Watch out", "Perhatian"),
}


def pick_language(environ: Mapping[str, str]) -> str:
    """`id` or `en`, from LENTERA_LANG, else LC_ALL, LC_MESSAGES, LANG; anything else is English."""
    for name in ("LENTERA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "").lower()
        if value:
            return "id" if value[:2] == "id" else "en"
    return "en"


class Words:
    """The catalogue in one language: `words("dim.done", lamp=...)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of `key` with its placeholders filled. Raises KeyError for a key that is not in the catalogue."""
        return CATALOGUE[key][self._column].format(**values)

    def either(self, key: str, fallback: str) -> str:
        """The text of `key`, or `fallback` if a newer cloud uses a word that this version does not know."""
        return CATALOGUE[key][self._column] if key in CATALOGUE else fallback


def reader_words() -> Words:
    """The catalogue in the language of whoever runs this process."""
    return Words(pick_language(os.environ))
