"""The words of `lentera gateway malformed`, in English and Indonesian; part of the catalogue in language.py."""

from __future__ import annotations

from collections.abc import Mapping

MALFORMED: Mapping[str, tuple[str, str]] = {
    "help.gateway.malformed": (
        "Show what devices on MQTT published that is of no use.",
        "Tampilkan pesan perangkat MQTT yang tidak dapat dipakai.",
    ),
    "help.gateway.malformed.device": ("Only of this device.", "Hanya dari perangkat ini."),
    "help.gateway.malformed.json": ("Print the answer as JSON.", "Cetak jawabannya sebagai JSON."),
    "epilog.gateway.malformed": (
        """Examples:

\b
  lentera gateway malformed gateway.yaml
  lentera gateway malformed gateway.yaml plug-01 --json

The running gateway is asked, so run it on the board, as the gateway's user. It keeps the last eight messages of a
device with the reason and their first 64 bytes: hold them against the profile (docs/mqtt-devices.md).""",
        """Contoh:

\b
  lentera gateway malformed gateway.yaml
  lentera gateway malformed gateway.yaml plug-01 --json

Gateway yang sedang berjalan ditanya, jadi jalankan di papan itu sebagai pengguna gateway. Disimpan delapan pesan
terakhir tiap perangkat dengan alasannya dan 64 bita pertamanya: bandingkan dengan profilnya (docs/mqtt-devices.md).""",
    ),
    "malformed.none": (
        "Every message since the start could be used.",
        "Semua pesan sejak awal dapat dipakai.",
    ),
    "malformed.stray": ("(no device)", "(tanpa perangkat)"),
    "malformed.counted": (
        "{device}: {count} messages of no use since the start, the newest {shown}:",
        "{device}: {count} pesan tidak dapat dipakai sejak awal, {shown} terakhir:",
    ),
    "malformed.entry": ("{age} ago, {topic}, {size} bytes: {reason}", "{age} lalu, {topic}, {size} bita: {reason}"),
}
